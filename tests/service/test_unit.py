"""msyncd.service is understood by systemd to the last line, and keeps the daemon in a small room."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "msyncd.service"
ANALYZE = shutil.which("systemd-analyze")

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here (Debian: apt install systemd)")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ANALYZE or "", *arguments], capture_output=True, text=True, timeout=60, check=False)


def installed(folder: Path, text: str) -> Path:
    """The unit as it would be installed, but with a program that exists on this machine as well."""
    unit = folder / "msyncd.service"
    unit.write_text(text.replace("ExecStart=/usr/bin/msyncd ", "ExecStart=/bin/true "))
    return unit


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    done = analyze("verify", str(installed(tmp_path, UNIT.read_text())))
    assert (done.stderr, done.returncode) == ("", 0)


@needs_systemd
def test_verify_would_tell_of_a_misspelt_key(tmp_path: Path) -> None:
    # systemd-analyze returns 0 for it: only the standard error says so
    broken = UNIT.read_text().replace("WatchdogSec=", "WatchDogSec=")
    assert "WatchDogSec" in analyze("verify", str(installed(tmp_path, broken))).stderr


@needs_systemd
def test_exposure_is_at_most_two() -> None:
    done = analyze("security", "--offline=true", "--no-pager", str(UNIT))
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 2.0


def settings() -> dict[str, list[str]]:
    """Every key of the unit with its values, in order."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Type", "notify"),
        ("User", "msyncd"),
        ("StateDirectory", "msyncd"),
        ("ReadWritePaths", "/etc/msyncd"),
        ("Restart", "on-failure"),
        ("RestartPreventExitStatus", "78"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
    ],
)
def test_the_unit_keeps_what_the_daemon_counts_on(key: str, value: str) -> None:
    assert settings()[key] == [value]


def test_the_daemon_has_time_to_finish_its_batch_and_to_say_that_it_lives() -> None:
    assert int(settings()["TimeoutStopSec"][0]) >= 30
    assert int(settings()["WatchdogSec"][0]) >= 10
