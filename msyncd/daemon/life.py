"""One site and its loops, from the start to the end, or to a configuration that asks for another site."""

import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import structlog
from starlette.types import ASGIApp

from msyncd.daemon.chores import handing_over, retrying, trimming, unpacking
from msyncd.daemon.comparing import Comparisons
from msyncd.daemon.cycling import Asked, Cycling
from msyncd.daemon.heeding import Heeding
from msyncd.daemon.listening import Listening
from msyncd.daemon.living import Living
from msyncd.daemon.loop import Loop
from msyncd.daemon.report import Report
from msyncd.daemon.settling import Settling
from msyncd.daemon.site import Site
from msyncd.daemon.verifying import Verifying
from msyncd.daemon.watching import LocalWrites
from msyncd.errors import TryLater, WrongUsage

END_SECONDS = 25.0
"""How long the batch in hand may take at the end; then the line is cut, and the batch is sent again next time."""


class Life(Protocol):
    """What runs beside one site's database."""

    site: Site
    loops: list[Loop]

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def swapped(self) -> None: ...
    def sync(self, trust: Mapping[str, str]) -> Iterator[dict[str, Any]]: ...
    def compare(self, only: Sequence[str], *, repair: bool) -> Iterator[dict[str, Any]]: ...


class PrimaryLife:
    """The server and its housekeeping."""

    def __init__(self, site: Site, report: Report, started: Callable[[], None], console: ASGIApp | None = None) -> None:
        self.site = site
        self._listening = Listening(site, report, started, console)
        self._settling = Settling(site)
        self._writes = LocalWrites(site, self._grown)
        verifying = Verifying(site, self._grown)
        chores = [trimming(site), retrying(site), unpacking(site), handing_over(site)]
        self.loops = [
            self._listening.loop,
            self._writes.loop,
            self._settling.loop,
            verifying.loop,
            Heeding(site).loop,
            *chores,
        ]

    def _grown(self) -> None:
        self.site.wake()
        self._settling.loop.ring()

    def start(self) -> None:
        """Begin."""
        for loop in self.loops:
            loop.start()

    def stop(self) -> None:
        """Let requests under way finish, then end."""
        _end(self.loops)
        self._listening.close()
        self._writes.close()
        self.site.close()

    def swapped(self) -> None:
        """Another configuration is in force."""
        for loop in self.loops:
            loop.ring(urgent=True)
        self.site.wake()

    def sync(self, trust: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """A primary answers; it does not call."""
        raise WrongUsage("this is the primary: satellites call it", hint="run `msyncd sync` on a satellite")

    def compare(self, only: Sequence[str], *, repair: bool) -> Iterator[dict[str, Any]]:
        """A primary answers; it does not call."""
        raise WrongUsage("this is the primary: satellites compare with it", hint="run `msyncd compare` on a satellite")


class SatelliteLife:
    """The cycle, the live line, the look-out for local writes, and housekeeping."""

    def __init__(self, site: Site, report: Report, started: Callable[[], None]) -> None:
        self.site = site
        self._begun = started
        self._cycling = Cycling(site, report, finished=self._finished)
        self._living = Living(site, self._cycling)
        self._writes = LocalWrites(site, self._cycling.wanted)
        verifying = Verifying(site, self._cycling.wanted)
        self._comparisons = Comparisons(site, self._cycling)
        self.loops = [
            self._cycling.loop,
            self._living.loop,
            self._writes.loop,
            verifying.loop,
            trimming(site),
            retrying(site),
            unpacking(site),
            self._comparisons.loop,
        ]

    def _finished(self) -> None:
        self._living.loop.ring(urgent=True)

    def start(self) -> None:
        """Begin."""
        for loop in self.loops:
            loop.start()
        self._begun()

    def stop(self) -> None:
        """Finish the batch in hand, then hang up."""
        for loop in self.loops:
            loop.stop()
        if not self._cycling.loop.join(END_SECONDS):
            structlog.get_logger("msyncd.daemon").warning("the batch in hand was broken off; it is sent again")
        if self.site.client is not None:
            self.site.client.close()
        _end(self.loops)
        self._writes.close()
        self.site.close()

    def swapped(self) -> None:
        """Another configuration is in force."""
        for loop in self.loops:
            loop.ring(urgent=True)
        self._cycling.retimed()

    def sync(self, trust: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Ask for a cycle; its progress, and its result at last."""
        asked = Asked(trust)
        self._cycling.ask(asked)
        while not self._cycling.loop.stopping:
            try:
                line = asked.lines.get(timeout=1.0)
            except queue.Empty:
                continue
            yield line
            if "progress" not in line:
                return
        raise TryLater("msyncd is stopping", hint="ask again when it runs")

    def compare(self, only: Sequence[str], *, repair: bool) -> Iterator[dict[str, Any]]:
        """Compare with the primary now; what is found, record type by record type."""
        yield from self._comparisons.now(only, repair=repair)


def _end(loops: list[Loop]) -> None:
    for loop in loops:
        loop.stop()
    ends = time.monotonic() + END_SECONDS
    for loop in loops:
        loop.join(max(0.1, ends - time.monotonic()))
