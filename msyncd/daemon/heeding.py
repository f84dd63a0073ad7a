"""Whether this worker's file still has the newest wishes: said once when another machine has newer ones (P31)."""

import time
from collections.abc import Callable

import structlog

from msyncd.daemon.assemble import may_be_one_of_several
from msyncd.daemon.loop import Loop
from msyncd.daemon.site import Site
from msyncd.flow.wishes import behind

LOOK_SECONDS = 20.0
"""A file is often replaced on several machines within less."""
_NEVER_SECONDS = 3600.0


class Heeding:
    """`step` looks, and notes at the site what is to be said."""

    def __init__(self, site: Site, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._site = site
        self._log = structlog.get_logger("msyncd.daemon")
        self.loop = Loop("wishes", self.step, clock=clock)

    def step(self) -> float:
        """One look."""
        if not may_be_one_of_several(self._site.here.settings):
            self._site.behind = None
            return _NEVER_SECONDS
        with self._site.boundary.shared():
            here, before = self._site.here, self._site.behind
            with here.database.read() as reader:
                now = self._site.behind = behind(reader, here)
        if now is not None and before is None:
            self._log.warning(f"configuration: {now}")
        elif now is None and before is not None:
            self._log.info("the sites and stores of the configuration are the newest again")
        return LOOK_SECONDS
