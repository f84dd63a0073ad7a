"""One state directory by rule: what is on the disk decides where the configuration names none."""

import json
from pathlib import Path

import pytest

from msyncd.settings import load
from msyncd.settings.state_directory import StateDirectory, choose, installation_id


class Folders:
    """A configuration's file, and the places where its state may be."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "etc/msyncd.yaml"
        self.beside = folder / "etc/.msyncd"
        self.given = folder / "given"
        self.system = folder / "system"
        self.file.parent.mkdir()

    def hold(self, folder: Path, one: str, *, of: Path | None = None) -> None:
        folder.mkdir(exist_ok=True)
        made_for = {} if of is None else {"configuration": str(of)}
        (folder / "installation.json").write_text(json.dumps({"id": one, **made_for}))

    def choose(self, *, written: str | None = None, environment: bool = False) -> StateDirectory:
        variables = {"STATE_DIRECTORY": f"{self.given}:/other"} if environment else {}
        return choose(written, self.file, variables, system=self.system)


@pytest.fixture
def at(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_before_there_is_any_id_the_default_counts(at: Folders) -> None:
    assert at.choose() == StateDirectory(at.beside)
    assert at.choose(environment=True) == StateDirectory(at.given)
    at.system.mkdir()  # made by hand, before the service has ever run: nobody's yet
    assert at.choose() == StateDirectory(at.beside)


def test_a_command_typed_by_hand_finds_the_place_of_the_service(at: Folders) -> None:
    at.hold(at.system, "a", of=at.file)
    chosen = at.choose()
    assert chosen.path == at.system
    assert f"the installation's ID is in {at.system}" in chosen.message
    assert chosen.hint == f"name it: state_directory: {at.system}"


def test_so_it_does_where_only_the_daemons_report_says_whose_it_is(at: Folders) -> None:
    at.hold(at.system, "a")
    assert at.choose() == StateDirectory(at.beside)
    (at.system / "daemon.json").write_text(json.dumps({"configuration": {"file": str(at.file)}}))
    assert at.choose().path == at.system


def test_another_configuration_does_not_take_the_place_of_the_service(at: Folders) -> None:
    at.hold(at.system, "a", of=at.file.parent / "another.yaml")
    assert at.choose() == StateDirectory(at.beside)


def test_the_same_file_by_a_symbolic_link_is_the_same(at: Folders, tmp_path: Path) -> None:
    at.file.touch()
    (tmp_path / "link").symlink_to(at.file.parent)
    at.hold(at.system, "a", of=tmp_path / "link/msyncd.yaml")
    assert at.choose().path == at.system


def test_the_service_goes_on_where_a_command_typed_by_hand_has_begun(at: Folders) -> None:
    at.hold(at.beside, "a", of=at.file)
    chosen = at.choose(environment=True)
    assert chosen.path == at.beside
    assert f"and not {at.given}" in chosen.message
    assert at.choose() == StateDirectory(at.beside)  # where one would look: nothing to say


def test_of_two_ids_the_service_and_commands_take_the_same(at: Folders) -> None:
    at.hold(at.beside, "a", of=at.file)
    at.hold(at.system, "b", of=at.file)
    at.given = at.system
    for environment in (True, False):
        chosen = at.choose(environment=environment)
        assert chosen.path == at.system
        assert f"two installation IDs, in {at.system} and in {at.beside}" in chosen.message
    at.hold(at.beside, "b", of=at.file)
    assert at.choose(environment=True) == StateDirectory(at.system)  # one that was copied


def test_a_folder_that_is_named_counts_and_a_forgotten_id_is_told(at: Folders) -> None:
    named = at.file.parent / "named"
    assert at.choose(written="named", environment=True) == StateDirectory(named)
    at.hold(at.beside, "a")
    chosen = at.choose(written="named")
    assert chosen.path == named
    assert f"{named} holds no installation ID, and {at.beside} does" in chosen.message
    at.hold(named, "b")
    assert at.choose(written="named") == StateDirectory(named)
    assert at.choose(written=".msyncd") == StateDirectory(at.beside)


def test_a_damaged_id_is_one_all_the_same(at: Folders) -> None:
    """It must not be passed over, and another one be made elsewhere."""
    at.beside.mkdir()
    (at.beside / "installation.json").write_text("{")
    assert at.choose(environment=True).path == at.beside
    assert installation_id(at.beside) is None
    assert installation_id(at.given) is None
    at.hold(at.given, "a")
    assert installation_id(at.given) == "a"


def test_it_is_a_warning_with_its_place(at: Folders) -> None:
    at.file.write_text("this_site: {sync_id: 1, database: 'sqlite:///a.db'}\n")
    at.hold(at.beside, "a")
    loaded = load(at.file, environment={"STATE_DIRECTORY": str(at.given)})
    assert loaded.settings.state_directory == at.beside
    (warning,) = loaded.warnings
    assert str(warning).startswith(f"msyncd.yaml:1:1: the installation's ID is in {at.beside}")
    assert warning.severity == "warning"
    at.file.write_text("this_site: {sync_id: 1, database: 'sqlite:///a.db'}\nstate_directory: other\n")
    (warning,) = load(at.file, environment={}).warnings
    assert (warning.line, warning.column) == (2, 18)
