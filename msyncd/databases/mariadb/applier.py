"""Writing the application's rows past its guard: in multi-row statements that touch no other row than they name."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from msyncd.databases.care import asking_for_care
from msyncd.databases.interface import RowRejected
from msyncd.databases.mariadb.circles import Circles
from msyncd.databases.mariadb.holes import Holes
from msyncd.databases.mariadb.log import chunks
from msyncd.databases.mariadb.parking import placeholder
from msyncd.databases.mariadb.places import APPLYING
from msyncd.databases.mariadb.reader import MariaDBReader
from msyncd.databases.mariadb.scene import Scene
from msyncd.databases.mariadb.session import Session
from msyncd.databases.mariadb.sql import listed, quoted, tuples
from msyncd.errors import DatabaseUnavailable
from msyncd.model import RecordType, Row, Value

STATEMENT_CHARACTERS: Final = 512 * 1024
STATEMENT_ROWS: Final = 1000


Committed = Callable[[RecordType, Sequence[Row]], Collection[Row]]
"""Which of these records stand for everybody, as another connection sees them."""
LOCK_SECONDS: Final = 2.0
"""How long others are waited for who write the same records."""
_AGAIN_SECONDS: Final = 0.02


class Applier(MariaDBReader):
    """The part of a Writer that writes the application's tables."""

    def __init__(
        self, session: Session, scene: Scene, holes: Holes, committed: Committed, *, swift: bool, immediate: bool
    ) -> None:
        super().__init__(session, scene, holes, holes.whole)
        self._committed = committed
        self._swift = swift
        self._absent: dict[str, set[Row]] = {}
        self._brought: dict[str, set[Row]] = {}
        self._marked: int | None = None
        self._savepoints = 0
        self._circles = Circles(self, scene, immediate=immediate)

    def begin_applying(self, origin: int) -> None:
        """Nothing of what was put off before is of account; each write marks itself."""
        self._circles.put_off = self._circles.let_go = ()

    def end_applying(self) -> None:
        """Raises RowRejected for a reference that was put off and lacks its target, or that let go and still stands."""
        self._circles.end()

    @contextmanager
    def as_application(self) -> Iterator[None]:
        """Inside, writes are guarded and captured like the application's own."""
        with self._marked_as(None):
            yield

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undoes what was done inside if the block raises; a swift transaction asks for care instead."""
        if self._swift:
            with asking_for_care():
                yield
            return
        self._savepoints += 1
        name, put_off, let_go = f"msyncd_{self._savepoints}", self._circles.put_off, self._circles.let_go
        self.session.run(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            self._circles.put_off, self._circles.let_go = put_off, let_go
            self._brought.clear()
            if self.session.in_transaction:
                self.session.run(f"ROLLBACK TO {name}")
            raise
        finally:
            self._savepoints -= 1
        self.session.run(f"RELEASE SAVEPOINT {name}")

    @contextmanager
    def _marked_as(self, type_id: int | None) -> Iterator[None]:
        """Tell the triggers which record type the applier writes; None: what is written is this site's own."""
        before = self._marked
        self._mark(type_id)
        try:
            yield
        finally:
            self._mark(before)

    def _mark(self, type_id: int | None) -> None:
        if self._marked != type_id:
            self._marked = type_id
            if (
                self.session.in_transaction
            ):  # else it is lost, and the mark is taken off where the session is given back
                self.session.run(f"SET {APPLYING} = {'NULL' if type_id is None else type_id}")

    def _past_the_guard(self, record_type: RecordType) -> AbstractContextManager[None]:
        return self._marked_as(self.scene.ids[record_type.name])

    # --- locks ------------------------------------------------------------------------------------------------------

    def lock_rows(self, record_type: RecordType, keys: Iterable[Row]) -> None:
        """Nobody else changes or deletes these rows before the end; those that are not there are remembered."""
        wanted = list(keys)
        absent = self._absent.setdefault(record_type.name, set())
        absent |= set(wanted) - self.locked(record_type, wanted)

    def locked(self, record_type: RecordType, keys: Sequence[Row]) -> set[Row]:
        """Which of these records stand, byte for byte; from here on nobody else changes them.

        Where a column holds 'a' and 'a ' alike, no other row stands beside one that is there byte for byte.
        """
        plan = self.scene.read_plan(record_type.table, record_type.key)
        found: set[Row] = set()
        for some in chunks(keys):
            where = self.among(record_type.table, record_type.key, some)
            table = self.by_index(record_type.table, record_type.key)
            sql = f"SELECT {plan.select} FROM {table} WHERE {where} FOR UPDATE"
            found |= set(plan.rows(self.fetch_locking(sql)))
        return found & set(keys)

    def existing(self, table: str, columns: Sequence[str], values: Collection[Row]) -> set[Row]:
        """Which of these value tuples stand there; nobody deletes them before the end."""
        return {value for value, _ in self._held(table, columns, values, (), " LOCK IN SHARE MODE")}

    def fetch_locking(self, sql: str) -> list[Row]:
        """Fetch rows under a lock, asked for again and again: who queues for one while holding others is a deadlock.

        InnoDB would end it at once, at the cost of whom it likes. Raises DatabaseUnavailable after a while.
        """
        give_up = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return self.session.fetch_text(f"{sql} NOWAIT")
            except DatabaseUnavailable:
                if not self.session.in_transaction or time.monotonic() > give_up:
                    raise
                time.sleep(_AGAIN_SECONDS)

    # --- whole rows -------------------------------------------------------------------------------------------------

    def upsert(self, record_type: RecordType, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Write rows past the guard, unlogged."""
        if not rows:
            return
        with self.savepoint(), self._past_the_guard(record_type):
            rows = self._circles.without_targets(record_type, columns, rows)
            for some in self._circles.waves(record_type, columns, rows):
                self._upsert(record_type, columns, some)
            self._circles.written(record_type)

    def _upsert(self, record_type: RecordType, columns: Sequence[str], rows: Sequence[Row]) -> None:
        width, table = len(record_type.key), quoted(record_type.table)
        texts = tuples(self.scene.write_plan(record_type.table, columns).columns(rows))
        keys = [row[:width] for row in rows]
        stand = self.locked(record_type, keys)
        self._must_be_ours(record_type, stand)
        new = [text for text, key in zip(texts, keys, strict=True) if key not in stand]
        try:
            self.run_by_size(f"INSERT INTO {table} ({listed(columns)}) VALUES ", new)
        except RowRejected:
            self._must_be_ours(record_type, self.locked(record_type, [key for key in keys if key not in stand]))
            raise
        self._brought.setdefault(record_type.name, set()).update(key for key in keys if key not in stand)
        if stand and len(columns) > width:
            old = [text for text, key in zip(texts, keys, strict=True) if key in stand]
            self._update(record_type, columns, old)

    def _must_be_ours(self, record_type: RecordType, stand: set[Row]) -> None:
        """Rows that were not there when they were to be locked: a hook or trigger of this transaction brought them.

        Raises DatabaseUnavailable if it was somebody else, whose row would be written over unseen.
        """
        came = (stand & self._absent.get(record_type.name, set())) - self._brought.get(record_type.name, set())
        if came and (others := self._committed(record_type, list(came))):
            key = "/".join(map(str, min(others, key=repr)))
            raise DatabaseUnavailable(f"{record_type.table} {key} was inserted by others just now", hint="trying again")

    def _update(self, record_type: RecordType, columns: Sequence[str], texts: Sequence[str]) -> None:
        """Rows that stand, by their key: ON DUPLICATE KEY UPDATE would take any unique value for one."""
        width = len(record_type.key)
        details = self.scene.details(record_type.table, columns[:width])
        on = " AND ".join(f"t.{quoted(one.name)} = {one.given(f'v.{quoted(one.name)}')}" for one in details)
        sets = [f"t.{quoted(name)} = v.{quoted(name)}" for name in columns[width:]]
        # what the server would renew by itself, and travels, stays as its owner wrote it
        folded = {name.casefold() for name in columns}
        sets += [
            f"t.{quoted(one.name)} = t.{quoted(one.name)}"
            for one in self.scene.details(record_type.table, record_type.columns)
            if one.renewed and one.name.casefold() not in folded
        ]
        for some in by_size(texts):
            self.session.run(
                f"UPDATE (WITH v ({listed(columns)}) AS (VALUES {','.join(some)}) SELECT * FROM v) AS v"
                f" STRAIGHT_JOIN {quoted(record_type.table)} AS t ON {on} SET {', '.join(sets)}"
            )

    def delete(self, record_type: RecordType, keys: Sequence[Row]) -> None:
        """Delete rows past the guard, unlogged."""
        if not keys:
            return
        with self.savepoint(), self._past_the_guard(record_type):
            there = self.locked(record_type, keys)
            standing = [key for key in keys if key in there]
            self._circles.before_delete(record_type, standing)
            for some in self._circles.in_order(record_type, standing):
                for piece in chunks(some):
                    where = self.among(record_type.table, record_type.key, piece)
                    self.session.run(f"DELETE FROM {quoted(record_type.table)} WHERE {where}")

    # --- some columns -----------------------------------------------------------------------------------------------

    def park(self, record_type: RecordType, columns: Sequence[str], key: Row) -> None:
        """Give a record temporary unique values."""
        details = self.scene.details(record_type.table, columns)
        self.write_columns(record_type, columns, {key: tuple(placeholder(record_type.table, one) for one in details)})

    def set_column(self, record_type: RecordType, key: Row, column: str, value: Value) -> None:
        """Write one column of a record past the guard, unlogged."""
        self.write_columns(record_type, (column,), {key: (value,)})

    def write_columns(self, record_type: RecordType, columns: Sequence[str], rows: Mapping[Row, Row]) -> None:
        """Write some columns of records that stand, past the guard, unlogged."""
        names = (*record_type.key, *columns)
        there = self.locked(record_type, list(rows))
        whole = [(*key, *values) for key, values in rows.items() if key in there]
        if whole:
            with self._past_the_guard(record_type):
                texts = tuples(self.scene.write_plan(record_type.table, names).columns(whole))
                self._update(record_type, names, texts)

    def columns_of(self, record_type: RecordType, columns: Sequence[str], keys: Sequence[Row]) -> list[Row]:
        """The values of some columns of records that stand, in the order of the keys."""
        width = len(record_type.key)
        plan = self.scene.read_plan(record_type.table, (*record_type.key, *columns))
        found: dict[Row, Row] = {}
        for some in chunks(keys):
            where = self.among(record_type.table, record_type.key, some)
            rows = self.session.fetch_text(f"SELECT {plan.select} FROM {quoted(record_type.table)} WHERE {where}")
            found |= {row[:width]: row[width:] for row in plan.rows(rows)}
        return [found[key] for key in keys]

    def run_by_size(self, begin: str, texts: Sequence[str]) -> None:
        """Run a statement that ends in a list of rows, as often as the list is too long for one."""
        for some in by_size(texts):
            self.session.run(begin + ",".join(some))


def by_size(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Rows as SQL in pieces for one statement each."""
    start = size = 0
    for at, text in enumerate(texts):
        if at > start and (size + len(text) > STATEMENT_CHARACTERS or at - start == STATEMENT_ROWS):
            yield texts[start:at]
            start, size = at, 0
        size += len(text)
    if start < len(texts):
        yield texts[start:]
