"""What YAML means here: no surprises, the environment, paths; whatever stands in a file is understood or refused."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from msyncd.errors import ConfigurationInvalid
from msyncd.settings import load
from msyncd.settings.document import parse
from msyncd.settings.expand import expand
from msyncd.settings.values import Settings

PRIMARY = "this_site: {sync_id: 1, database: 'sqlite:///a.db'"
LIVE = "this_site: {sync_id: 1, database: 'sqlite:///a.db'}\n"


def loaded(folder: Path, text: str, **environment: str) -> Settings:
    file = folder / "msyncd.yaml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return load(file, environment=environment).settings


def value(text: str) -> Any:
    root, flaws = parse(f"a: {text}\n".encode())
    assert flaws == ()
    assert root is not None
    return root.plain()["a"]


@pytest.mark.parametrize(
    "text", ["NO", "no", "on", "off", "Y", "22:30", "010", "0o17", "0x1F", "1_000", "2026-11-23", "="]
)
def test_what_yaml_1_1_would_change_stays_text(text: str) -> None:
    assert value(text) == text


@pytest.mark.parametrize("text", ["'true'", '"12"', "!!str 12", "! 12"])
def test_what_is_quoted_is_text(text: str) -> None:
    assert isinstance(value(text), str)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("12", 12), ("-3", -3), ("0", 0)],
        *[("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("[1, a]", [1, "a"]), ("{b: 1}", {"b": 1})],
    ],
)
def test_what_looks_like_a_value_is_one(text: str, expected: object) -> None:
    assert value(text) == expected
    assert isinstance(value(text), type(expected))


def test_anchors_and_merges_work() -> None:
    root, flaws = parse(b"a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [*a, {z: 4}]}\n")
    assert flaws == ()
    assert root is not None
    assert root.plain() == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2, "z": 4}}


def test_a_byte_order_mark_and_other_line_ends_are_read(tmp_path: Path) -> None:
    file = tmp_path / "msyncd.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + LIVE.replace("\n", "\r\n").encode() + b"keep: 3\r\n")
    assert load(file, environment={}).settings.keep_days == 3


def test_numbers_are_taken_as_text_where_text_is_wanted(tmp_path: Path) -> None:
    found = loaded(tmp_path, PRIMARY + ", active_stores: [010, 12, 1.50], name: 7, password: 0042}")
    assert found.this_site.active_stores == ("010", "12", "1.50")
    assert found.this_site.name == "7"
    assert found.this_site.password.value == "0042"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("5", 300),
        ("0", 0),
        ("0.5", 30),
        ("30s", 30),
        ("5m", 300),
        ("1h", 3600),
        ("1.5h", 5400),
        ("'5'", 300),
        ("1s", 1),
    ],
)
def test_an_interval_is_minutes_or_says_its_unit(tmp_path: Path, written: str, seconds: float) -> None:
    assert loaded(tmp_path, f"{LIVE}sync: {{interval: {written}}}\n").sync.interval == seconds


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("sqlite:///store.db", "sqlite:///{folder}/store.db"),
        ("sqlite:///../store.db", "sqlite:///{parent}/store.db"),
        ("sqlite:////srv/store.db", "sqlite:////srv/store.db"),
        ("sqlite:///${NAME}.db", "sqlite:///{folder}/bumban.db"),
        ("postgresql:///msupply", "postgresql:///msupply"),
        ("postgres://u@h/d", "postgresql://u@h/d"),
        ("mariadb://u@h/d", "mariadb://u@h/d"),
        ("mysql://u@h:3306/d", "mariadb://u@h:3306/d"),
    ],
)
def test_databases_are_made_uniform(tmp_path: Path, written: str, url: str) -> None:
    found = loaded(tmp_path, f"this_site: {{sync_id: 1, database: '{written}'}}\n", NAME="bumban")
    assert found.this_site.database == url.format(folder=tmp_path, parent=tmp_path.parent)


@pytest.mark.parametrize(
    ("line", "environment", "expected"),
    [
        ("", {}, "{folder}/.msyncd"),
        ("", {"STATE_DIRECTORY": "/var/lib/msyncd:/var/lib/other"}, "/var/lib/msyncd"),
        ("state_directory: state", {"STATE_DIRECTORY": "/var/lib/msyncd"}, "{folder}/state"),
        ("state_directory: /srv/${WHERE}", {"WHERE": "x"}, "/srv/x"),
    ],
)
def test_the_state_directory(tmp_path: Path, line: str, environment: dict[str, str], expected: str) -> None:
    found = loaded(tmp_path, f"{LIVE}{line}\n", **environment)
    assert str(found.state_directory) == expected.format(folder=tmp_path)


def test_a_file_without_sync_with_stands_alone_with_every_default(tmp_path: Path) -> None:
    found = loaded(tmp_path, LIVE + "sync:\nsync_with:\nrecord_types:\n")
    assert found.stands_alone
    assert (found.sync.interval, found.sync.request_size, found.sync.live) == (300, 20, True)
    assert (found.listen.host, found.listen.port, found.this_site.user_name) == ("127.0.0.1", 8443, "sync")
    assert (found.max_sync_id, found.allow_plain_http, found.keep_days) == (64, False, 7)
    assert (found.this_site.active_stores, found.this_site.copies_of) == (None, None)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("", "null"), ("null", "null"), ("'null'", "null"), ("~", "null"), ("refuse", "refuse")],
)
def test_zero_dates_become_null_unless_they_are_refused(tmp_path: Path, written: str, expected: str) -> None:
    assert loaded(tmp_path, f"{LIVE}zero_dates: {written}\n").zero_dates == expected
    assert loaded(tmp_path, LIVE).zero_dates == "null"


def test_a_primary_takes_a_bare_host_and_ignores_sync(tmp_path: Path) -> None:
    text = (
        LIVE + "sync: {interval: 0}\nsync_with: [{sync_id: 2, url: 192.168.1.7}, {sync_id: 3, url: 'https://k.org/'}]\n"
    )
    found = loaded(tmp_path, text)
    assert [peer.url for peer in found.sync_with] == ["https://192.168.1.7", "https://k.org"]


def test_plain_http_is_allowed_if_it_is_said(tmp_path: Path) -> None:
    text = "this_site: {sync_id: 2, database: 'sqlite:///a.db'}\nsync_with: [{sync_id: 1, url: 'http://a.org'}]\n"
    assert loaded(tmp_path, text + "allow_plain_http: true\n").sync_with[0].url == "http://a.org"
    loopback = text.replace("a.org", "127.0.0.1:8443")
    assert loaded(tmp_path, loopback).sync_with[0].url == "http://127.0.0.1:8443"


TABLE = "{table: t, edited_on: primary, sent_to: every_site, store: s}"


@pytest.mark.parametrize(
    "text",
    [
        f"record_types: {{a: {TABLE}}}\nstores: {{table: s, key: k}}\n",
        f"record_types: [{{a: {TABLE}}}, {{stores: {{table: s, key: k}}}}]\n",
        f"record_types: [{{stores: {{table: s, key: k}}, record_types: {{a: {TABLE}}}}}]\n",
    ],
)
def test_record_types_may_stand_inline(tmp_path: Path, text: str) -> None:
    found = loaded(tmp_path, LIVE + text)
    assert [one.name for one in found.record_types] == ["a"]
    assert found.stores is not None
    assert found.stores.table == "s"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a${X}b", "a1b"), ("$${X}", "${X}"), ("pa$$word", "pa$$word"), ("$X", "$X"), ("${X}${X}", "11"), ("$", "$")],
)
def test_variables_are_replaced(text: str, expected: str) -> None:
    assert expand(text, {"X": "1"}).text == expected


def test_what_a_variable_holds_is_not_expanded_again() -> None:
    assert expand("${X}", {"X": "${Y}", "Y": "no"}).text == "${Y}"


def test_a_number_may_come_from_the_environment(tmp_path: Path) -> None:
    found = loaded(tmp_path, LIVE + "listen:\n  port: ${PORT}\n", PORT="9000")
    assert found.listen.port == 9000


def test_plugin_settings_are_plain_values(tmp_path: Path) -> None:
    text = LIVE + "plugins: [{module: ./p.py, settings: {a: 12, b: [1.5, x], c: {d: true}, e: }}]\n"
    found = loaded(tmp_path, text).plugins[0].settings
    assert found == {"a": 12, "b": [1.5, "x"], "c": {"d": True}, "e": None}
    assert type(found["a"]) is int
    assert type(found["b"][0]) is float


def test_loading_twice_gives_equal_settings(tmp_path: Path) -> None:
    text = LIVE + f"record_types: {{a: {TABLE}}}\nplugins: [{{module: x, settings: {{y: 1}}}}]\n"
    first = loaded(tmp_path, text)
    assert loaded(tmp_path, text) == first
    assert loaded(tmp_path, text + "# a comment\n").digest != first.digest


WORDS = ["this_site", "sync_id", "sync", "sync_with", "database", "record_types", "stores", "store", "through", "of"]
WORDS += [
    "table",
    "key",
    "listen",
    "plugins",
    "settings",
    "a",
    "${X}",
    "$${",
    "true",
    "7",
    "~",
    "",
    "<<",
    "sqlite:///a",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=25,
)


def only_refuses(file: Path) -> None:
    """Loads, or raises ConfigurationInvalid with sorted problems that have places; nothing else."""
    try:
        load(file, environment={"X": "1"})
    except ConfigurationInvalid as invalid:
        problems = invalid.problems
        assert problems
        assert [(one.file, one.line, one.column) for one in problems] == sorted(
            (one.file, one.line, one.column) for one in problems
        )
        assert all(one.line >= 1 and one.column >= 1 and one.message and "\n" not in str(one) for one in problems)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(content=b"\x00")
@example(content=b"a: " + b"[" * 5000)
@example(content=b"9" * 6000 + b": " + b"9" * 6000)
def test_whatever_bytes_there_are_they_only_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "msyncd.yaml"
    file.write_bytes(content)
    only_refuses(file)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(site=VALUES, rest=st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=5))
def test_whatever_yaml_there_is_it_only_is_refused(tmp_path: Path, site: object, rest: dict[str, object]) -> None:
    import yaml

    file = tmp_path / "msyncd.yaml"
    file.write_text(yaml.safe_dump({**rest, "this_site": site}, allow_unicode=True), encoding="utf-8")
    only_refuses(file)
