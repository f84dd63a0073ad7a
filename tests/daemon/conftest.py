"""A primary and satellites with small tables of their own; in this process or as daemons in processes of their own."""

import contextlib
import random
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from msyncd.daemon.control import ask
from msyncd.daemon.report import read_report
from tests import warm

SCHEMA = """
CREATE TABLE store (ID TEXT PRIMARY KEY, code TEXT NOT NULL);
CREATE TABLE item (ID TEXT PRIMARY KEY, name TEXT);
CREATE TABLE stock (ID TEXT PRIMARY KEY, store_ID TEXT NOT NULL, item_ID TEXT REFERENCES item (ID), quantity REAL);
CREATE TABLE note (ID TEXT PRIMARY KEY, text TEXT);
"""

TYPES = """
stores: {table: store, key: ID, code: code}
record_types:
  store: {table: store, key: ID, edited_on: primary, sent_to: every_site}
  item: {table: item, key: ID, edited_on: primary, sent_to: every_site}
  stock: {table: stock, key: ID, edited_on: active_site, sent_to: sites_of_store, store: store_ID}
"""

PRIMARY = """
this_site: {{sync_id: 1, name: Central, database: "sqlite:///site1.db", active_stores: [CMS], copies_of: all,
            user_name: sync, password: hunter2hunter2}}
listen: {{port: {port}}}
sync_with:
  - {{sync_id: 2, name: Bumban, active_stores: [BUM], copies_of: [CMS]}}
  - {{sync_id: 3, name: Kalo, active_stores: [KAL]}}
record_types: [types.yaml]
state_directory: state1
"""

SATELLITE = """
this_site: {{sync_id: {site}, name: Site {site}, database: "sqlite:///site{site}.db", user_name: sync,
            password: hunter2hunter2}}
sync: {{interval: 5, live: true}}
sync_with: [{{sync_id: 1, name: Central, url: "http://127.0.0.1:{port}"}}]
record_types: [types.yaml]
state_directory: state{site}
"""


def until(happened: Callable[[], object], seconds: float = 15.0) -> float:
    """Wait for something; how many seconds it took. Fails if it does not come."""
    started = time.monotonic()
    while not happened():
        assert time.monotonic() - started < seconds, "it did not come in time"
        time.sleep(0.01)
    return time.monotonic() - started


class Country:
    """Three sites in one folder: their configurations, their databases as their applications have them open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.write("types.yaml", TYPES)
        self.write("site1.yaml", PRIMARY.format(port=self.port))
        for site in (2, 3):
            self.write(f"site{site}.yaml", SATELLITE.format(site=site, port=self.port))
        self.db = {site: self._database(site) for site in (1, 2, 3)}
        self.running: dict[int, warm.Process] = {}
        self.db[1].executemany("INSERT INTO store VALUES (?, ?)", [("s1", "CMS"), ("s2", "BUM"), ("s3", "KAL")])

    def config(self, site: int) -> Path:
        return self.folder / f"site{site}.yaml"

    def state(self, site: int) -> Path:
        return self.folder / f"state{site}"

    def write(self, name: str, text: str) -> None:
        """As editors save: by rename."""
        temporary = self.folder / f".{name}.new"
        temporary.write_text(text)
        temporary.chmod(0o600)
        temporary.replace(self.folder / name)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def _database(self, site: int) -> sqlite3.Connection:
        connection = sqlite3.connect(self.folder / f"site{site}.db", isolation_level=None, timeout=30)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(SCHEMA)
        return connection

    # --- what stands where --------------------------------------------------------------------------------------------

    def item(self, key: str, name: str = "", site: int = 1) -> None:
        self.db[site].execute("INSERT OR REPLACE INTO item VALUES (?, ?)", (key, name or key))

    def stock(self, site: int, key: str, store: str, quantity: float = 1.0) -> None:
        self.db[site].execute("INSERT OR REPLACE INTO stock VALUES (?, ?, NULL, ?)", (key, store, quantity))

    def rows(self, site: int, table: str) -> set[tuple[object, ...]]:
        return set(self.db[site].execute(f"SELECT * FROM {table}"))

    def has(self, site: int, table: str, key: str) -> bool:
        return bool(self.db[site].execute(f"SELECT 1 FROM {table} WHERE ID = ?", (key,)).fetchone())

    def count(self, site: int, table: str) -> int:
        return int(self.db[site].execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    # --- daemons ------------------------------------------------------------------------------------------------------

    def start(self, *sites: int, environment: dict[str, str] | None = None) -> None:
        """Daemons in processes of their own; returns when each is ready."""
        for site in sites:
            (self.state(site) / "daemon.json").unlink(missing_ok=True)
            self.spawn(site, environment)
        for site in sites:
            until(lambda site=site: self.answers(site), 20)  # type: ignore[misc]  # the default binds the site

    def spawn(self, site: int, environment: dict[str, str] | None = None) -> Path:
        """A daemon in a process of its own, that may well end at once; the file of what it prints."""
        out = self.folder / f"out{site}"
        out.unlink(missing_ok=True)
        self.running[site] = warm.Process(
            "run", "-c", self.config(site), out=out, err=self.folder / f"log{site}", environment=environment
        )
        return out

    def answers(self, site: int) -> bool:
        assert self.running[site].poll() is None, self.log(site)
        lines = ask(self.state(site), {"do": "ping"})
        return lines is not None and any("result" in line for line in lines)

    def report(self, site: int) -> dict[str, object]:
        return read_report(self.state(site)) or {}

    def log(self, site: int) -> str:
        return (self.folder / f"log{site}").read_text()

    def signal(self, site: int, number: int) -> None:
        self.running[site].send_signal(number)

    def ended(self, site: int, seconds: float = 30.0) -> int:
        """Wait for its end; its exit status."""
        return self.running.pop(site).wait(seconds)

    def close(self) -> None:
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for connection in self.db.values():
            connection.close()


def free_port() -> int:
    """A port that nobody listens on: not from the range that outgoing connections take theirs from."""
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(15_000, 30_000)
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


@pytest.fixture
def country(tmp_path: Path) -> Iterator[Country]:
    """Nothing runs yet."""
    one = Country(tmp_path)
    yield one
    one.close()
    for site in one.db:  # shown if the test fails
        if (tmp_path / f"log{site}").exists():
            print(f"site {site}:", one.log(site), sep="\n")
