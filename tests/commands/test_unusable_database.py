"""A database that cannot be written, or is none: one line that says what to do, at every command; the daemon waits."""

from pathlib import Path

import pytest

from tests import warm
from tests.commands.support import Country, as_others, invoke, run
from tests.daemon.conftest import until

DAMAGED = 78
NOT_WRITTEN = "attempt to write a readonly database; check that its file and folder can be written by the user"


@pytest.mark.parametrize("command", ["init", "sync", "remove"])
def test_what_writes_says_that_it_may_not(country: Country, command: str) -> None:
    if command == "remove":
        invoke("init", "-c", country.satellite)
    country.database("satellite").chmod(0o444)
    done = as_others(command, "-c", country.satellite)
    assert done.returncode == 75
    assert done.stderr.startswith(f"Error: {country.database('satellite')}: {NOT_WRITTEN}"), done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("lacking", ["file", "folder"])
def test_check_warns_of_what_it_may_not_write(country: Country, lacking: str) -> None:
    file = country.database("satellite")
    which = file if lacking == "file" else file.parent
    which.chmod(which.stat().st_mode & 0o555)
    try:
        done = as_others("check", "-c", country.satellite)
    finally:
        which.chmod(0o755)
    assert done.returncode == 0, "whoever checks need not be the user that runs msyncd"
    assert f"satellite.yaml:1:49: warning: {which} cannot be written by this user" in done.stdout, done.stdout
    assert "cannot be written" not in as_others("check", "-c", country.satellite).stdout


def test_a_folder_that_is_closed_is_no_traceback(country: Country) -> None:
    inner = country.folder / "closed"
    inner.mkdir(mode=0o700)
    country.database("satellite").rename(inner / "satellite.db")
    country.edit(country.satellite, "sqlite:///satellite.db", "sqlite:///closed/satellite.db")
    inner.chmod(0)
    try:
        done = as_others("status", "-c", country.satellite)
    finally:
        inner.chmod(0o700)
    assert done.returncode == 75
    assert "satellite.db: Permission denied; check that its folder is open to the user" in done.stderr, done.stderr


def ruin(file: Path, how: str) -> None:
    """Make the file no database, or one with a damaged page."""
    if how == "none":
        file.write_text("garbage\n")
    else:
        whole = file.read_bytes()
        file.write_bytes(whole[:100] + b"\xff" * 3996 + whole[4096:])


WORDS = {"none": "file is not a database; if this_site.database names the right file, restore it from a backup: docs/"}
WORDS["damaged"] = "database disk image is malformed; stop msyncd and the application, and restore the file from a"


@pytest.mark.parametrize("how", ["none", "damaged"])
def test_what_is_no_sound_database_is_named_with_its_remedy(country: Country, how: str) -> None:
    ruin(country.database("satellite"), how)
    words = f"{country.database('satellite')}: {WORDS[how]}"
    for command in ("init", "sync", "status", "remove"):
        done = run(command, "-c", country.satellite)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert done.stderr.startswith(f"Error: {words}")
    checked = run("check", "-c", country.satellite)
    assert checked.returncode == DAMAGED
    assert checked.stdout.startswith(f"satellite.yaml:1:49: {words}"), checked.stdout + checked.stderr
    doctor = run("doctor", "-c", country.satellite)
    assert doctor.returncode == 1
    assert WORDS[how].split(";")[0] in doctor.stdout


def test_the_daemon_says_it_once_and_goes_on_when_it_is_restored(country: Country) -> None:
    file, log = country.database("satellite"), country.folder / "log"
    sound = file.read_bytes()
    ruin(file, "none")
    daemon = warm.Process("run", "-c", country.satellite, out=log, err=log)
    try:
        until(lambda: log.exists() and "not a database" in log.read_text())
        file.write_bytes(sound)
        until(lambda: country.traces("satellite"), 30)
    finally:
        daemon.terminate()
        daemon.wait(20)
    said = log.read_text()
    assert "unexpected" not in said, said
    assert "Traceback" not in said, said
    assert said.count("not a database") == 1
