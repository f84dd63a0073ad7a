"""One site in a test: its application, its daemon's objects, its files."""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

from msyncd.databases import open_database
from msyncd.errors import ConfigurationInvalid, Problem, WrongUsage
from msyncd.flow.conversation import Answers
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside
from msyncd.flow.opening import open_site
from msyncd.flow.primary import Primary
from msyncd.flow.satellite import Satellite
from msyncd.flow.world import FlowWorld
from msyncd.model import PRIMARY, START, CycleSummary, Row, Value
from msyncd.plugins import Plugins
from msyncd.rules import BUILTIN
from msyncd.settings import load
from msyncd.testing.application import Connection, connect
from msyncd.testing.crashing import Crashed, CrashPoint, FragileDatabase
from msyncd.testing.line import Line
from msyncd.testing.wishes import Changes, Wishes

if TYPE_CHECKING:
    from msyncd.testing.sites import Sites

PATIENCE: Final = 60.0
"""Seconds that a log may take to show what is committed: other transactions of a server hold it up."""

SQLITE: Final = "sqlite:///"


class OneSite:
    """One site in a test: its application's connection, its daemon's objects, its files in `folder`.

    `problems` are those of the configuration in force. `primary` is None on satellites, `satellite` on the primary.
    `url` is that of its database. `patient` False: a cycle does not wait for what is committed to be readable.
    """

    patient = True

    def __init__(self, sync_id: int, folder: Path, wishes: Wishes, sites: "Sites") -> None:
        self.sync_id, self.folder, self.wishes = sync_id, folder, wishes
        self.problems: tuple[Problem, ...] = ()
        self.primary: Primary | None = None
        self.satellite: Satellite | None = None
        self.line = Line(sync_id, lambda: sites.primary.answers, self._restart_primary)
        self._sites = sites
        self.url = wishes.databases.get(sync_id, f"{SQLITE}{folder / 'site.db'}")
        self.connection = connect(self.url)
        self._open(None)

    # --- the application ---

    def write(self, sql: str, *parameters: Value) -> None:
        """Run one statement as the application does, in a transaction of its own unless `transaction` is open."""
        self.connection.execute(sql, parameters)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Several writes of the application in one transaction, undone if the block raises."""
        with self.connection.transaction():
            yield self.connection

    def rows(self, table: str, columns: str = "*") -> list[Row]:
        """The rows of a table, in the order of their first columns."""
        return sorted(self.connection.execute(f"SELECT {columns} FROM {table}"), key=repr)

    # --- the daemon ---

    @property
    def here(self) -> Here:
        """The site as it is now."""
        owner = self.primary or self.satellite
        assert owner is not None
        return owner.here

    @property
    def answers(self) -> Answers:
        """The primary's side of a conversation."""
        assert self.primary is not None, f"site {self.sync_id} is a satellite"
        return self.primary

    @property
    def quarantine(self) -> list[aside.Aside]:
        """What is in quarantine, oldest first."""
        with self.here.database.read() as reader:
            return aside.quarantined(reader)

    @property
    def waiting(self) -> list[aside.Aside]:
        """What waits for another record."""
        with self.here.database.read() as reader:
            return aside.waiting(reader)

    def cycle(self) -> CycleSummary:
        """One cycle with the primary. Raises MsyncdError as the daemon's loop would see it, and Crashed."""
        assert self.satellite is not None, "the primary has no cycle of its own"
        self.settle()
        self._sites.primary.settle()
        try:
            return self.satellite.cycle()
        except Crashed:
            self.restart()
            raise

    def settle(self) -> None:
        """Wait until what the application has committed can be read in the log: on a server others may hold it up."""
        if self.url.startswith(SQLITE) or not self.patient:
            return
        give_up = time.monotonic() + PATIENCE
        while True:
            with self.here.database.read() as reader:
                committed = int(str(reader.execute("SELECT count(*) FROM msyncd_change_log")[0][0]))
                if len(reader.log_page(START, committed + 1).entries) == committed:
                    return
            assert time.monotonic() < give_up, f"{self.url}: committed changes cannot be read"
            time.sleep(0.01)

    def crash_at(self, point: CrashPoint, number: int = 1) -> None:
        """The site is to die beside a commit of its daemon: the next, or the `number`-th."""
        database = self.here.database
        assert isinstance(database, FragileDatabase)
        database.crash_at = (point, number)

    def calm(self) -> None:
        """Faults and crashes that have not happened yet are called off."""
        self.line.calm()
        database = self.here.database
        assert isinstance(database, FragileDatabase)
        database.crash_at = None

    def restart(self) -> None:
        """Drop every object and open the site again from its disk; the application stays connected."""
        self.close()
        self._open(None)

    def reload(self, **changes: Unpack[Changes]) -> tuple[Problem, ...]:
        """Take in an edited configuration while it runs; returns its problems. Raises ConfigurationInvalid."""
        before = self.wishes
        self.wishes = replace(before, **changes)
        try:
            self._open(self.here)
        except ConfigurationInvalid:
            self.wishes = before
            raise
        return self.problems

    def close(self) -> None:
        """Let go of the daemon's connections."""
        self.here.database.close()

    def backup(self) -> Path:
        """A copy of the database as it is now, for `restore`. Only of SQLite."""
        if not self.url.startswith(SQLITE):
            raise WrongUsage("only a site on SQLite is copied here", hint="use the tools of its database")
        copy = Path(tempfile.mkstemp(".db", "backup-", self.folder)[1])
        with closing(sqlite3.connect(copy)) as target:
            self.connection.driver.backup(target)
        return copy

    def restore(self, backup: Path) -> None:
        """An admin puts an older copy of the database in place and starts everything again."""
        self.close()
        self.connection.close()
        for path in self.folder.glob("site.db*"):
            path.unlink()
        shutil.copy(backup, self.folder / "site.db")
        self.connection = connect(self.url)
        self._open(None)

    def _restart_primary(self) -> None:
        self._sites.primary.restart()

    def _open(self, running: Here | None) -> None:
        path = self.wishes.write(self.sync_id, self.folder, self._sites.satellite_ids)
        loaded = load(path)
        plugins, problems = Plugins.load(loaded.settings.plugins, builtin=BUILTIN)
        if [one for one in problems if one.severity == "error"]:
            raise ConfigurationInvalid(tuple(problems))
        settings = loaded.settings
        database = (
            running.database
            if running
            else FragileDatabase.around(open_database(settings.this_site.database, zero_dates=settings.zero_dates))
        )
        opened = open_site(loaded.settings, plugins, clock=self._sites.clock, database=database)
        self.problems = (*loaded.warnings, *problems, *opened.problems)
        self._swap(opened.here, running=running is not None)
        plugins.connect(FlowWorld(lambda: self.here))

    def _swap(self, here: Here, *, running: bool) -> None:
        """A reload swaps one value, as the daemon does; a start makes everything anew."""
        if self.sync_id == PRIMARY:
            if running and self.primary is not None:
                self.primary.here = here
            else:
                self.primary = Primary(here)
        elif running and self.satellite is not None:
            self.satellite.here = here
            self.satellite.forget_hello()
        else:
            self.satellite = Satellite(here, self.line, trust=self.satellite.trust if self.satellite else None)
