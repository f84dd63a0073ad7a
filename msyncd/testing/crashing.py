"""A database that dies beside a commit, where the test says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from msyncd.databases import Database
from msyncd.databases.interface import Capture, Installed, Reader, Writer
from msyncd.model import Facts, Table

if TYPE_CHECKING:
    import dataset

CrashPoint = Literal["before commit", "after commit"]


class Crashed(BaseException):
    """The site died at the point that the test named. It has been opened again from what was on its disk."""


class FragileDatabase(Database):
    """The real thing, which can be told to die beside a commit: nothing of an open transaction is left then.

    `crash_at` is the point, and beside which of the next commits.
    """

    def __init__(self, real: Database) -> None:
        self.real = real
        self.dialect = real.dialect
        self.emptied = real.emptied
        self.crash_at: tuple[CrashPoint, int] | None = None

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

    # --- as it is ---

    @contextmanager
    def read(self) -> Iterator[Reader]:
        with self.real.read() as reader:
            yield reader

    def describe(self) -> dict[str, Table]:
        return self.real.describe()

    def install(self, capture: Capture) -> Installed:
        return self.real.install(capture)

    def installed(self) -> bool:
        return self.real.installed()

    def renew_guard(self, facts: Facts, writer: Writer, site: int) -> None:
        self.real.renew_guard(facts, writer, site)

    def remove(self) -> tuple[str, ...]:
        return self.real.remove()

    def schema_version(self) -> int:
        return self.real.schema_version()

    def data_version(self) -> int:
        return self.real.data_version()

    def watched_paths(self) -> tuple[str, ...]:
        return self.real.watched_paths()

    def lookups(self) -> "dataset.Database":
        return self.real.lookups()

    def close(self) -> None:
        self.real.close()
