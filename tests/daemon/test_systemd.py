"""What the service manager hears, over a real datagram socket."""

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from msyncd.daemon.notify import Notifier
from tests.daemon.conftest import Country, until


class Manager:
    """Listens as systemd does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0.01)
        self._heard: list[str] = []

    @property
    def heard(self) -> list[str]:
        while True:
            try:
                self._heard.append(self._socket.recv(65_536).decode())
            except TimeoutError:
                return self._heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    one = Manager(tmp_path / "n.sock")
    yield one
    one.close()


def test_the_life_of_a_satellite(country: Country, manager: Manager) -> None:
    country.start(1)
    environment = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "400000"}
    country.start(2, environment=environment)
    until(lambda: "READY=1" in manager.heard)
    until(lambda: any(one.startswith("STATUS=satellite 2: to send 0, to receive 0, last") for one in manager.heard))
    until(lambda: manager.heard.count("WATCHDOG=1") >= 3)
    country.signal(2, signal.SIGHUP)
    until(lambda: any(one.startswith("RELOADING=1\nMONOTONIC_USEC=") for one in manager.heard))
    until(lambda: manager.heard[::-1].index("READY=1") < [one[:9] for one in manager.heard[::-1]].index("RELOADING"))
    monotonic = next(int(found[1]) for one in manager.heard if (found := re.search(r"MONOTONIC_USEC=(\d+)", one)))
    assert abs(monotonic / 1e6 - time.clock_gettime(time.CLOCK_MONOTONIC)) < 60
    country.signal(2, signal.SIGTERM)
    assert country.ended(2) == 0
    assert "STOPPING=1" in manager.heard


def test_it_is_ready_also_while_it_waits_for_its_database(country: Country, manager: Manager) -> None:
    """Or the service manager would end it again and again while the database is away."""
    country.edit("site2.yaml", "site2.db", "nowhere.db")
    country.start(2, environment={"NOTIFY_SOCKET": str(manager.path)})
    until(lambda: "READY=1" in manager.heard)
    until(lambda: any("there is no database" in one for one in manager.heard if one.startswith("STATUS=waiting")))


HANGS = """
import time
from msyncd import hookimpl
from msyncd.daemon import cycling, loop

loop.STEP_SECONDS = cycling.REQUEST_SECONDS = 1.0  # a test cannot wait as long as a batch may take
loop.Loop.beat.__defaults__ = (1.0,)


@hookimpl
def msyncd_cycle_finished(cycle):
    if cycle.received:
        time.sleep(3600)
"""


def test_a_loop_that_hangs_ends_the_signs_of_life(country: Country, manager: Manager) -> None:
    """A plugin that never comes back stands for whatever may hang."""
    country.write("hangs.py", HANGS)
    country.edit("site2.yaml", "state_directory", "plugins: [{module: hangs.py}]\nstate_directory")
    country.start(1)
    country.start(2, environment={"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "200000"})
    until(lambda: "a loop gives no sign of life" in country.log(2))
    assert "loop=cycle" in country.log(2)
    heard = len(manager.heard)
    time.sleep(0.6)
    assert "WATCHDOG=1" not in manager.heard[heard:]
    country.signal(2, signal.SIGKILL)
    country.ended(2)


def test_nothing_is_sent_where_nobody_listens(tmp_path: Path) -> None:
    quiet = Notifier({})
    quiet.ready()
    quiet.status("well")
    assert quiet.watchdog_seconds is None
    gone = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone.sock"), "WATCHDOG_USEC": "60000000"})
    gone.ready()
    assert gone.watchdog_seconds == 30


def test_an_abstract_socket_and_another_process_s_watchdog() -> None:
    name = f"msyncd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        one = Notifier({"NOTIFY_SOCKET": "@" + name, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"})
        one.status("two\nlines")
        one.status("two\nlines")
        one.stopping()
        assert [listening.recv(100) for _ in range(2)] == [b"STATUS=two lines", b"STOPPING=1"]
        assert one.watchdog_seconds is None
