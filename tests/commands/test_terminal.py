"""What a person sees on a terminal: colours where they are wanted, a bar while it syncs, a width that is kept."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from msyncd.commands.progress import _Lines
from tests.commands.support import ROOT, Country, invoke

CODE = "import sys; from msyncd.commands import main; sys.exit(main())"
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")


def _on_terminal(*arguments: object, columns: int = 80, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit status and everything that a terminal of that width was sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS"}}
    with subprocess.Popen(
        [sys.executable, "-c", CODE, *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env={**inherited, "TERM": "xterm-256color", **(environment or {})},
    ) as process:
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 65536):
                seen += part
        except OSError:
            pass  # the other side is closed
        os.close(ours)
        return process.wait(30), seen.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [80, 120])
def test_a_table_fits_the_terminal_and_a_state_has_its_colour_and_its_word(country: Country, columns: int) -> None:
    status, text = _on_terminal("status", "-c", country.primary, columns=columns)
    assert status == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert COLOUR.search(text)
    assert "never" in plain
    table = plain.split("\n\n")[1]
    assert max(map(len, table.splitlines())) <= columns


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_are_left_out_where_nobody_wants_them(country: Country, environment: dict[str, str]) -> None:
    for command in ("sites list", "check-connection"):
        _, text = _on_terminal(*command.split(), "-c", country.satellite, environment=environment)
        assert not COLOUR.search(text), command


def test_sync_shows_a_bar(country: Country) -> None:
    country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)")
    with country.serving():
        status, text = _on_terminal("sync", "-c", country.satellite)
    assert status == 0
    assert "━" in text
    assert "4/4" in text
    assert text.endswith("sent 0 changes, received 4 changes\n")


def test_progress_in_a_log_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    lines = _Lines(lambda: now[0])
    for done in range(1, 101):
        lines("push", done * 20, 2000 - done * 20)
        lines("pull", done, None)
        now[0] += 0.2
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == ["sent 20 records, 1,980 left", "received 1 record"]
    assert len(told) == 8


def test_a_command_without_a_terminal_is_plain(country: Country) -> None:
    assert "\x1b" not in invoke("sites", "list", "-c", country.primary).stdout
