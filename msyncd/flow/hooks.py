"""What plugins are shown of a transaction and of a batch."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from msyncd.databases.interface import Writer
from msyncd.flow.receive import Batchwork
from msyncd.model import AppliedBatch, Changes, Row, Value

if TYPE_CHECKING:
    from dataset import Database


class HookTransaction:
    """The transaction of a batch as hooks see it. What is written here is this site's own change (P12)."""

    def __init__(self, writer: Writer, site: int) -> None:
        self._writer = writer
        self._site = site
        self._db: Database | None = None

    @property
    def site(self) -> int:
        """This site's sync ID."""
        return self._site

    @property
    def db(self) -> "Database":
        """The application's database within this transaction."""
        if self._db is None:
            self._db = self._writer.lookups()
        return self._db

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Run one statement."""
        return self._writer.execute(sql, parameters)

    def as_application(self) -> AbstractContextManager[None]:
        """Writes inside are guarded, captured and sent like the application's."""
        return self._writer.as_application()

    def savepoint(self) -> AbstractContextManager[None]:
        """Undone if the block raises."""
        return self._writer.savepoint()


def batch_before(writer: Writer, work: Batchwork, origin: int, mark: str) -> AppliedBatch:
    """What a batch is about to do here, told apart by what stands here now."""
    new: dict[str, Changes] = {}
    changed: dict[str, Changes] = {}
    same: dict[str, Changes] = {}
    for name, one in work.items():
        both = _both(one.writes, one.deletes)
        if not len(both):
            continue
        stand: Mapping[Row, Row] = writer.rows(one.record_type, both.keys)
        fresh, other, equal = [], [], []
        for at, (key, row) in enumerate(zip(both.keys, both.rows, strict=True)):
            before = stand.get(key)
            if before == row:
                equal.append(at)
            elif before is None:
                fresh.append(at)
            else:
                other.append(at)
        for into, places in ((new, fresh), (changed, other), (same, equal)):
            if places:
                into[name] = both.select(places)
    return AppliedBatch(origin, mark, new, changed, same)


def _both(writes: Changes, deletes: Changes) -> Changes:
    if not len(deletes):
        return writes
    if not len(writes):
        return deletes
    return Changes(
        writes.record_type,
        [*writes.keys, *deletes.keys],
        [*writes.rows, *deletes.rows],
        stores=[*writes.stores, *deletes.stores],
        stores_before=[*writes.stores_before, *deletes.stores_before],
        origins=[*writes.origins, *deletes.origins],
        routes=[*writes.routes, *deletes.routes],
    )
