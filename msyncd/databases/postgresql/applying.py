"""The applier's hand on the application's tables: past the guard, unlogged, and never over what was just written.

The application writes at the same time. A row that it commits between our look at the log and our own write of that row
would be lost under it, unseen (P19). So each write of ours is followed by a look at the log: an entry for one of its
rows by a transaction that had not ended when this one began means that the whole batch is tried again.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

import psycopg

from msyncd.databases.circles import Circles
from msyncd.databases.interface import RowRejected
from msyncd.databases.kinds import rejected
from msyncd.databases.postgresql.bodies import APPLYING
from msyncd.databases.postgresql.catalog import ColumnEntry
from msyncd.databases.postgresql.connection import Connection
from msyncd.databases.postgresql.errors import mapped
from msyncd.databases.postgresql.expressions import as_logged
from msyncd.databases.postgresql.incoming import Incoming
from msyncd.databases.postgresql.known import Known
from msyncd.databases.postgresql.log import LOG
from msyncd.databases.postgresql.names import listed, quoted
from msyncd.databases.postgresql.parking import parked
from msyncd.databases.postgresql.silencing import (
    Silenced,
    delete_silently,
    must_hold,
    write_silently,
)
from msyncd.databases.postgresql.staging import Staged, copied, staged
from msyncd.databases.postgresql.uniques import in_the_way
from msyncd.databases.postgresql.writer import LedgerWriter, Snapshot
from msyncd.errors import DatabaseUnavailable
from msyncd.model import RecordType, Row, UniqueIndex, Value, ZeroDates

if TYPE_CHECKING:
    import dataset

MOST_ROWS: Final = 20_000
"""Rows in one statement."""
MANY_NEW: Final = 500
"""New rows from which on they are copied into their table; fewer come sooner in one statement."""


class PostgreSQLWriter(LedgerWriter):
    """See Writer. `emptied` counts the zero dates that were written as no date."""

    def __init__(
        self,
        connection: Connection,
        known: Known,
        began: Snapshot,
        *,
        zero_dates: ZeroDates = "null",
        swift: bool = False,
        immediate: bool = False,
    ) -> None:
        super().__init__(connection, known, began, swift=swift, immediate=immediate)
        self.emptied: Counter[tuple[str, str]] = Counter()
        self._zero_dates = zero_dates
        self._staged = 0
        self._locked: dict[str, set[Row]] = {}
        self._absent: dict[str, set[Row]] = {}
        """By record type: keys that were to be locked and had no row, as long as only this applier can bring one."""
        self._put_off: list[tuple[RecordType, Sequence[Row]]] = []
        self._circles = Circles(self, known, immediate=immediate)

    # --- beside the application -------------------------------------------------------------------------------------

    def lock_rows(self, record_type: RecordType, keys: Iterable[Row]) -> None:
        if record_type.name in self._known.untouched:  # nobody but msyncd writes them
            return
        key = self._known.values(record_type.table, record_type.key, "t.")
        order = ", ".join(f"t.{quoted(name)}" for name in record_type.key)
        # in one order, so that two who lock the same rows do not wait for each other; what refers to them may come
        rest = f" ORDER BY {order} FOR NO KEY UPDATE OF t"
        keys = list(keys)
        locked = self._locked.setdefault(record_type.name, set())
        for wanted, rows in self._found(record_type.table, record_type.key, keys, key, rest):
            locked |= set(map(wanted.as_asked, rows))
        self._absent.setdefault(record_type.name, set()).update(set(keys) - locked)

    def stores_of(self, record_type: RecordType, keys: Collection[Row]) -> dict[Row, tuple[str | None, Value]]:
        absent = self._absent.get(record_type.name)
        return super().stores_of(record_type, [key for key in keys if key not in absent] if absent else keys)

    def lookups(self) -> "dataset.Database":
        self._absent.clear()  # who gets it may write
        return super().lookups()

    def existing(self, table: str, columns: Sequence[str], values: Collection[Row]) -> set[Row]:
        lock = " FOR KEY SHARE OF t"
        if self._loose(table, columns):
            return {value for value, _ in self._held_alike(table, columns, values, columns, lock)}
        stand: set[Row] = set()
        for wanted, rows in self._found(table, columns, values, self._known.values(table, columns, "t."), lock):
            stand |= set(map(wanted.as_asked, rows))
        return stand

    # --- who writes -------------------------------------------------------------------------------------------------

    def begin_applying(self, origin: int) -> None:
        self._fetch(f"SET CONSTRAINTS ALL {'IMMEDIATE' if self._immediate else 'DEFERRED'}")
        if self._known.firing:
            keys = "".join(f", key{number} text" for number in range(1, self._known.width + 1))
            self._fetch("SET LOCAL client_min_messages TO warning")
            self._fetch(f"CREATE TEMPORARY TABLE IF NOT EXISTS msyncd_incoming (type integer{keys}) ON COMMIT DROP")

    def end_applying(self) -> None:
        self._circles.end()
        self._mark(None)
        for record_type, keys in self._put_off:
            source = self._source(record_type, record_type.key, keys, lasting=True)
            queries = self._silenced(record_type).unfulfilled(source.source, source.values, deferrable=True)
            must_hold(self._fetch, queries)
        self._put_off = []

    def _mark(self, type_id: int | None) -> None:
        """Tell the triggers which record type the applier writes; None: what is written now is this site's own."""
        if self._marked != type_id:
            self._fetch(f"SELECT set_config('{APPLYING}', %s, true)", ("" if type_id is None else str(type_id),))
            self._marked = type_id

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        put_off, let_go = self._circles.put_off, self._circles.let_go
        try:
            with super().savepoint():
                yield
        except BaseException:
            self._circles.put_off, self._circles.let_go = put_off, let_go
            raise

    @contextmanager
    def as_application(self) -> Iterator[None]:
        self._absent.clear()
        # an error would leave no transaction to go on with
        with self.savepoint():
            marked = self._marked
            self._mark(None)
            yield
            self._mark(marked)

    @contextmanager
    def _past_the_guard(self, record_type: RecordType, keys: Sequence[Row]) -> Iterator[None]:
        """What is written inside is neither guarded nor logged, and rejected as a whole or not at all."""
        type_id = self._known.ids[record_type.name]
        fires = record_type.name in self._known.firing
        with mapped(), self.savepoint():
            self._mark(type_id)
            if fires:
                self._name_incoming(type_id, keys)
            yield
            if fires:
                self._fetch("DELETE FROM pg_temp.msyncd_incoming")
            self._mark(None)
        self._nobody_else_wrote(record_type, type_id, keys)

    def _name_incoming(self, type_id: int, keys: Sequence[Row]) -> None:
        names = "".join(f", key{number}" for number in range(1, len(keys[0]) + 1))
        sql = f"COPY pg_temp.msyncd_incoming (type{names}) FROM STDIN"
        with self._connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
            for key in keys:
                copy.write_row((type_id, *map(as_logged, key)))

    def _nobody_else_wrote(self, record_type: RecordType, type_id: int, keys: Sequence[Row]) -> None:
        """Raises DatabaseUnavailable if the application has written one of these records since this began (P19)."""
        width = len(keys[0])
        names = ", ".join(f"key{number}" for number in range(1, width + 1))
        rows = self._fetch(
            f"SELECT DISTINCT {names} FROM {LOG} WHERE (xid >= %s OR xid = ANY (%s)) AND type = %s"
            " AND xid <> (SELECT msyncd.msyncd_place())",
            (self._began.following, list(self._began.running), type_id),
        )
        if not rows:
            return
        # rows that were locked before they were looked at are as they were then
        others = set(keys) - self._locked.get(record_type.name, set())
        if not others.isdisjoint(self._known.key_from_log(type_id, rows)):
            raise DatabaseUnavailable(
                "the application was writing the same records at this very moment", hint="trying again"
            )

    # --- what is written --------------------------------------------------------------------------------------------

    def upsert(self, record_type: RecordType, columns: Sequence[str], rows: Sequence[Row]) -> None:
        try:
            with self._in_circles(record_type):
                self._upsert(record_type, columns, self._circles.without_targets(record_type, columns, rows))
                self._circles.written(record_type)
        except RowRejected as error:
            if len(rows) == 1 and not self._swift and isinstance(error.__cause__, psycopg.DataError):
                self._blame(record_type, columns, rows[0])
            raise

    def _in_circles(self, record_type: RecordType) -> AbstractContextManager[None]:
        """All that is done for one call is undone with it, where that may be more than one statement."""
        return self.savepoint() if self._known.in_a_circle(record_type) else nullcontext()

    def _blame(self, record_type: RecordType, columns: Sequence[str], row: Row) -> None:
        """Raise a better RowRejected, one that names the column whose type does not take its value."""
        for entry, value in zip(self._columns(record_type.table, columns), row, strict=True):
            try:
                with mapped(), self.savepoint():
                    source = staged(self._connection, [entry], self._incoming(record_type, [entry], [(value,)]), 0)
                    sql = f"SELECT {source.values[0]}::{entry.declared} FROM {source.source}"
                    self._connection.execute(sql.encode(), source.parameters)
            except RowRejected as error:
                if isinstance(error.__cause__, psycopg.DataError):
                    raise rejected(record_type.table, entry.name, value, f"is refused: {error.what}") from error
                raise

    def _upsert(self, record_type: RecordType, columns: Sequence[str], rows: Sequence[Row]) -> None:
        width = len(record_type.key)
        for start in range(0, len(rows), MOST_ROWS):
            some = rows[start : start + MOST_ROWS]
            keys = [row[:width] for row in some]
            silent = self._is_silent(record_type, "INSERT", "UPDATE")
            new = self._are_new(record_type, keys)
            with self._past_the_guard(record_type, keys):
                if new and not silent:
                    entries = self._columns(record_type.table, columns)
                    values = self._incoming(record_type, entries, some, width)
                    names = [quoted(name) for name in columns]
                    copied(self._connection, self._known.table(record_type.table), names, entries, values)
                    continue
                source = self._source(record_type, columns, some, lasting=silent)
                sql = self._upserting(record_type, columns, source)
                if silent:
                    put_off = not self._immediate
                    write_silently(self._fetch, self._silenced(record_type), source, sql, put_off=put_off)
                else:
                    self._connection.execute(sql.encode(), source.parameters)
            if silent and not self._immediate:
                self._put_off.append((record_type, keys))

    def _are_new(self, record_type: RecordType, keys: Sequence[Row]) -> bool:
        """Whether these can be copied into their table as they are, since none stands there.

        If somebody else has brought one all the same, it is all done once more, with care.
        """
        absent = self._absent.get(record_type.name, set())
        new = self._swift and len(keys) >= MANY_NEW and absent.issuperset(keys)
        absent.difference_update(keys)
        return new

    def _upserting(self, record_type: RecordType, columns: Sequence[str], source: Staged) -> str:
        key, entry = record_type.key, self._known.catalog[record_type.table.casefold()]
        # a value that only the database makes is never another for the same record
        rest = [name for name in columns[len(key) :] if entry.column(name).identity != "a"]
        table, names = self._known.table(record_type.table), listed(columns)
        values = f"SELECT {', '.join(source.values)} FROM {source.source}"
        insert = f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE"
        if entry.arbitrates(key):
            sets = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in rest)
            return f"{insert} {values} ON CONFLICT ({listed(key)}) DO {f'UPDATE SET {sets}' if rest else 'NOTHING'}"
        # a unique constraint that can be put off cannot tell what stands already
        same = " AND ".join(f"t.{quoted(name)} = n.{quoted(name)}" for name in key)
        sets = ", ".join(f"{quoted(name)} = n.{quoted(name)}" for name in rest or key)
        updated = f"UPDATE {table} t SET {sets} FROM incoming n WHERE {same} RETURNING 1"
        return (
            f"WITH incoming ({names}) AS ({values}), updated AS ({updated}) {insert} SELECT * FROM incoming n"
            f" WHERE NOT EXISTS (SELECT FROM {table} t WHERE {same})"
        )

    def delete(self, record_type: RecordType, keys: Sequence[Row]) -> None:
        with self._in_circles(record_type):
            self._circles.before_delete(record_type, keys)
            self._delete(record_type, keys)

    def _delete(self, record_type: RecordType, keys: Sequence[Row]) -> None:
        for start in range(0, len(keys), MOST_ROWS):
            some = keys[start : start + MOST_ROWS]
            silent = self._is_silent(record_type, "DELETE")
            with self._past_the_guard(record_type, some):
                source = self._source(record_type, record_type.key, some, lasting=silent)
                same = " AND ".join(
                    f"t.{quoted(name)} = {value}" for name, value in zip(record_type.key, source.values, strict=True)
                )
                sql = f"DELETE FROM {self._known.table(record_type.table)} t USING {source.source} WHERE {same}"
                if silent:
                    mark = lambda aside: self._mark(None if aside else self._known.ids[record_type.name])  # noqa: E731
                    delete_silently(self._fetch, self._silenced(record_type), source, sql, mark)
                else:
                    self._connection.execute(sql.encode(), source.parameters)

    def _is_silent(self, record_type: RecordType, *events: str) -> bool:
        """Whether the application has triggers for such an event that must not fire."""
        entry = self._known.catalog[record_type.table.casefold()]
        return record_type.application_triggers == "silent" and any(map(entry.fired_by, events))

    def _silenced(self, record_type: RecordType) -> Silenced:
        catalog = self._known.catalog
        return Silenced(catalog[record_type.table.casefold()], catalog, record_type.key)

    def _source(
        self, record_type: RecordType, columns: Sequence[str], rows: Sequence[Row], *, lasting: bool = False
    ) -> Staged:
        entries = self._columns(record_type.table, columns)
        values = self._incoming(record_type, entries, rows, len(record_type.key))
        self._staged += 1
        return staged(self._connection, entries, values, self._staged, lasting=lasting)

    def _incoming(
        self, record_type: RecordType, entries: Sequence[ColumnEntry], rows: Sequence[Row], keys: int = 0
    ) -> list[Sequence[Value]]:
        return Incoming(record_type.table, entries, self._zero_dates, self.emptied).by_column(rows, keys)

    def in_the_way(self, record_type: RecordType, unique: UniqueIndex, rows: Sequence[Row]) -> list[tuple[Row, Row]]:
        if not rows:
            return []
        names = list(dict.fromkeys([*record_type.key, *unique.columns]))
        at, width = [record_type.index(name) for name in names], len(record_type.key)
        source = self._source(record_type, names, [tuple(row[place] for place in at) for row in rows])
        sql = in_the_way(self._known, record_type, unique, names, source)
        return [(row[:width], row[width:]) for row in self._fetch(sql, source.parameters)]

    def park(self, record_type: RecordType, columns: Sequence[str], key: Row) -> None:
        entries = self._columns(record_type.table, columns)
        self.write_columns(record_type, columns, {key: tuple(map(parked, entries))})

    def set_column(self, record_type: RecordType, key: Row, column: str, value: Value) -> None:
        self.write_columns(record_type, (column,), {key: (value,)})

    def write_columns(self, record_type: RecordType, columns: Sequence[str], rows: Mapping[Row, Row]) -> None:
        """Write some columns of records that stand, past the guard, unlogged."""
        width, silent = len(record_type.key), self._is_silent(record_type, "UPDATE")
        with self._past_the_guard(record_type, list(rows)):
            names = (*record_type.key, *columns)
            source = self._source(record_type, names, [(*key, *values) for key, values in rows.items()], lasting=silent)
            pairs = [f"{quoted(name)} = {value}" for name, value in zip(names, source.values, strict=True)]
            sql = (
                f"UPDATE {self._known.table(record_type.table)} t SET {', '.join(pairs[width:])}"
                f" FROM {source.source} WHERE {' AND '.join(f't.{pair}' for pair in pairs[:width])}"
            )
            if silent:
                write_silently(self._fetch, self._silenced(record_type), source, sql, put_off=True)
            else:
                self._connection.execute(sql.encode(), source.parameters)
