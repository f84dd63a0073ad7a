"""What is done now and then: trimming the change log, and retrying what waits."""

import time
from collections.abc import Callable

import structlog

from msyncd.daemon.loop import Loop
from msyncd.daemon.site import Site
from msyncd.flow.advancing import step
from msyncd.flow.bundle.keeping import take_kept, with_facts
from msyncd.flow.here import Here
from msyncd.flow.retry import retry_waiting
from msyncd.flow.trimming import trim

TRIM_SECONDS = 60.0
RETRY_SECONDS = 60.0
BUNDLE_SECONDS = 30.0
FOLLOW_SECONDS = 5.0
"""How often a worker that leaves the chores to another looks whether that one is still there."""
HAND_OVER_SECONDS = 5.0


def chore(
    name: str,
    site: Site,
    every: float,
    work: Callable[[Here], int],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Loop:
    """A loop that does one thing at the boundary, every so many seconds; of several workers one does it."""
    log = structlog.get_logger("msyncd.daemon")

    def step() -> float:
        if not site.here.database.leads():
            return min(FOLLOW_SECONDS, every)
        with site.boundary.shared():
            done = work(site.here)
        if done:
            log.debug("done", loop=name, number=done)
            site.wake()
        return every

    return Loop(name, step, clock=clock)


def handing_over(site: Site) -> Loop:
    """Takes the steps of hand-overs that wait for no message: what an admin has done here (P34)."""
    return chore("hand-over", site, HAND_OVER_SECONDS, step)


def unpacking(site: Site) -> Loop:
    """Applies bundles that were kept, once the gap before them has closed (P37)."""

    def work(here: Here) -> int:
        now = with_facts(here)
        if now is not here and site.satellite is not None:
            site.here = now  # a bundle has brought the primary's facts: they hold before the line is back
        return take_kept(now)

    return chore("bundles", site, BUNDLE_SECONDS, work)


def trimming(site: Site) -> Loop:
    """Forgets what nobody needs any more (P6)."""
    return chore("trimming", site, TRIM_SECONDS, trim)


def retrying(site: Site) -> Loop:
    """Tries what waits once more (P17)."""
    return chore("waiting", site, RETRY_SECONDS, retry_waiting)
