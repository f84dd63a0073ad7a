"""How large the next batch is: it adapts to the line, to how long the receiver's write lock is held, and to bytes."""

from dataclasses import dataclass, replace

from msyncd.flow.outbound import MOST_BYTES

WIRE_SECONDS = 2.0
"""What a batch should take on the wire."""
LOCK_SECONDS = 0.1
"""What a batch should take to apply, on SQLite under the one write lock (P25)."""
MOST = 20_000
GROWTH = 4.0
ROOM = 0.9
"""How full a batch should be in bytes, so that one that varies a little still fits."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Records for the next batch, from 1 to 20,000. `most`: as many as fit in bytes, by those that went."""

    size: int
    most: int = MOST

    def after(self, records: int, wire: float, applied: float) -> "Pace":
        """The pace after a batch that took `wire` seconds in all, `applied` of them at the receiver's database."""
        if records < self.size // 2 and wire < WIRE_SECONDS and applied < LOCK_SECONDS:
            return self  # it was small for want of changes: that says nothing about the line
        line = max(wire - applied, 1e-4)
        factor = min(WIRE_SECONDS / line, LOCK_SECONDS / max(applied, 1e-4), GROWTH)
        return replace(self, size=max(1, min(self.most, int(records * max(factor, 0.25)))))

    def fitting(self, records: int, size: int) -> "Pace":
        """The pace once it is known how many bytes some records have: memory is bounded by a batch."""
        if records < 1 or size < 1:
            return self
        most = max(1, min(MOST, int(ROOM * MOST_BYTES * records / size)))
        return Pace(min(self.size, most), most)
