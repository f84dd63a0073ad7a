"""A database that dies beside a commit, where the test says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

from msyncd.databases import Database
from msyncd.databases.interface import Writer

CrashPoint = Literal["before commit", "after commit"]


class Crashed(BaseException):
    """The site died at the point that the test named. It has been opened again from what was on its disk."""


class FragileDatabase:
    """The real thing, which can be told to die beside a commit: nothing of an open transaction is left then.

    `crash_at` is the point, and beside which of the next commits. All else is the real database's own.
    """

    def __init__(self, real: Database) -> None:
        self.real = real
        self.crash_at: tuple[CrashPoint, int] | None = None

    @classmethod
    def around(cls, real: Database) -> Database:
        """The database as those see it who are not to know."""
        return cast("Database", cls(real))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    with_care = Database.with_care

    @contextmanager
    def write(self, *, swift: bool = False, immediate: bool = False) -> Iterator[Writer]:
        """A write transaction; the one that the test chose ends in Crashed."""
        point = self._due()
        with self.real.write(swift=swift, immediate=immediate) as writer:
            yield writer
            if point == "before commit":
                raise Crashed(point)
        if point == "after commit":
            raise Crashed(point)

    def _due(self) -> CrashPoint | None:
        if self.crash_at is None:
            return None
        point, left = self.crash_at
        self.crash_at = (point, left - 1) if left > 1 else None
        return point if left == 1 else None


Database.register(FragileDatabase)
