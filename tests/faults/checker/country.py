"""A country for the checker: a primary and satellites as processes, on databases of any kinds, with lines that fail."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from msyncd.daemon.control import ask
from msyncd.testing.application import Connection, connect
from tests.faults.checker import servers
from tests.faults.checker.broken import CALM
from tests.faults.checker.gate import Gate
from tests.faults.checker.line import Line, free_port
from tests.faults.small_disk import CannotMount, SmallDisk, mounted
from tests.servers import Databases

SCHEMA = """
CREATE TABLE store (ID VARCHAR(40) PRIMARY KEY, code VARCHAR(40));
CREATE TABLE item (ID VARCHAR(40) PRIMARY KEY, amount INTEGER NOT NULL);
CREATE TABLE register (ID VARCHAR(40) PRIMARY KEY, store_ID VARCHAR(40) NOT NULL, amount INTEGER NOT NULL);
CREATE TABLE stock (ID VARCHAR(40) PRIMARY KEY, store_ID VARCHAR(40) NOT NULL, on_hand INTEGER NOT NULL);
CREATE TABLE doc (ID VARCHAR(40) PRIMARY KEY, store_ID VARCHAR(40) NOT NULL, line_count INTEGER NOT NULL);
CREATE TABLE doc_line (
  ID VARCHAR(40) PRIMARY KEY, doc_ID VARCHAR(40) NOT NULL, item_ID VARCHAR(40), quantity INTEGER NOT NULL,
  FOREIGN KEY (doc_ID) REFERENCES doc (ID) ON DELETE CASCADE, FOREIGN KEY (item_ID) REFERENCES item (ID));
CREATE INDEX doc_line_doc ON doc_line (doc_ID);
CREATE INDEX doc_line_item ON doc_line (item_ID);
"""

OF_STORE = {"edited_on": "active_site", "sent_to": "sites_of_store"}
TYPES: dict[str, Any] = {
    "stores": {"table": "store", "key": "ID", "code": "code"},
    "record_types": {
        "store": {"table": "store", "key": "ID", "edited_on": "primary", "sent_to": "every_site"},
        "item": {"table": "item", "key": "ID", "edited_on": "primary", "sent_to": "every_site"},
        **{one: {"table": one, "key": "ID", **OF_STORE, "store": "store_ID"} for one in ("register", "stock", "doc")},
        "doc_line": {"table": "doc_line", "key": "ID", **OF_STORE, "store": {"through": "doc_ID", "of": "doc"}},
    },
}  # fmt: skip
ITEMS = 8

PATIENCE = 90.0
MEGABYTES = 256
"""Of a site's disk: more than a run of an hour needs."""


def store_of(site: int) -> str:
    """The store that is active at a site at first."""
    return f"S{site}"


@dataclass
class Country:
    """Sites 1 to n, a store each; the primary keeps copies of all. `broken` names a way to break every daemon.

    `kinds` of their databases; the last `late` of them are not there at first. `gates`: by which a site's program is
    sent away.
    """

    folder: Path
    kinds: Sequence[str]
    broken: str = ""
    late: int = 0
    sites: list[int] = field(default_factory=list)
    databases: Databases = field(default_factory=Databases)
    urls: dict[int, str] = field(default_factory=dict)
    lines: dict[int, Line] = field(default_factory=dict)
    wishes: dict[str, int] = field(default_factory=dict)
    copies: dict[int, list[str]] = field(default_factory=dict)
    days: dict[int, float] = field(default_factory=dict)
    disks: dict[int, SmallDisk] = field(default_factory=dict)
    gates: dict[int, Gate] = field(default_factory=dict)
    _running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def begin(self) -> None:
        """Make databases and files, install capture, start everything; but for those who come late."""
        self._stack.enter_context(closing(self.databases))
        self.port = free_port()
        self.write("types.yaml", TYPES)
        for site in range(1, len(self.kinds) - self.late + 1):
            self._make(site)
        with closing(self.connect(1)) as application:
            application.executemany("INSERT INTO item VALUES (?, 0)", [(f"i{number}",) for number in range(ITEMS)])
        self.configure()
        for site in self.sites:
            self._init(site)
        for site in self.sites:
            self.start(site)

    def join(self) -> int | None:
        """The next of those who come late, if there is any, with a store of its own."""
        if not self.late:
            return None
        site = len(self.sites) + 1
        self.late -= 1
        self._make(site)
        self.configure()
        self._init(site)
        self.start(site)
        return site

    def _make(self, site: int) -> None:
        kind, store = self.kinds[site - 1], store_of(site)
        self.urls[site] = self._stack.enter_context(servers.fresh(kind, self._disk(site), self.databases))
        self.days[site], self.copies[site], self.gates[site] = 0.0, [], Gate()
        if site != 1:
            self.lines[site] = Line(self.port)
        with closing(self.connect(site)) as application:
            application.script(SCHEMA)
        with closing(self.connect(1)) as application:
            application.execute("INSERT INTO store VALUES (?, ?)", (store, store))
        self.sites = [*self.sites, site]
        self.wishes = {**self.wishes, store: site}

    def _init(self, site: int) -> None:
        command = [sys.executable, "-m", "msyncd", "init", "-c", str(self.configuration(site))]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _disk(self, site: int) -> Path:
        """Where a site's SQLite is to be: a disk of its own, if anyone may mount one here."""
        folder = self.folder / f"disk{site}"
        if self.kinds[site - 1] == "sqlite":
            with suppress(CannotMount):
                self.disks[site] = self._stack.enter_context(mounted(folder, MEGABYTES))
                return folder
        folder.mkdir(exist_ok=True)
        return folder

    def connect(self, site: int) -> Connection:
        """An application's connection."""
        return connect(self.urls[site])

    # --- files --------------------------------------------------------------------------------------------------------

    def configuration(self, site: int) -> Path:
        """A site's YAML."""
        return self.folder / f"site{site}.yaml"

    def state(self, site: int) -> Path:
        """A site's state directory."""
        return self.folder / f"state{site}"

    def write(self, name: str, content: Any) -> None:
        """As editors save: by rename. Text is written as it is."""
        temporary = self.folder / f".{name}.new"
        temporary.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
        temporary.chmod(0o600)
        temporary.replace(self.folder / name)

    def configure(self) -> None:
        """Write every site's file as things are wished now."""
        for site in self.sites:
            self.write(self.configuration(site).name, self._settings(site))

    def _settings(self, site: int) -> dict[str, Any]:
        this_site: dict[str, Any] = {
            "sync_id": site, "name": f"site {site}", "database": self.urls[site], "user_name": "sync",
            "password": "only for tests",
        }  # fmt: skip
        settings: dict[str, Any] = {
            "this_site": this_site,
            "state_directory": f"state{site}",
            "record_types": ["types.yaml"],
            "log": {"level": "info", "format": "json"},
        }
        active = {one: [store for store, at in self.wishes.items() if at == one] for one in self.sites}
        if site == 1:
            this_site |= {"active_stores": active[1], "copies_of": "all"}
            settings["listen"] = {"port": self.port}
            settings["sync_with"] = [
                {"sync_id": one, "name": f"site {one}", "active_stores": active[one], "copies_of": self.copies[one]}
                for one in self.sites
                if one != 1
            ]
        else:
            settings["sync_with"] = [{"sync_id": 1, "url": f"http://127.0.0.1:{self.lines[site].port}"}]
            settings["sync"] = {"interval": "1s"}
        return settings

    # --- daemons ------------------------------------------------------------------------------------------------------

    def start(self, site: int) -> None:
        """Start a site's daemon, if it does not run."""
        if site in self._running and self._running[site].poll() is None:
            return
        given = [str(self.configuration(site)), str(self.days[site]), str(self._asked(site)), self.broken]
        command = [sys.executable, "-m", "tests.faults.checker.daemon", *given]
        with (self.folder / f"site{site}.log").open("ab") as log:
            self._running[site] = subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(__file__).parents[3])

    def process(self, site: int) -> int | None:
        """The process ID of a site's daemon, if it runs."""
        daemon = self._running.get(site)
        return daemon.pid if daemon is not None and daemon.poll() is None else None

    def signal(self, site: int, number: int) -> None:
        """Send a signal to a site's daemon, if it runs."""
        daemon = self._running.get(site)
        if daemon is not None and daemon.poll() is None:
            daemon.send_signal(number)

    def kill(self, site: int) -> None:
        """SIGKILL, at whatever instruction it is."""
        self.signal(site, signal.SIGKILL)
        if site in self._running:
            self._running[site].wait(30)

    def ask_to_die(self, site: int, point: str) -> None:
        """A site's daemon is to end at a named point (see points.py), whenever it comes there."""
        self.write(self._asked(site).name, point)

    def died_at(self, site: int) -> str | None:
        """The point at which a site's daemon has ended, told once; it may run again already."""
        met = self._asked(site).with_suffix(".met")
        if not met.exists():
            return None
        point = met.read_text()
        met.unlink()
        with suppress(subprocess.TimeoutExpired):  # it was started again already
            self._running[site].wait(0.5)
        return point

    def ask_no_more(self) -> None:
        """No daemon is to end at any point, nor by itself."""
        self.write(CALM, "")
        for site in self.sites:
            self._asked(site).unlink(missing_ok=True)

    def _asked(self, site: int) -> Path:
        return self.folder / f"site{site}.asked"

    def status(self, site: int) -> dict[str, Any]:
        """What the daemon says of itself; {} if it does not answer."""
        lines = list(ask(self.state(site), {"do": "status"}) or ())
        found: dict[str, Any] = lines[-1].get("result", {}) if lines else {}
        return found

    def end(self) -> None:
        """Everything ends, and the databases are dropped."""
        for site in self._running:
            self.signal(site, signal.SIGCONT)
            self.signal(site, signal.SIGTERM)
        for daemon in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(20)
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait()
        for line in self.lines.values():
            line.close()
        self._stack.close()

    def logs(self, lines: int = 25) -> str:
        """The last lines of each site's log."""
        texts = []
        for site in self.sites:
            path = self.folder / f"site{site}.log"
            if path.exists():
                texts.append(f"--- site {site} ({self.kinds[site - 1]})\n" + os.linesep.join(
                    path.read_text(errors="replace").splitlines()[-lines:]))  # fmt: skip
        return "\n".join(texts)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)
