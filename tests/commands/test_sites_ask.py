"""`msyncd sites ask`: on a restored primary, with and without its daemon; what it asks, says and answers."""

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

from tests.commands.support import ROOT, Country, answer, invoke, run


def restore(country: Country, backup: Path) -> None:
    """Put an older copy of the primary's database in place."""
    for path in country.folder.glob("primary.db*"):
        path.unlink()
    shutil.copy(backup, country.folder / "primary.db")


def lost(country: Country) -> Path:
    """A primary and a satellite that have synced, and a backup of the primary from before the last cycle."""
    backup = country.folder / "backup.db"
    with country.serving():
        assert invoke("sync", "-c", country.satellite).exit_code == 0
        country.execute("primary", "VACUUM INTO '" + str(backup) + "'")
        country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)")
        country.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S2', NULL, 'new')")
        assert invoke("sync", "-c", country.satellite).exit_code == 0
    return backup


def test_a_restored_primary_gets_back_what_it_lost(country: Country) -> None:
    restore(country, lost(country))
    assert country.rows("primary", "SELECT * FROM item") == []
    with country.serving():
        refused = invoke("sync", "-c", country.satellite)
        assert refused.exit_code == 1
        assert "older copy" in refused.stderr
        done = invoke("sites", "ask", "--without", "3", "-c", country.primary)
        assert (done.exit_code, done.stderr) == (0, "")
        assert "asks its satellites for what it lost; waits for site 2" in done.stdout
        document = answer("status", "-c", country.primary)
        assert document["asking"]["under_way"]
        assert [one["state"] for one in document["asking"]["sites"]] == ["asked", "left_out"]
        assert "waits for site 2" in invoke("status", "-c", country.primary).stdout
        again = answer("sites", "ask", "-c", country.primary)
        assert again["under_way"]
        assert [(one["sync_id"], one["state"]) for one in again["sites"]] == [(2, "asked"), (3, "left_out")]
        assert invoke("sync", "-c", country.satellite).exit_code == 0
        assert country.rows("primary", "SELECT ID, price FROM item") == [("I1", 3)]
        assert country.rows("primary", "SELECT ID FROM transact") == [("T1",)]
        now = answer("status", "-c", country.primary)
        assert now["asking"] is None
        assert now["restored"]["record_types"]["item"]["taken_back"] == 1
        assert "took back what it had lost" in invoke("status", "-c", country.primary).stdout


def test_it_is_for_the_primary_and_its_satellites(country: Country) -> None:
    on_satellite = invoke("sites", "ask", "-c", country.satellite)
    assert on_satellite.exit_code == 2
    assert "the primary asks its satellites" in on_satellite.stderr
    assert invoke("sites", "ask", "-c", country.primary).exit_code == 2, "msyncd has never run there"
    assert invoke("init", "-c", country.primary).exit_code == 0
    unknown = invoke("sites", "ask", "--without", "9", "-c", country.primary)
    assert unknown.exit_code == 2
    assert "site 9 is not in sync_with" in unknown.stderr
    assert answer("status", "-c", country.primary)["asking"] is None


def test_on_a_terminal_it_asks_first(country: Country) -> None:
    assert invoke("init", "-c", country.primary).exit_code == 0
    for typed, status, under_way in ((b"n\n", 130, False), (b"y\n", 0, True)):
        mine, theirs = pty.openpty()
        command = [sys.executable, "-m", "msyncd", "sites", "ask", "-c", str(country.primary)]
        with subprocess.Popen(
            command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
        ) as process:
            os.write(mine, typed)
            _, said = process.communicate(timeout=60)
        os.close(mine)
        os.close(theirs)
        assert process.returncode == status
        assert b"nobody edits central records and stores here" in said
        assert (answer("status", "-c", country.primary)["asking"] is not None) == under_way
    assert run("sites", "ask", "-c", country.primary).returncode == 0
