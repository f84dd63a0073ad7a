"""What counts while the files are edited: with and without a lock, and across restarts."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from msyncd.errors import ConfigurationInvalid
from msyncd.settings.accepted import accepted_in, pointer_of
from msyncd.settings.durable import StateUnreadable
from msyncd.settings.in_force import InForce, held_since, in_force
from msyncd.settings.lock import Lock
from msyncd.settings.reload import Change, Reloader
from msyncd.settings.secrets import hash_password

CODE = hash_password("4711")
TEXT = f"""\
this_site: {{sync_id: 2, name: Bumban, database: "sqlite:///a.db"}}
sync: {{interval: 5, live: true}}
sync_with: [{{sync_id: 1, url: "https://a.org"}}]
record_types: [types.yaml]
state_directory: state
authorisation: {{code_hash: "{CODE}"}}
"""
TYPES = "record_types: {item: {table: item, key: ID, edited_on: primary, sent_to: every_site}}\n"


class Site:
    """A configuration in a folder, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.state = folder, folder / "msyncd.yaml", folder / "state"
        self.now = datetime(2026, 11, 23, 9, tzinfo=UTC)
        (folder / "types.yaml").write_text(TYPES)
        self.file.write_text(TEXT)

    def edit(self, old: str, new: str, file: str = "msyncd.yaml") -> None:
        text = (self.folder / file).read_text()
        assert old in text
        (self.folder / file).write_text(text.replace(old, new))

    def found(self) -> InForce:
        return in_force(self.file, environment={}, clock=lambda: self.now)

    def accept(self) -> None:
        self.found().accept()

    def unlock(self) -> None:
        Lock(self.state, lambda: self.now).give(CODE, "4711", by="test")

    def reloader(self) -> Reloader:
        return Reloader(self.file, environment={}, clock=lambda: self.now)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.accept()
    return made


def name(found: InForce) -> str:
    return found.settings.this_site.name


def test_an_edit_is_held_back_until_the_code_is_given(site: Site) -> None:
    assert (site.found().locked, site.found().held) == (True, None)
    site.edit("Bumban", "Bumba")
    found = site.found()
    assert name(found) == "Bumban"
    assert found.held is not None
    assert found.held.this_site.name == "Bumba"
    found.accept()
    assert name(site.found()) == "Bumban", "what is held back is not accepted by any means"
    site.unlock()
    found = site.found()
    assert (name(found), found.held, found.locked) == ("Bumba", None, False)
    assert found.unlocked_until == "2026-11-23T09:15:00.000Z"
    found.accept()
    site.now += timedelta(minutes=16)
    assert (name(site.found()), site.found().held, site.found().locked) == ("Bumba", None, True)


def test_an_edit_that_was_not_taken_in_while_it_was_unlocked_is_held_back_again(site: Site) -> None:
    site.unlock()
    site.edit("Bumban", "Bumba")
    assert name(site.found()) == "Bumba"
    site.now += timedelta(minutes=16)
    assert name(site.found()) == "Bumban"
    assert site.found().held is not None


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("interval: 5", "interval: 0", "sync"),
        ("state_directory: state", "state_directory: state\nlog: {level: debug, format: json}", "log"),
    ],
)
def test_interval_and_log_pass_and_stay(site: Site, old: str, new: str, where: str) -> None:
    before = site.found().settings
    site.edit(old, new)
    found = site.found()
    assert found.held is None
    assert getattr(found.settings, where) != getattr(before, where)
    found.accept()
    site.edit("Bumban", "Bumba")
    found = site.found()
    assert found.held is not None
    assert getattr(found.settings, where) != getattr(before, where)
    found.accept()
    site.file.write_text("[")
    assert getattr(site.found().settings, where) == getattr(found.settings, where), "also with a bad file"


def test_open_settings_pass_while_others_are_held_back_in_the_same_edit(site: Site) -> None:
    site.edit("interval: 5, live: true", "interval: 0, live: false")
    found = site.found()
    assert (found.settings.sync.interval, found.settings.sync.live) == (0, True)
    assert found.held is not None


def test_a_comment_is_no_edit_that_is_held_back_and_stays(site: Site) -> None:
    site.edit("sync:", "# why\nsync:")
    assert site.found().held is None
    site.accept()
    accepted = accepted_in(site.state)
    assert accepted is not None
    assert "# why" in accepted.main


@pytest.mark.parametrize(
    ("old", "new", "file"),
    [
        (f'authorisation: {{code_hash: "{CODE}"}}\n', "", "msyncd.yaml"),
        (CODE, hash_password("other"), "msyncd.yaml"),
        ("state_directory: state", "state_directory: elsewhere", "msyncd.yaml"),
        ("state_directory: state\n", "", "msyncd.yaml"),
        ("edited_on: primary", "edited_on: any_site", "types.yaml"),
        ("interval: 5", "request_size: 5", "msyncd.yaml"),
        ("[types.yaml]", "{item: {table: item, key: ID, edited_on: primary, sent_to: primary_only}}", "msyncd.yaml"),
    ],
    ids=["lock", "code", "state", "no state", "record type", "section", "types inline"],
)
def test_everything_else_is_locked_also_the_lock_itself(site: Site, old: str, new: str, file: str) -> None:
    before = site.found().settings
    site.edit(old, new, file)
    for _ in range(2):
        found = site.found()
        assert found.held is not None
        assert (found.settings, found.home) == (before, site.state)
        found.accept()
    site.unlock()
    assert site.found().held is None
    assert site.found().settings == site.reloader().current != before


def test_once_the_hash_is_removed_with_the_code_edits_are_free(site: Site) -> None:
    site.unlock()
    site.edit(f'authorisation: {{code_hash: "{CODE}"}}\n', "")
    site.accept()
    assert not pointer_of(site.file).exists()
    site.now += timedelta(minutes=16)
    site.edit("Bumban", "Bumba")
    assert (name(site.found()), site.found().locked) == ("Bumba", False)


def test_a_code_in_the_file_locks_once_it_was_accepted(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.edit("Bumban", "Bumba")
    assert name(site.found()) == "Bumba"
    site.accept()
    site.edit("Bumba", "Bumban")
    assert name(site.found()) == "Bumba"


def test_another_state_directory_is_taken_with_the_code_and_is_then_the_one_that_counts(site: Site) -> None:
    site.edit("state_directory: state", "state_directory: elsewhere")
    site.unlock()
    site.accept()
    site.now += timedelta(minutes=16)
    assert site.found().home == site.folder / "elsewhere"
    site.edit("state_directory: elsewhere", "state_directory: third")
    assert (site.found().home, site.found().settings.state_directory) == (site.folder / "elsewhere",) * 2


def test_a_bad_file_leaves_what_was_accepted_also_at_a_start(site: Site) -> None:
    site.edit("sync_id: 2", "sync_id: [")
    found = site.found()
    assert (name(found), found.held) == ("Bumban", None)
    assert found.problems
    assert site.reloader().current.this_site.name == "Bumban"
    (site.folder / "types.yaml").unlink()
    site.file.unlink()
    assert len(site.found().settings.record_types) == 1


def test_without_a_lock_the_files_count_and_a_bad_one_is_said(site: Site, tmp_path: Path) -> None:
    free = Site(tmp_path)
    free.edit(f'authorisation: {{code_hash: "{CODE}"}}\n', "")
    site.unlock()
    free.accept()
    free.edit("sync_id: 2", "sync_id: [")
    with pytest.raises(ConfigurationInvalid):
        _ = free.found().settings


def test_what_was_accepted_and_cannot_be_read_is_said(site: Site) -> None:
    (site.state / "accepted.json").write_text("{")
    with pytest.raises(StateUnreadable, match="damaged"):
        site.found()


def test_what_was_accepted_is_for_its_owner_alone_and_written_only_if_it_changed(site: Site) -> None:
    file = site.state / "accepted.json"
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.stat()
    site.accept()
    assert file.stat().st_ino == before.st_ino


def test_since_when_it_is_held_back(site: Site) -> None:
    assert held_since(site.found()) is None
    site.edit("Bumban", "Bumba")
    os.utime(site.file, (1_800_000_000, 1_800_000_000))
    os.utime(site.folder / "types.yaml", (1, 1))
    assert held_since(site.found()) == "2027-01-15T08:00:00.000Z", "by the files, as long as no daemon has seen it"
    held = site.found().held
    assert held is not None
    Lock(site.state, lambda: site.now).note_held(held.digest)
    assert held_since(site.found()) == "2026-11-23T09:00:00.000Z"


def holds(reloader: Reloader) -> bool:
    return reloader.found.held is not None


# --- while a daemon runs ----------------------------------------------------------------------------------------------


def test_the_reloader_holds_back_and_takes_in_with_the_code(site: Site) -> None:
    reloader = site.reloader()
    site.edit("Bumban", "Bumba")
    assert reloader.refresh() is None
    assert holds(reloader)
    reloader.accept()
    assert site.reloader().current.this_site.name == "Bumban"
    site.unlock()
    change = reloader.refresh()
    assert isinstance(change, Change)
    assert (change.old.this_site.name, change.new.this_site.name) == ("Bumban", "Bumba")
    reloader.accept()
    site.now += timedelta(minutes=16)
    assert reloader.refresh() is None
    assert not holds(reloader)
    site.edit("Bumba", "Kalo")
    assert reloader.refresh() is None
    assert reloader.current.this_site.name == "Bumba"


def test_the_reloader_lets_the_open_settings_pass(site: Site) -> None:
    reloader = site.reloader()
    site.edit("interval: 5, live: true", "interval: 0, live: false")
    change = reloader.refresh()
    assert change is not None
    assert (change.new.sync.interval, change.new.sync.live) == (0, True)
    reloader.accept()
    assert site.reloader().current.sync.interval == 0


def test_an_edit_that_is_undone_is_no_longer_held_back(site: Site) -> None:
    reloader = site.reloader()
    site.edit("Bumban", "Bumba")
    reloader.refresh()
    site.edit("Bumba", "Bumban")
    assert reloader.refresh() is None
    assert not holds(reloader)


def test_what_was_accepted_and_needs_a_file_that_has_gone_keeps_running(site: Site) -> None:
    site.unlock()
    (site.folder / "ca.pem").write_text("")
    site.edit('"https://a.org"', '"https://a.org", ca_certificate: ca.pem')
    site.accept()
    site.now += timedelta(minutes=16)
    reloader = site.reloader()
    (site.folder / "ca.pem").unlink()
    site.edit("Bumban", "Bumba")
    assert reloader.refresh() is None
    assert reloader.current.this_site.name == "Bumban"
    assert "ca.pem" in reloader.problems[0].message
    (site.folder / "ca.pem").write_text("")
    assert reloader.refresh() is None
    assert holds(reloader)
