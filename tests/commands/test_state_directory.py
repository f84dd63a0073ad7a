"""The service knows $STATE_DIRECTORY, a command typed by hand does not: both must keep the state in one place.

Each is a process of its own. The unit's folder, /var/lib/msyncd, is a folder of the test here.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from msyncd.daemon.control import ask
from tests.commands.support import ROOT, Country

CODE = """
import sys, pathlib
import msyncd.settings.state_directory as state
state.SYSTEM = pathlib.Path(sys.argv.pop(1))
from msyncd.commands import main
sys.exit(main())
"""


@pytest.fixture
def folder(country: Country) -> Path:
    """The unit's folder; the satellite's file names no state directory."""
    country.edit(country.satellite, "state_directory: state2\n", "sync: {interval: 1h}\n")
    return country.folder / "var-lib-msyncd"


def environment(folder: Path, *, service: bool) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if name != "STATE_DIRECTORY"}
    return {**mine, "STATE_DIRECTORY": str(folder)} if service else mine


def typed(folder: Path, *arguments: str | Path, service: bool = False) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", CODE, str(folder), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env=environment(folder, service=service),
    )


@contextmanager
def service(country: Country, folder: Path) -> Iterator[Path]:
    """The daemon as the service manager starts it; its log."""
    folder.mkdir(exist_ok=True)
    log = country.folder / "daemon.log"
    with (
        log.open("w") as out,
        subprocess.Popen(
            [sys.executable, "-c", CODE, str(folder), "run", "-c", str(country.satellite)],
            cwd=ROOT,
            env=environment(folder, service=True),
            stdout=out,
            stderr=out,
        ) as daemon,
    ):
        try:
            ends = time.monotonic() + 30
            while not (_answers(folder, country.folder / ".msyncd") and _joined(country)):
                assert time.monotonic() < ends, log.read_text()
                time.sleep(0.05)
            yield log
        finally:
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(30) == 0


def _answers(*folders: Path) -> bool:
    return any(list(ask(one, {"do": "ping"}) or ()) for one in folders if one.is_dir())


def _joined(country: Country) -> bool:
    return "msyncd_site" in country.traces("satellite") and bool(
        country.rows("satellite", "SELECT 1 FROM msyncd_site WHERE sync_id = 1 AND last_success IS NOT NULL")
    )


def ids(country: Country, folder: Path) -> dict[str, str]:
    """Every installation ID there is, by where it is."""
    places = {"service": folder, "beside": country.folder / ".msyncd"}
    return {
        name: json.loads((place / "installation.json").read_text())["id"]
        for name, place in places.items()
        if (place / "installation.json").exists()
    }


def test_the_service_first_then_commands(country: Country, folder: Path) -> None:
    with country.serving():
        with service(country, folder):
            assert set(ids(country, folder)) == {"service"}
            done = typed(folder, "sync", "-c", country.satellite, "--json")
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["by_daemon"] is True
            assert json.loads(typed(folder, "status", "-c", country.satellite, "--json").stdout)["running"] is True
            assert typed(folder, "remove", "-c", country.satellite).returncode == 2
            checked = typed(folder, "check", "-c", country.satellite)
            assert checked.returncode == 0
            assert f"warning: the installation's ID is in {folder}" in checked.stdout
        done = typed(folder, "sync", "-c", country.satellite)  # nobody runs: it does it itself, as the same
        assert done.returncode == 0, done.stderr
        assert set(ids(country, folder)) == {"service"}


def test_commands_first_then_the_service(country: Country, folder: Path) -> None:
    with country.serving():
        done = typed(folder, "sync", "-c", country.satellite)
        assert done.returncode == 0, done.stderr
        assert set(ids(country, folder)) == {"beside"}
        with service(country, folder) as log:
            country.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S2', NULL, 'new')")
            done = typed(folder, "sync", "-c", country.satellite, "--json")
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["by_daemon"] is True
            assert f"and not {folder}" in log.read_text()
        assert country.rows("primary", "SELECT ID FROM transact") == [("T1",)]
        assert set(ids(country, folder)) == {"beside"}


def test_init_says_where_the_state_is_and_why(country: Country, folder: Path) -> None:
    first = typed(folder, "init", "-c", country.satellite)
    assert (first.returncode, first.stderr) == (0, "")
    again = typed(folder, "init", "-c", country.satellite, service=True)
    assert again.returncode == 0
    assert f"the installation's ID is in {country.folder / '.msyncd'}, so this state directory is used" in again.stderr
    document = json.loads(typed(folder, "init", "-c", country.satellite, "--json", service=True).stdout)
    assert [one["severity"] for one in document["problems"]] == ["warning"]
    assert set(ids(country, folder)) == {"beside"}


def test_status_finds_the_daemon_also_while_the_file_is_broken(country: Country, folder: Path) -> None:
    with country.serving(), service(country, folder):
        good = country.satellite.read_text()
        country.satellite.write_text("this_site: [\n")
        done = typed(folder, "status", "-c", country.satellite, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["running"] is True
        country.satellite.write_text(good)
