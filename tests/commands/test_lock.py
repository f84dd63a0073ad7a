"""set-code, unlock, lock and plan without a daemon: codes are never seen, edits are held back."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from msyncd.settings.secrets import is_hash, verify_password
from msyncd.settings.values import Secret
from tests import warm
from tests.commands.support import ROOT, Country, answer, invoke, run

CODE = "import sys; from msyncd.commands import main; sys.exit(main())"


def told(*arguments: str | Path, given: str = "") -> "subprocess.CompletedProcess[str]":
    """`msyncd` with lines on its standard input."""
    return warm.run(*arguments, given=given)


def configuration(country: Country) -> dict[str, Any]:
    found: dict[str, Any] = answer("status", "-c", country.satellite)["configuration"]
    return found


@pytest.fixture
def locked(country: Country) -> Country:
    """The satellite, installed, with a code."""
    assert run("init", "-c", country.satellite).returncode == 0
    done = told("set-code", "-c", country.satellite, given="4711\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "is locked" in done.stdout
    return country


def test_the_code_stands_nowhere_but_its_hash_in_the_file(country: Country) -> None:
    before = country.satellite.read_text()
    told("set-code", "-c", country.satellite, given="4711\n")
    text = country.satellite.read_text()
    assert text.startswith(before)
    (code_hash,) = re.findall(r"code_hash: ([^ }]+)", text)
    assert is_hash(code_hash)
    assert verify_password(Secret(hash=code_hash), "4711")
    for file in country.folder.rglob("*"):
        assert not file.is_file() or b"4711" not in file.read_bytes(), file
    assert configuration(country)["locked"] is True
    assert configuration(country)["held"] is None


def test_an_edit_is_held_back_and_shown_as_a_plan(locked: Country) -> None:
    locked.edit(locked.satellite, "name: Bumban", "name: Bumba")
    found = configuration(locked)
    assert (found["locked"], found["values"]["this_site"]["name"]) == (True, "Bumban")
    assert found["held"]["since"].endswith("Z")
    assert found["held"]["plan"]["lines"] == ["this_site.name: Bumban → Bumba"]
    shown = invoke("status", "-c", locked.satellite).stdout
    assert "satellite.yaml; locked\n  an edit is held back since " in shown
    assert "`msyncd unlock` takes it in:\n    this_site.name: Bumban → Bumba\n" in shown
    assert run("plan", "-c", locked.satellite).stdout == "this_site.name: Bumban → Bumba\n"
    assert answer("plan", "-c", locked.satellite)["held"] is True


def test_commands_that_act_use_what_was_accepted(locked: Country) -> None:
    elsewhere = locked.folder / "elsewhere.db"
    locked.edit(locked.satellite, "satellite.db", "elsewhere.db")
    locked.edit(locked.folder / "types.yaml", "{table: item,", "{table: itm,")
    assert run("init", "-c", locked.satellite).returncode == 0
    assert not elsewhere.exists()
    assert locked.traces("satellite")
    assert run("check", "-c", locked.satellite).returncode in (75, 78), "check reads the files"
    names = [one["name"] for one in answer("status", "-c", locked.satellite)["record_types"]]
    assert "item" in names
    assert run("remove", "-c", locked.satellite).returncode == 0
    assert locked.traces("satellite") == []
    locked.satellite.write_text("[")
    assert run("init", "-c", locked.satellite).returncode == 0, "what was accepted counts, whatever the file is"
    assert run("plan", "-c", locked.satellite).returncode == 78


def test_the_right_code_takes_the_edit_in_and_further_ones_until_it_is_locked(locked: Country) -> None:
    locked.edit(locked.satellite, "name: Bumban", "name: Bumba")
    done = told("unlock", "-c", locked.satellite, given="4711\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("unlocked until ")
    assert done.stdout.endswith("\n  this_site.name: Bumban → Bumba\n")
    found = configuration(locked)
    assert (found["locked"], found["held"], found["values"]["this_site"]["name"]) == (False, None, "Bumba")
    assert found["unlocked_until"]
    assert "; unlocked until 20" in invoke("status", "-c", locked.satellite).stdout
    locked.edit(locked.satellite, "name: Bumba", "name: Bum")
    assert configuration(locked)["values"]["this_site"]["name"] == "Bum"
    assert run("init", "-c", locked.satellite).returncode == 0
    assert told("lock", "-c", locked.satellite).stdout == "locked\n"
    assert told("lock", "-c", locked.satellite).stdout == "it was locked already\n"
    assert configuration(locked)["values"]["this_site"]["name"] == "Bum", "a command has acted on it"
    locked.edit(locked.satellite, "name: Bum", "name: Kalo")
    assert configuration(locked)["values"]["this_site"]["name"] == "Bum"


def test_interval_and_log_pass_and_are_no_plan_that_awaits_the_code(locked: Country) -> None:
    locked.edit(locked.satellite, "record_types:", "sync: {interval: 0}\nlog: {level: debug}\nrecord_types:")
    found = configuration(locked)
    assert (found["locked"], found["held"]) == (True, None)
    assert (found["values"]["sync"]["interval"], found["values"]["log"]["level"]) == ("0", "debug")


def test_a_wrong_code_is_said_and_in_the_end_has_to_wait(locked: Country) -> None:
    for _ in range(6):
        done = told("unlock", "-c", locked.satellite, given="0815\n")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("Error: that is not the authorisation code; ")
    done = told("unlock", "-c", locked.satellite, given="4711\n")
    assert done.returncode == 75
    assert "too many wrong codes: the next one has to wait" in done.stderr
    assert "4711" not in done.stderr
    assert configuration(locked)["locked"] is True


def test_the_lock_itself_is_locked(locked: Country) -> None:
    text = locked.satellite.read_text()
    locked.satellite.write_text(text[: text.index("authorisation")])
    found = configuration(locked)
    assert found["locked"] is True
    assert found["held"]["plan"]["lines"] == ["authorisation.code_hash: set → not given"]
    assert told("unlock", "-c", locked.satellite, given="4711\n").returncode == 0
    assert configuration(locked)["locked"] is False
    done = told("unlock", "-c", locked.satellite, given="4711\n")
    assert (done.returncode, done.stderr.startswith("Error: no authorisation code is set; ")) == (1, True)
    assert told("lock", "-c", locked.satellite).returncode == 1


def test_another_code_needs_the_present_one(locked: Country) -> None:
    before = locked.satellite.read_text()
    done = told("set-code", "-c", locked.satellite, given="0815\n1234\n")
    assert (done.returncode, locked.satellite.read_text()) == (1, before)
    done = told("set-code", "-c", locked.satellite, given="4711\n1234\n")
    assert done.returncode == 0, done.stderr
    assert configuration(locked)["locked"] is True, "and it is locked at once"
    assert told("unlock", "-c", locked.satellite, given="4711\n").returncode == 1
    assert told("unlock", "-c", locked.satellite, given="1234\n").returncode == 0


@pytest.mark.parametrize("command", ["unlock", "set-code"])
def test_no_code_at_all(locked: Country, command: str) -> None:
    done = told(command, "-c", locked.satellite)
    assert (done.returncode, done.stdout) == (2, "")
    assert "code was given" in done.stderr


def test_a_code_is_no_argument(locked: Country) -> None:
    assert told("unlock", "4711", "-c", locked.satellite).returncode == 2
    assert told("set-code", "4711", "-c", locked.satellite).returncode == 2


def test_unlock_tells_programs_too(locked: Country) -> None:
    locked.edit(locked.satellite, "name: Bumban", "name: Bumba")
    done = told("unlock", "-c", locked.satellite, "--json", given="4711\n")
    document = json.loads(done.stdout)
    assert document["applied"] == ["this_site.name: Bumban → Bumba"]
    assert (document["format"], document["left"]) == (1, [])


def test_an_edit_that_is_bad_is_not_taken_in_by_the_code(locked: Country) -> None:
    locked.edit(locked.satellite, "sync_id: 2", "sync_id: 99")
    done = told("unlock", "-c", locked.satellite, given="4711\n")
    assert done.returncode == 1
    assert "not taken in: satellite.yaml:1:22: sync_id must be from 1 to 64, not 99" in done.stdout
    locked.edit(locked.satellite, "sync_id: 99", "sync_id: 2")
    assert configuration(locked)["locked"] is False, "the code counts all the same: it can be corrected now"


# --- on a terminal ----------------------------------------------------------------------------------------------------


def typed(*arguments: str | Path, lines: list[str]) -> tuple[int, str]:
    """`msyncd` on a terminal on which these lines are typed, each when it is asked for: exit status, what was shown."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-c", CODE, *map(str, arguments)])
    shown, waiting = b"", list(lines)
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        if ready:
            try:
                read = os.read(terminal, 4096)
            except OSError:
                break
            if not read:
                break
            shown += read
        if waiting and shown.rstrip(b" ").endswith(b":"):
            os.write(terminal, waiting.pop(0).encode() + b"\n")
            shown += b"<asked>"
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode()


def test_on_a_terminal_codes_are_asked_for_and_never_shown(country: Country) -> None:
    status, shown = typed("set-code", "-c", country.satellite, lines=["4711", "4712"])
    assert (status, "code_hash" in country.satellite.read_text()) == (2, False)
    assert "the two are not the same" in shown
    status, shown = typed("set-code", "-c", country.satellite, lines=["4711", "4711"])
    assert status == 0, shown
    assert "New authorisation code: " in shown
    assert "New authorisation code again: " in shown
    again, more = typed("unlock", "-c", country.satellite, lines=["4711"])
    assert again == 0, more
    assert "Authorisation code: " in more
    assert "471" not in shown + more
