"""The commands beside running daemons: they are asked, and nothing that acts gets in their way."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.commands.support import Country, answer, run


def _started(config: Path) -> warm.Process:
    log = config.with_suffix(".log")
    return warm.Process("run", out=log, err=log, environment={"MSYNCD_CONFIG": str(config)})


def _awaited(what: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first answer that is something."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def _report(country: Country, number: int) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((country.folder / f"state{number}" / "daemon.json").read_text())
    except FileNotFoundError:
        return {}
    return found


@pytest.fixture
def running(country: Country) -> Iterator[Country]:
    """Both sites with their daemons, joined."""
    country.edit(country.primary, "state_directory", "listen: {port: 0}\nstate_directory")
    country.edit(country.satellite, "state_directory", "plugins: [{module: transfers}]\nstate_directory")
    country.edit(country.satellite, "record_types:", "sync: {interval: 1h, live: false}\nrecord_types:")
    country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)")
    daemons = [_started(country.primary)]
    try:
        url = _awaited(lambda: _report(country, 1).get("listening"))
        country.edit(country.satellite, "http://127.0.0.1:1", url)
        daemons.append(_started(country.satellite))
        _awaited(lambda: _report(country, 2).get("peers", {}).get("1", {}).get("last_success"))
        yield country
    finally:
        for one in daemons:
            one.send_signal(signal.SIGTERM)
        ends = [one.wait(30) for one in daemons]
    assert ends == [0] * len(daemons)


def test_commands_beside_daemons(running: Country) -> None:
    # one test for all, since two daemons take their time to start
    _sync_asks_the_daemon(running)
    _status_tells_what_the_daemon_knows(running)
    _remove_is_refused(running)
    _a_bad_edit_changes_nothing(running)


def _sync_asks_the_daemon(running: Country) -> None:
    running.execute("primary", "UPDATE item SET price = 4")
    done = run("sync", "-c", running.satellite, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["by_daemon"] is True
    assert document["received"] <= 1  # a cycle of the daemon's own may have brought it just before
    assert running.rows("satellite", "SELECT price FROM item") == [(4,)]
    assert run("sync", "-c", running.primary).returncode == 2


def _status_tells_what_the_daemon_knows(running: Country) -> None:
    at_satellite = answer("status", "-c", running.satellite)
    assert at_satellite["running"] is True
    assert [(one["state"], one["to_send"], one["to_receive"]) for one in at_satellite["peers"]] == [("ok", 0, 0)]
    at_primary = answer("status", "-c", running.primary)
    assert [one["state"] for one in at_primary["peers"]] == ["ok", "never"]
    assert set(at_primary) == set(at_satellite)
    transfers = answer("plugins", "-c", running.satellite)["plugins"][-1]
    assert (transfers["name"], transfers["failures"]) == ("transfers", 0)
    assert isinstance(transfers["seconds"], float)


def _remove_is_refused(running: Country) -> None:
    done = run("remove", "-c", running.satellite)
    assert done.returncode == 2
    assert "the daemon runs on this database; stop it first, or give --force" in done.stderr
    assert "msyncd_change_log" in running.traces("satellite")


def _a_bad_edit_changes_nothing(running: Country) -> None:
    good = running.satellite.read_text(encoding="utf-8")
    running.write("satellite.yaml", good + "colour: blue\n")
    assert run("check", "-c", running.satellite).returncode == 78

    def told() -> Any:
        status = json.loads(run("status", "-c", running.satellite, "--json").stdout)
        return status if status["configuration"]["problems"] else None

    status = _awaited(told)
    assert status["running"] is True
    assert "colour" in status["configuration"]["problems"][0]["message"]
    assert status["peers"][0]["state"] == "ok"
    running.write("satellite.yaml", "this_site: [\nstate_directory: state2\n")
    assert run("status", "-c", running.satellite).returncode == 0, "not even YAML, and still the daemon tells"
    running.write("satellite.yaml", good)


def test_a_satellite_whose_daemon_is_refused_says_so(country: Country) -> None:
    with country.serving():
        country.write("wrong", "guess\n").chmod(0o600)
        country.edit(country.satellite, "password_file: password", "password_file: wrong")
        daemon = _started(country.satellite)
        try:
            _awaited(lambda: _report(country, 2).get("peers", {}).get("1", {}).get("refused"))
            (peer,) = answer("status", "-c", country.satellite)["peers"]
            done = run("sync", "-c", country.satellite)
        finally:
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(30) == 0
    assert peer["state"] == "refused"
    assert "password" in peer["problem"]
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "guess" not in done.stderr
