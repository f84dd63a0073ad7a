"""Triggers are verified whenever the schema of the database has changed: a rebuilt table has lost them (P5)."""

import time
from collections.abc import Callable

import structlog

from msyncd.daemon.loop import Loop
from msyncd.daemon.site import Site
from msyncd.databases.interface import Database
from msyncd.flow.opening import open_site
from msyncd.flow.retry import retry_altered

LOOK_SECONDS = 2.0
QUIET_SECONDS = 0.5
"""A migration drops a table and makes it anew in several steps: it is not looked at in between, if it goes on."""


class Verifying:
    """`step` looks at the schema's version. If it has moved, it opens the site anew, and tries what was rejected."""

    def __init__(
        self, site: Site, changed: Callable[[], None] = lambda: None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._site, self._changed = site, changed
        self._log = structlog.get_logger("msyncd.daemon")
        self._seen: tuple[Database, int] = site.here.database, site.schema_version
        self._moving: tuple[Database, int] | None = None
        self._untried = True  # tables may have been altered while no daemon ran
        self.loop = Loop("schema", self.step, clock=clock)

    def step(self) -> float:
        """One look."""
        database = self._site.here.database
        now = database, database.schema_version()
        if now != self._seen:
            if now != self._moving:
                self._moving = now
                return QUIET_SECONDS
            with self._site.boundary.alone():
                changed = self._reopen()
            self._untried = True
            if changed:
                self._changed()
        # as it was before opening: what was changed meanwhile, by whomever, is looked at again
        self._seen = now
        if self._untried:
            self._try_rejected()
            self._untried = False
        return LOOK_SECONDS

    def _try_rejected(self) -> None:
        """What the database rejected may be taken now; of several workers one tries it."""
        if not self._site.here.database.leads():
            return
        with self._site.boundary.shared():
            retried = retry_altered(self._site.here)
        if retried.applied or retried.sent_again or retried.still:
            self._log.info(
                "tables were altered; what the database had rejected was tried again",
                applied=len(retried.applied),
                sent_again=len(retried.sent_again),
                still_in_quarantine=len(retried.still),
            )
            self._changed()

    def _reopen(self) -> bool:
        """Whether anything was not as it had been left."""
        old = self._site.here
        opened = open_site(old.settings, old.plugins, clock=old.clock, database=old.database, edited=False)
        renewed = bool(opened.installed.made or opened.installed.lost)
        if renewed:
            self._log.warning(
                "the schema of the database has changed; capture was renewed",
                made=len(opened.installed.made),
                lost=", ".join(opened.installed.lost) or "none",
            )
        self._site.problems = opened.problems
        if (old.types, old.facts) != (opened.here.types, opened.here.facts):
            self._site.here = opened.here
            return True
        return renewed
