"""How large the next batch is: it adapts to the line, and to how long the receiver's write lock is held."""

from dataclasses import dataclass

WIRE_SECONDS = 2.0
"""What a batch should take on the wire."""
LOCK_SECONDS = 0.1
"""What a batch should take to apply, on SQLite under the one write lock (P25)."""
MOST = 20_000
GROWTH = 4.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Records for the next batch, from 1 to 20,000."""

    size: int

    def after(self, records: int, wire: float, applied: float) -> "Pace":
        """The pace after a batch that took `wire` seconds in all, `applied` of them at the receiver's database."""
        if records < self.size // 2 and wire < WIRE_SECONDS and applied < LOCK_SECONDS:
            return self  # it was small for want of changes: that says nothing about the line
        line = max(wire - applied, 1e-4)
        factor = min(WIRE_SECONDS / line, LOCK_SECONDS / max(applied, 1e-4), GROWTH)
        return Pace(max(1, min(MOST, int(records * max(factor, 0.25)))))

    def broken(self) -> "Pace":
        """The pace after a batch that did not get through."""
        return Pace(max(1, self.size // 2))
