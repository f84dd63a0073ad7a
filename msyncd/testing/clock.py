"""A clock that stands still."""

from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that the test holds: it stands still until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time."""
        return self.now

    def advance(self, **amount: float) -> None:
        """Move on, e.g. `clock.advance(days=8)`; negative amounts set it back."""
        self.now += timedelta(**amount)
