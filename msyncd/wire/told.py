"""What a satellite was told that is wrong, said in the primary's log too: once, again when it changes, or now and then.

Only of callers that have logged in: a guesser cannot fill the disk. What the protocol mends by itself is no news.
"""

from collections.abc import Callable
from typing import Any, Final

from msyncd.errors import HelloAgain, LoginRefused, MsyncdError
from msyncd.wire.complaints import BodyTooSlow, CallerGone

AGAIN_SECONDS: Final = 600.0
MOST: Final = 20
"""So many things are said of one site in that time, though it gives cause for more: it cannot fill the disk either."""
LONGEST: Final = 500
"""So much of each: it may name what came with the message."""
_NO_NEWS: Final = (HelloAgain, LoginRefused, BodyTooSlow, CallerGone)
"""A new token or newer facts; what has its own words; and the line, of which the satellite's own log speaks."""


class Told:
    """By site and request, what was said last. `clock` is monotonic, in seconds. From the server's own thread."""

    def __init__(self, log: Any, clock: Callable[[], float]) -> None:
        self._log, self._clock = log, clock
        self._said: dict[tuple[int, str], tuple[str, float, bool]] = {}
        self._lines: dict[int, tuple[float, int]] = {}

    def failed(self, site: int, request: str, address: str, error: MsyncdError) -> None:
        """A request of this site was answered with this error."""
        if isinstance(error, _NO_NEWS):
            return
        text = f"{request} {'has to wait' if error.try_later else 'refused'}: {error}"[:LONGEST]
        said, at, _ = self._said.get((site, request), ("", 0.0, False))
        if said != text or self._clock() - at >= AGAIN_SECONDS:
            self._said[site, request] = text, self._clock(), error.try_later
            if self._may_say(site):
                self._log.warning(text, site=site, address=address)

    def answered(self, site: int, request: str) -> None:
        """A request of this site succeeded. After a refusal that is no news: another machine may be refused."""
        _, _, waited = self._said.pop((site, request), ("", 0.0, False))
        if waited:
            self._log.info(f"{request} works again", site=site)

    def _may_say(self, site: int) -> bool:
        since, lines = self._lines.get(site, (self._clock(), 0))
        if self._clock() - since >= AGAIN_SECONDS:
            since, lines = self._clock(), 0
        self._lines[site] = since, lines + 1
        return lines < MOST
