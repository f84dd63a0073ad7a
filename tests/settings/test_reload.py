"""An edit is taken in whole or not at all, and told in words."""

import json
from pathlib import Path

import pytest

from msyncd.errors import ConfigurationInvalid
from msyncd.settings.addresses import without_password
from msyncd.settings.reload import Reloader
from msyncd.settings.show import differences, show

TEXT = """\
this_site: {sync_id: 2, name: Bumban, database: "postgresql://u:geheim@h/d", password: geheim}
sync: {interval: 5}
sync_with: [{sync_id: 1, url: "https://a.org", password: geheim}]
record_types: {item: {table: item, key: ID, edited_on: primary, sent_to: every_site}}
plugins:
  - {module: notify, settings: {urls: [tgram://geheim/chat], token: geheim, when: silent}}
  - {module: ./rules.py}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "rules.py").write_text("one = 1\n")
    return write(tmp_path / "msyncd.yaml", TEXT)


def write(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return file


def test_a_good_edit_is_taken_in(file: Path) -> None:
    reloader = Reloader(file, environment={})
    old = reloader.current
    assert reloader.refresh() is None
    write(file, TEXT.replace("interval: 5", "interval: 30s"))
    change = reloader.refresh()
    assert change is not None
    assert (change.old, change.new, change.plugin_files) == (old, reloader.current, False)
    assert reloader.current.sync.interval == 30
    assert differences(change.old, change.new) == ("sync.interval: 5m → 30s",)
    assert reloader.refresh() is None


def test_a_bad_edit_changes_nothing_until_it_is_corrected(file: Path) -> None:
    reloader = Reloader(file, environment={})
    good = reloader.current
    write(file, TEXT.replace("interval: 5", "interval: soon"))
    assert reloader.refresh() is None
    assert reloader.current is good
    assert [problem.message for problem in reloader.problems] == ["interval must be a length of time, not soon"]
    write(file, TEXT)
    assert reloader.refresh() is None
    assert reloader.problems == ()
    file.unlink()
    assert reloader.refresh() is None
    assert (reloader.current, len(reloader.problems)) == (good, 1)


def test_warnings_of_a_good_file_are_problems_too(file: Path) -> None:
    reloader = Reloader(file, environment={})
    file.chmod(0o644)
    assert reloader.refresh() is None
    assert {problem.severity for problem in reloader.problems} == {"warning"}


def test_there_must_be_a_good_configuration_to_begin_with(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid):
        Reloader(tmp_path / "msyncd.yaml", environment={})


def test_a_file_that_a_bad_edit_names_is_watched(file: Path) -> None:
    reloader = Reloader(file, environment={})
    named = file.parent / "more.yaml"
    inline = TEXT[TEXT.index("record_types") : TEXT.index("plugins")]
    write(file, TEXT.replace(inline, "record_types: [more.yaml]\n"))
    assert reloader.refresh() is None
    assert named in reloader.files()
    write(named, inline)
    change = reloader.refresh()
    assert change is not None
    assert named in change.new.files


def test_an_edited_plugin_file_is_a_change(file: Path) -> None:
    reloader = Reloader(file, environment={})
    assert file.parent / "rules.py" in reloader.files()
    (file.parent / "rules.py").write_text("one = 2\n")
    change = reloader.refresh()
    assert change is not None
    assert change.plugin_files
    assert differences(change.old, change.new) == ()


def test_what_is_shown_holds_no_secret_and_is_fit_for_json(file: Path) -> None:
    shown = show(Reloader(file, environment={}).current)
    text = json.dumps(shown)
    assert "geheim" not in text
    assert shown["this_site"]["database"] == "postgresql://u@h/d"
    assert shown["this_site"]["password"] == "set"
    assert shown["sync"] == {"interval": "5m", "request_size": 20, "live": True}
    assert shown["record_types"]["item"]["sent_to"] == "every_site"
    assert shown["plugins"]["notify"]["settings"]["when"] == "silent"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("name: Bumban", "name: Bumba", ["this_site.name: Bumban → Bumba"]),
        ("h/d", "h/e", ["this_site.database: postgresql://u@h/d → postgresql://u@h/e"]),
        ("u:geheim", "u:other", ["this_site.database was changed"]),
        ("password: geheim}]", "password: other}]", ["sync_with.1.password was changed"]),
        ("token: geheim", "token: other", ["plugins.notify.settings.token was changed"]),
        ("when: silent", "when: late", ["plugins.notify.settings.when: silent → late"]),
        ("sent_to: every_site", "sent_to: primary_only", ["record_types.item.sent_to: every_site → primary_only"]),
        ("{item: {", "{items: {", ["record_types.item was taken away", "record_types.items was added"]),
        ("{interval: 5}", "{live: false}", ["sync.live: true → false"]),
        ("sync: {", "console: {listen: 127.0.0.1:8}\nsync: {", ["console.listen: not given → 127.0.0.1:8"]),
        ("sync: {", "# nothing\nsync: {", []),
    ],
)
def test_differences_are_told_in_words(file: Path, before: str, after: str, expected: list[str]) -> None:
    reloader = Reloader(file, environment={})
    old = reloader.current
    write(file, TEXT.replace(before, after))
    reloader.refresh()
    lines = differences(old, reloader.current)
    assert sorted(lines) == expected
    assert not any("geheim" in line or "other" in line for line in lines)


def test_another_order_of_plugins_is_a_difference(file: Path) -> None:
    reloader = Reloader(file, environment={})
    old = reloader.current
    lines = TEXT.splitlines(keepends=True)
    write(file, "".join([*lines[:-2], lines[-1], lines[-2]]))
    assert reloader.refresh() is not None
    assert differences(old, reloader.current) == ("plugins stand in another order",)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:ge/heim@h/d", "postgresql://u@h/d"),
        ("postgresql://h/d?user=u&password=geheim&x=1", "postgresql://h/d?user=u&password=***&x=1"),
        ("mariadb://u:geh@eim@h/d", "mariadb://u@h/d"),
        ("sqlite:////srv/a@b.db", "sqlite:////srv/a@b.db"),
        ("postgresql:///d", "postgresql:///d"),
    ],
)
def test_a_database_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
