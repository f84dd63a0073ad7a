"""Real daemons for story tests: a primary and satellites, each a process of its own beside its own database."""

import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from msyncd.commands.demo.application import new_database, sample_file
from tests import warm

LOG_TAIL = 30


class Installation:
    """A primary (sync ID 1, store CMS, copies of all) and satellites with a store each, on msupply's record types."""

    def __init__(self, folder: Path, stores: Sequence[str], *, interval: str = "1s") -> None:
        self.folder = folder
        self.port = _free_port()
        self.sites = list(range(1, len(stores) + 1))
        self._running: dict[int, warm.Process] = {}
        for sync_id, store in zip(self.sites, stores, strict=True):
            new_database(self.database(sync_id))
            self.configuration(sync_id).write_text(yaml.safe_dump(self._settings(sync_id, store, stores, interval)))
            self.configuration(sync_id).chmod(0o600)

    def database(self, sync_id: int) -> Path:
        """The application's database at a site."""
        return self.folder / f"site{sync_id}.db"

    def configuration(self, sync_id: int) -> Path:
        """A site's YAML."""
        return self.folder / f"site{sync_id}.yaml"

    def connect(self, sync_id: int) -> sqlite3.Connection:
        """The application's connection at a site."""
        connection = sqlite3.connect(self.database(sync_id), isolation_level=None, timeout=60, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    def init(self) -> None:
        """Install capture everywhere, so that what is written before the daemons run is captured too."""
        for sync_id in self.sites:
            warm.run("init", "-c", self.configuration(sync_id)).check_returncode()

    def start(self, sync_id: int) -> None:
        """Start a site's daemon."""
        log = self.folder / f"site{sync_id}.log"
        self._running[sync_id] = warm.Process("run", "-c", self.configuration(sync_id), out=log, err=log)

    def kill(self, sync_id: int) -> None:
        """SIGKILL, at whatever instruction it is."""
        daemon = self._running.pop(sync_id)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()

    def stop(self) -> None:
        """End every daemon that runs."""
        for daemon in self._running.values():
            daemon.terminate()
        for daemon in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(20)
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait()
        self._running.clear()

    def logs(self) -> str:
        """The last lines that each daemon said."""
        return "\n".join(
            f"--- site {sync_id}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-LOG_TAIL:])
            for sync_id in self.sites
            if (path := self.folder / f"site{sync_id}.log").exists()
        )

    def wait_until(self, what: str, true: Callable[[], bool], seconds: float) -> None:
        """Wait for something; fails with the daemons' last words."""
        end = time.monotonic() + seconds
        while not true():
            for sync_id, daemon in self._running.items():
                assert daemon.poll() is None, f"the daemon of site {sync_id} ended\n{self.logs()}"
            assert time.monotonic() < end, f"not within {seconds} s: {what}\n{self.logs()}"
            time.sleep(0.1)

    def _settings(self, sync_id: int, store: str, stores: Sequence[str], interval: str) -> dict[str, object]:
        this_site: dict[str, object] = {
            "sync_id": sync_id,
            "name": f"site {sync_id}",
            "database": f"sqlite:///{self.database(sync_id).name}",
            "user_name": "sync",
            "password": "only for tests",
        }
        settings: dict[str, object] = {
            "this_site": this_site,
            "state_directory": f"state{sync_id}",
            "record_types": [str(sample_file("msupply.yaml"))],
            "log": {"level": "warning"},
        }
        if sync_id == 1:
            this_site |= {"active_stores": [store], "copies_of": "all"}
            settings["listen"] = {"port": self.port}
            settings["sync_with"] = [
                {"sync_id": number, "name": f"site {number}", "active_stores": [code]}
                for number, code in zip(self.sites, stores, strict=True)
                if number != 1
            ]
        else:
            settings["sync_with"] = [{"sync_id": 1, "name": "site 1", "url": f"http://127.0.0.1:{self.port}"}]
            settings["sync"] = {"interval": interval}
        return settings


@contextmanager
def installation(folder: Path, stores: Sequence[str], **more: str) -> Iterator[Installation]:
    """An installation whose daemons end with the block, whatever happens in it."""
    one = Installation(folder, stores, **more)
    try:
        yield one
    finally:
        one.stop()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


MANY = int(os.environ.get("MSYNCD_TEST_TRANSACTIONS", "600"))
"""Transactions that each satellite posts; 5,000 in a long run."""
