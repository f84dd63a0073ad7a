"""`msyncd demo` with its real daemons: the story ends well, a fault is found, and nothing is left behind."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.commands.support import ROOT

SHORT = """
import sys
from msyncd.commands import main
from msyncd.commands.demo import run, story
from msyncd.commands.demo.business import busy
from msyncd.commands.demo.country import KALO, PLACES, SATELLITES
from msyncd.commands.demo.story import Step
story.STORY = story.STORY[:4]
run.LIVE_PACE = 0.2
{}
sys.exit(main(sys.argv[1:]))
"""

SABOTAGE = """
import sqlite3
from msyncd.commands.demo import scene as scenes
def sabotage(scene):
    scenes.PATIENCE = 2.0
    yield "Somebody deletes stock at Kalo behind the back of msyncd and of the application"
    connection = sqlite3.connect(KALO.database(scene.top), timeout=30, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")  # the daemon must not find its triggers missing
    triggers = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'item_line'"
    ).fetchall()
    assert triggers
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute("DELETE FROM item_line WHERE ID = (SELECT min(ID) FROM item_line)")
    for _, sql in triggers:
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.close()
story.STORY += (Step(sabotage),)
"""

BUSINESS = """
def days(scene):
    for _ in range(80):
        yield from busy(scene)
    for relay in scene.relays.values():
        relay.let_back()
story.STORY += (Step(days),)
"""


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return {**kept, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT), **more}


def program(changes: str = "") -> list[str]:
    return [sys.executable, "-c", SHORT.format(changes), "demo"]


def start(folder: Path, command: list[str]) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=environment(folder))


def run(folder: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    with start(folder, command) as process:
        output, errors = process.communicate(timeout=90)
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def daemons(folder: Path) -> list[int]:
    """The processes whose command line names a file of this folder."""
    found = []
    for one in Path("/proc").iterdir():
        try:
            line = (one / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in line:
            found.append(int(one.name))
    return found


def assert_nothing_is_left(folder: Path) -> None:
    assert list(folder.iterdir()) == []
    assert daemons(folder) == []


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    assert process.stdout is not None
    read = ""
    while text not in read:
        line = process.stdout.readline()
        assert line, f"it ended before it said {text!r}: {read}"
        read += line
    return read


def test_the_story_ends_with_every_site_holding_what_it_should(tmp_path: Path) -> None:
    begun = time.monotonic()
    done = run(tmp_path, [sys.executable, "-m", "msyncd", "demo", "--once"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.monotonic() - begun < 60
    assert done.stderr == ""
    for said in (
        "76 medicines",
        "The line to Kalo drops",
        "The line is let back",
        "Refused at once: item is edited on the primary (sync ID 1) only",
        "Refused at once: store CMS is active on site 1, not here",
        "All sites hold exactly what they should",
    ):
        assert said in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120
    table = re.findall(
        r"^(\w+) +(\d+) +(\d+) +(\w+) +(\d+) +(\d+) +(\w+) +(\d+) +(\d+) +(\w+)$", done.stdout, re.MULTILINE
    )
    rows = {name: cells for name, *cells in table}
    assert rows["item"] == ["76", "76", "yes"] * 3
    assert all(cells[2::3] == ["yes"] * 3 and cells[0::3] == cells[1::3] for cells in rows.values())
    central, bumban, kalo = rows["transact"][0::3]
    assert int(central) > int(bumban) > int(kalo) > 0
    assert rows["item_line"][6] != "0"
    assert_nothing_is_left(tmp_path)


def test_business_by_chance_comes_into_step_too_and_the_result_is_one_json_document(tmp_path: Path) -> None:
    done = run(tmp_path, [*program(BUSINESS), "--once", "--json", "--seed", "7"])
    result = json.loads(done.stdout)
    assert (done.returncode, result["good"], result["failures"]) == (0, True, [])
    assert [site["sync_id"] for site in result["sites"]] == [1, 2, 3]
    assert [(site["waiting"], site["quarantine"]) for site in result["sites"]] == [(0, 0)] * 3
    assert all(one["equal"] for site in result["sites"] for one in site["record_types"].values())
    central, bumban, kalo = (site["record_types"]["trans_line"] for site in result["sites"])
    assert central["holds"] == central["should_hold"] > bumban["holds"] > kalo["holds"] > 50
    assert_nothing_is_left(tmp_path)


def test_a_row_deleted_behind_its_back_is_found_and_named(tmp_path: Path) -> None:
    done = run(tmp_path, [*program(SABOTAGE), "--once"])
    assert done.returncode == 1, done.stdout + done.stderr
    assert "not in step: item_line at Kalo" in done.stdout
    assert "Kalo district store, item_line: holds 7, should hold 8 (1 missing)" in done.stdout
    assert re.search(r"^item_line +32 +32 +yes +24 +24 +yes +7 +8 +NO$", done.stdout, re.MULTILINE)
    assert "All sites hold" not in done.stdout
    assert_nothing_is_left(tmp_path)


def test_the_folder_is_kept_when_asked(tmp_path: Path) -> None:
    done = run(tmp_path, [*program("story.STORY = story.STORY[:1]"), "--once", "--keep"])
    (kept,) = tmp_path.iterdir()
    assert done.stderr == f"The folder is kept: {kept}\n"
    assert {one.name for one in kept.iterdir()} == {"bumban", "central", "kalo", "password"}
    assert (kept / "kalo" / "msyncd.yaml").is_file()
    assert (kept / "password").stat().st_mode & 0o077 == 0
    assert daemons(tmp_path) == []


@pytest.mark.parametrize("said", ["The central medical store enters", "msyncd starts", "furnishes"])
def test_ctrl_c_in_the_story_leaves_nothing(tmp_path: Path, said: str) -> None:
    with start(tmp_path, [*program(), "--once"]) as process:
        read_until(process, said)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "")
    assert_nothing_is_left(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_terminal_it_tells_lines_until_it_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path, program("run.STAND_EVERY = 0.5")) as process:
        read_until(process, "That was the story")
        assert len(daemons(tmp_path)) == 3
        read_until(process, "in step\n")
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert re.search(r"^Kalo district store: 76 items, \d+ stock, ", output, re.MULTILINE)
    assert "Stopped after" in output
    assert_nothing_is_left(tmp_path)


def test_a_daemon_that_dies_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with start(tmp_path, program()) as process:
        read_until(process, "furnishes")
        (victim,) = [one for one in daemons(tmp_path) if b"/bumban/" in Path(f"/proc/{one}/cmdline").read_bytes()]
        os.kill(victim, signal.SIGKILL)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    first, *log = errors.splitlines()
    said = "Error: the daemon of the Bumban district store ended by itself, with exit status -9."
    assert first == f"{said} Its log ends with:"
    assert log
    assert_nothing_is_left(tmp_path)


def test_a_terminal_shows_the_live_view_and_gets_its_screen_back(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        program(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=environment(tmp_path, TERM="xterm-256color"),
        start_new_session=True,
    )
    os.close(theirs)
    shown = _shown(ours, until=b"That was the story")
    process.send_signal(signal.SIGINT)
    after = _shown(ours, until=None)
    assert process.wait(30) == 0
    os.close(ours)
    assert "\x1b[?1049h" in shown
    for text in ("who holds what", "transactions", "Central medical store", "Bumban district store", "in step"):
        assert text in shown
    assert "…" not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).replace(str(tmp_path), "").split("what happens")[0]
    _, _, said = after.rpartition("\x1b[?1049l")
    assert "Stopped after" in said
    assert_nothing_is_left(tmp_path)


def _shown(terminal: int, until: bytes | None) -> str:
    read = b""
    give_up = time.monotonic() + 60
    while until is None or until not in read:
        assert time.monotonic() < give_up, read[-2000:]
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            read += chunk
    return read.decode(errors="replace")


def test_json_without_an_end_is_wrong_usage(tmp_path: Path) -> None:
    done = run(tmp_path, [*program(), "--json"])
    assert done.returncode == 2
    assert "add --once" in done.stderr
