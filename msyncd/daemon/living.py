"""The satellite's live line: a request that waits on the primary, so that a change there shows here at once."""

import time
from collections.abc import Callable

from msyncd.daemon.cycling import Cycling
from msyncd.daemon.loop import Loop
from msyncd.daemon.site import Site
from msyncd.errors import HelloAgain, PeerUnreachable
from msyncd.wire.client import PrimaryClient

WAIT_SECONDS = 30.0
_OFF = 3600.0
_QUICK = 1.0
_LONGEST_PAUSE = 30.0


class Living:
    """`step` is one long poll; news asks for a cycle, and the next poll comes after that."""

    def __init__(self, site: Site, cycling: Cycling, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._site, self._cycling, self._clock = site, cycling, clock
        self._heard_at = -1
        self._barren = 0
        self.loop = Loop("live", self.step, clock=clock)

    @property
    def on(self) -> bool:
        """Whether the configuration wants it, and a hello has been said."""
        satellite, sync = self._site.satellite, self._site.here.settings.sync
        return sync.live and sync.interval > 0 and satellite is not None and satellite.link is not None

    def step(self) -> float:
        """Wait on the primary once. It rests while there is nothing to wait with, or a cycle is still to come."""
        client = self._site.client
        if not self.on or client is None or self._heard_at == self._cycling.rounds:
            return _OFF  # the end of a cycle rings
        started = self._clock()
        if not self._news(client):
            return 0.0 if self._clock() - started >= _QUICK else _QUICK
        rounds = self._cycling.rounds
        pause = self._pause()
        if pause:
            self.loop.beat(pause + WAIT_SECONDS)
            time.sleep(pause)
        self._cycling.wanted()
        self._heard_at = rounds  # at last: news that did not get so far are heard again
        return _OFF

    def _news(self, client: PrimaryClient) -> bool:
        satellite = self._site.satellite
        assert satellite is not None
        self.loop.beat(WAIT_SECONDS * 4)
        try:
            return client.wait(satellite.waiting(WAIT_SECONDS)).news
        except HelloAgain:
            return True  # the cycle says hello
        except PeerUnreachable:
            if self._site.client is not client or self.loop.stopping:
                return False  # this very end has hung up
            raise

    def _pause(self) -> float:
        """News that bring nothing, again and again, must not become a storm of cycles."""
        self._barren = 0 if self._cycling.last.received else self._barren + 1
        return min(_LONGEST_PAUSE, 0.05 * 2.0 ** (self._barren - 3)) if self._barren > 3 else 0.0
