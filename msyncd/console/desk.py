"""What the console knows of the daemon that it is part of, and what it can have it do."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msyncd.console.activity import Activity
from msyncd.console.book import Book
from msyncd.console.history import History, sample
from msyncd.daemon.assemble import may_be_one_of_several
from msyncd.daemon.traffic import Flow
from msyncd.errors import Problem, TryLater
from msyncd.flow.ledger import sites
from msyncd.flow.ledger.sites import Known
from msyncd.flow.plan import Plan
from msyncd.flow.status import LockStatus, Status
from msyncd.plugins import PluginReport
from msyncd.settings.values import Settings, User

if TYPE_CHECKING:  # they own the console
    from msyncd.daemon.answering import Answering
    from msyncd.daemon.keeping import Keeping
    from msyncd.daemon.locking import Unlocked
    from msyncd.daemon.report import Report
    from msyncd.daemon.site import Site
    from msyncd.databases.interface import Database

FRESH_SECONDS: Final = 2.0
"""Many open pages ask no more often than this."""

SHARE: Final = 10
"""Nor do they take more than this part of the time: behind a long backlog, counting takes long."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How the site stands, read at one moment: `read_seconds` is how long the database took."""

    status: Status
    known: Mapping[int, Known]
    flows: Mapping[int, Flow]
    plugins: tuple[PluginReport, ...]
    read_seconds: float
    at: float


@dataclass(slots=True)
class Progress:
    """A cycle that somebody asked for in the console."""

    who: str
    running: bool = True
    lines: list[str] = field(default_factory=list)
    problem: str | None = None


class Desk:
    """Read from any thread. The daemon's parts are asked anew each time: a reload may have swapped them."""

    def __init__(
        self,
        keeping: "Keeping",
        report: "Report",
        answering: "Answering",
        state_directory: Path,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keeping, self._report, self._answering, self._clock = keeping, report, answering, clock
        self.book = Book(state_directory)
        self.activity = Activity(self.book)
        self.history = History(self.book, clock)
        self.progress: Progress | None = None
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None

    # --- what is in force ---------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        return self._keeping.in_force

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the newest files, and with the tables."""
        return self._keeping.problems

    @property
    def trouble(self) -> str | None:
        """Why the daemon has not begun, or cannot go on; None if all is well."""
        found = self._report.document().get("problem")
        return None if found is None else str(found)

    def user(self, name: str) -> User | None:
        """Somebody who may log in."""
        return next((one for one in self.settings.console_users if one.name == name), None)

    # --- how it stands ------------------------------------------------------------------------------------------------

    @property
    def site(self) -> "Site | None":
        """The site that runs; None before it has begun, and where there is nothing to sync with."""
        life = self._keeping.life
        return life.site if life is not None else None

    def shared_ledger(self) -> "Database | None":
        """The database of a primary that several workers may serve, while the site runs here: what they must share."""
        site = self.site
        return site.here.database if site is not None and may_be_one_of_several(site.here.settings) else None

    def running_site(self) -> "Site":
        """The site that runs. Raises TryLater if none does, with the reason."""
        site = self.site
        if site is not None:
            return site
        if self.settings.stands_alone:
            raise TryLater("this site stands alone: there is nothing to sync with", hint="add a site in Preferences")
        raise TryLater(f"the daemon has not begun yet: {self.trouble or 'it is starting'}")

    def snapshot(self) -> Snapshot:
        """How the site stands, a few seconds old at most. Raises TryLater if nothing runs or the database is away."""
        with self._lock:  # who comes meanwhile waits for the one answer
            known = self._snapshot
            if known is None or not 0 <= self._clock() - known.at < max(FRESH_SECONDS, SHARE * known.read_seconds):
                known = self._snapshot = self._read()
            return known

    def forget(self) -> None:
        """Something was done: the next page reads anew."""
        with self._lock:
            self._snapshot = None

    def _read(self) -> Snapshot:
        site = self.running_site()
        started = time.perf_counter()
        status = self._answering.status()
        with site.here.database.read() as reader:
            known = sites.known_all(reader)
        seconds = time.perf_counter() - started
        reports = tuple(site.here.plugins.report())
        return Snapshot(status, known, site.traffic.flows(), reports, seconds, self._clock())

    def sample(self) -> None:
        """Keep how every peer stands now. Raises TryLater."""
        found = self.snapshot()
        at = int(self._clock())
        self.history.keep(sample(one, found.flows.get(one.sync_id, Flow()), at) for one in found.status.peers)

    # --- preferences --------------------------------------------------------------------------------------------------

    def lock(self) -> LockStatus:
        """Whether preferences are locked, until when not, and the edit that is held back."""
        return self._keeping.locking.status()

    def unlock(self, code: str, *, by: str) -> "Unlocked":
        """Give the authorisation code. Raises WrongCode, TooManyCodes."""
        try:
            return self._keeping.unlock(code, by=by)
        finally:
            self.forget()

    def close_lock(self, *, by: str) -> None:
        """Lock again."""
        self._keeping.locking.close(by=by)

    def plan(self, edited: Settings) -> Plan:
        """What taking in another configuration would change."""
        return self._keeping.plan(edited)

    def take_in(self, saved: Settings) -> bool:
        """Have the daemon look at the files now; whether what was saved is in force then."""
        self._keeping.look_now()
        self.forget()
        return self.settings.digest == saved.digest

    # --- what it can have done ----------------------------------------------------------------------------------------

    def sync(self, who: str) -> None:
        """Begin a cycle; `progress` shows it. Raises TryLater while one that somebody asked for is under way."""
        life = self._keeping.life
        if life is None:
            self.running_site()
            return
        lines = life.sync({})
        with self._lock:
            if self.progress is not None and self.progress.running:
                raise TryLater("a cycle is under way already", hint="it shows its progress on this page")
            progress = self.progress = Progress(who)
        threading.Thread(target=self._follow, args=(progress, lines), name="msyncd-console-sync", daemon=True).start()

    def _follow(self, progress: Progress, lines: Any) -> None:
        try:
            for line in lines:
                if "progress" in line:
                    one = line["progress"]
                    left = "" if one["left"] is None else f", {one['left']:,} left"
                    verb = "sent" if one["direction"] == "push" else "received"
                    progress.lines = [f"{one['done']:,} {verb}{left}"]
                elif "error" in line:
                    told = line["error"]
                    progress.problem = f"{told['what']}; {told['hint']}" if told["hint"] else told["what"]
                else:
                    done = line["result"]
                    progress.lines = [
                        f"{done['sent']:,} sent, {done['received']:,} received, {done['refused']:,} refused"
                    ]
        except TryLater as error:
            progress.problem = str(error)
        finally:
            progress.running = False
            self.forget()
