"""How large the next batch is: it adapts to the line, to how long the receiver's write lock is held, and to bytes."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from msyncd.databases.values import LOCK_SECONDS
from msyncd.flow.outbound import MOST_BYTES

WIRE_SECONDS = 2.0
"""What a batch should take on the wire."""
MOST = 20_000
GROWTH = 4.0
SHRINKING = 0.25
SMALL = 200
"""Records that are written in less time than it takes to commit them."""
ROOM = 0.9
"""How full a batch should be in bytes, so that one that varies a little still fits."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Records for the next batch, from 1 to 20,000. `most`: as many as fit in bytes, by those that went."""

    size: int
    most: int = MOST

    def after(self, records: int, wire: float, applied: float, lock: float = LOCK_SECONDS) -> "Pace":
        """The pace after a batch that took `wire` seconds in all, `applied` of them at the receiver's database.

        `lock`: how many of those it should take there at most. A small batch is made no smaller for that: what takes so
        long then is its commit, or the machine, and smaller ones would only be more of them.
        """
        if records < self.size // 2 and wire < WIRE_SECONDS and applied < lock:
            return self  # it was small for want of changes: that says nothing about the line
        line = max(wire - applied, 1e-4)
        for_line = records * max(min(WIRE_SECONDS / line, GROWTH), SHRINKING)
        for_lock = max(records * max(lock / max(applied, 1e-4), SHRINKING), SMALL)
        return replace(self, size=max(1, min(self.most, int(min(for_line, for_lock)))))

    def fitting(self, records: int, size: int) -> "Pace":
        """The pace once it is known how many bytes some records have: memory is bounded by a batch."""
        if records < 1 or size < 1:
            return self
        most = max(1, min(MOST, int(ROOM * MOST_BYTES * records / size)))
        return Pace(min(self.size, most), most)


class Speedometer:
    """How fast records reach each site, as the primary sees it: from a reply to the next pull, when that goes on.

    Told as the records of a batch that would take WIRE_SECONDS, applying included.
    """

    LEAST = 20
    """Records from which a batch tells something about the line."""
    LONGEST = 60.0
    """Seconds after which it was not the line that took so long."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: dict[int, tuple[int, float]] = {}
        self._sizes: dict[int, int] = {}

    def replied(self, site: int, records: int) -> None:
        """A reply with so many records leaves."""
        if records >= self.LEAST:
            self._left[site] = (records, self._clock())

    def asked(self, site: int) -> int | None:
        """The site asks for more; its size, None as long as it is not known."""
        left = self._left.pop(site, None)
        if left is not None and 0 < (took := self._clock() - left[1]) < self.LONGEST:
            size = max(1, min(MOST, int(left[0] * WIRE_SECONDS / took)))
            self._sizes[site] = (self._sizes.get(site, size) + size + 1) // 2
        return self._sizes.get(site)
