"""`msyncd sites replace`: on the primary, with and without its daemon; what it asks, says and answers."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.support import ROOT, SCHEMA, Country, answer, invoke, run


def new_machine(country: Country, name: str) -> Path:
    """The same site on a machine of its own: a database without anything of msyncd, another state directory."""
    text = country.satellite.read_text(encoding="utf-8")
    text = text.replace("satellite.db", f"{name}.db").replace("state2", f"state-{name}")
    country.execute(name, SCHEMA)
    return country.write(f"{name}.yaml", text)


def test_the_command_that_the_refusal_names_lets_the_new_machine_in(country: Country) -> None:
    country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)")
    with country.serving():
        assert invoke("sync", "-c", country.satellite).exit_code == 0
        country.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S2', NULL, 'new')")
        assert invoke("sync", "-c", country.satellite).exit_code == 0
        new = new_machine(country, "new")
        refused = invoke("sync", "-c", new)
        assert refused.exit_code == 1
        command = refused.stderr.split("run `msyncd ")[1].split("`")[0].split()
        assert command == ["sites", "replace", "2"]
        done = invoke(*command, "-c", country.primary)
        assert (done.exit_code, done.stderr) == (0, "")
        assert "the database that synced as site 2 is refused from now on" in done.stdout
        assert "the next new one that says hello as site 2 takes it" in done.stdout
        old = invoke("sync", "-c", country.satellite)
        assert old.exit_code == 1
        assert "this database was replaced as site 2" in old.stderr
        assert invoke("sync", "-c", new).exit_code == 0
        assert country.rows("new", "SELECT ID FROM transact") == [("T1",)]
        country.execute("new", "INSERT INTO transact VALUES ('T2', 'S2', NULL, 'new')")
        assert invoke("sync", "-c", new).exit_code == 0
        assert country.rows("primary", "SELECT ID FROM transact ORDER BY ID") == [("T1",), ("T2",)]
        _and_back(country, new)


def _and_back(country: Country, new: Path) -> None:
    by = invoke("sync", "-c", country.satellite).stderr.split("--by ")[1].split("`")[0]
    back = invoke("sites", "replace", "2", "--by", by, "-c", country.primary)
    assert "may come back" in back.stdout
    asked = invoke("sync", "-c", country.satellite)
    assert asked.exit_code == 1
    assert "others have worked in this site's place" in asked.stderr
    assert invoke("sync", "-c", country.satellite, "--trust", "primary").exit_code == 0
    assert country.rows("satellite", "SELECT ID FROM transact ORDER BY ID") == [("T1",), ("T2",)]
    assert "was replaced as site 2" in invoke("sync", "-c", new).stderr


def test_what_it_answers_in_json(country: Country) -> None:
    country.edit(country.primary, "copies_of: all", "copies_of: []")
    with country.serving():
        assert invoke("sync", "-c", country.satellite).exit_code == 0
        document = answer("sites", "replace", "2", "-c", country.primary)
        ids = dict(country.rows("satellite", "SELECT name, value FROM msyncd_meta"))
        installation = json.loads((country.folder / "state2/installation.json").read_text())["id"]
        mine = {"database_id": ids["database_id"], "installation_id": installation}
        assert document == {"format": 1, "site": 2, "replaced": mine, "readmitted": [], "not_held": ["BUM"]}
        again = answer("sites", "replace", "2", "--by", installation, "-c", country.primary)
        assert again == {"format": 1, "site": 2, "replaced": None, "readmitted": [mine], "not_held": ["BUM"]}
        (peer, _) = answer("status", "-c", country.primary)["peers"]
        assert (peer["state"], peer["last_success"]) == ("never", None)
        assert invoke("sync", "-c", country.satellite).exit_code == 0


def test_a_site_that_has_never_been_heard_of_is_replaced_without_ado(country: Country) -> None:
    assert invoke("init", "-c", country.primary).exit_code == 0
    done = invoke("sites", "replace", "3", "-c", country.primary)
    assert done.exit_code == 0
    assert "no database has the place of site 3" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["2"], 2, "msyncd has never run on this database"),
        (["1"], 2, "site 1 is the primary itself"),
        (["9"], 2, "site 9 is not in sync_with"),
        (["two"], 2, "not a valid integer"),
        ([], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_replaced(country: Country, arguments: list[str], status: int, words: str) -> None:
    done = invoke("sites", "replace", *arguments, "-c", country.primary)
    assert (done.exit_code, done.stdout) == (status, "")
    assert words in done.stderr
    assert country.traces("primary") == []


def test_it_is_for_the_primary_only(country: Country) -> None:
    done = invoke("sites", "replace", "2", "-c", country.satellite)
    assert done.exit_code == 2
    assert "a site is replaced on the primary" in done.stderr


def test_an_id_that_nobody_has(country: Country) -> None:
    assert invoke("init", "-c", country.primary).exit_code == 0
    done = invoke("sites", "replace", "2", "--by", "3f9a", "-c", country.primary)
    assert done.exit_code == 1
    assert "no database that was replaced as site 2 has an ID that begins with '3f9a'" in done.stderr


def test_a_configuration_with_errors(country: Country) -> None:
    country.edit(country.primary, "sync_id: 2", "sync_id: 99")
    assert run("sites", "replace", "2", "-c", country.primary).returncode == 78


@pytest.mark.parametrize(("given", "status", "replaced"), [("n\n", 130, False), ("y\n", 0, True)])
def test_on_a_terminal_it_is_asked_first(country: Country, given: str, status: int, replaced: bool) -> None:
    with country.serving():
        assert invoke("sync", "-c", country.satellite).exit_code == 0
        ended, seen = _at_terminal(["sites", "replace", "2", "-c", str(country.primary)], given)
        assert ended == status, seen
        assert "The database that syncs as site 2, Bumban, is refused from now on. Its last success: 20" in seen
        assert "Replace site 2? [y/N]" in seen
        assert (invoke("sync", "-c", country.satellite).exit_code == 1) == replaced


def _at_terminal(arguments: list[str], given: str) -> tuple[int, str]:
    ours, theirs = pty.openpty()
    code = "import sys; from msyncd.commands import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT
    ) as process:
        os.close(theirs)
        os.write(ours, given.encode())
        seen = b""
        try:
            while part := os.read(ours, 65536):
                seen += part
        except OSError:
            pass  # the other side is closed
        os.close(ours)
        return process.wait(30), seen.decode()
