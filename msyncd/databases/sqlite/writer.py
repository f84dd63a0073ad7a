"""A write transaction on SQLite: the applier's hand on the application's tables, and the ledger's."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from msyncd.databases.care import asking_for_care
from msyncd.databases.interface import Writer
from msyncd.databases.lineage import found
from msyncd.databases.lookups import bound_to
from msyncd.databases.sqlite.connection import mapped
from msyncd.databases.sqlite.names import listed, quoted
from msyncd.databases.sqlite.reader import ENTRY, SQLiteReader
from msyncd.databases.sqlite.taking import blame, taken
from msyncd.databases.sqlite.uniques import in_the_way
from msyncd.databases.values import WRITE, Entry, Scope
from msyncd.model import Cursor, RecordType, Row, Table, UniqueIndex, Value

if TYPE_CHECKING:
    import dataset


_AT_ONCE: Final = 200
"""Rows that are looked for in one statement."""


class SQLiteWriter(SQLiteReader, Writer):
    """Writes on a connection whose transaction somebody else begins, commits and undoes."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        types: Mapping[str, RecordType],
        ids: Mapping[str, int],
        width: int,
        tables: Mapping[str, Table],
        fires: bool,
        *,
        swift: bool = False,
        immediate: bool = False,
    ) -> None:
        super().__init__(connection, types, ids, width)
        self._tables = tables
        self._fires = fires
        self._swift = swift
        self._immediate = immediate
        self._origin: int | None = None
        self._marked: int | None = None
        self._silenced: list[str] = []
        self._savepoints = 0

    def lock_rows(self, record_type: RecordType, keys: Iterable[Row]) -> None:
        pass  # BEGIN IMMEDIATE has locked them all

    # --- the ledger -------------------------------------------------------------------------------------------------

    def put(self, table: str, key: Mapping[str, Value], values: Mapping[str, Value]) -> None:
        where = " AND ".join(f"{column} = ?" for column in key)
        with mapped():
            if values:
                pairs = ", ".join(f"{column} = ?" for column in values)
                changed = self._connection.execute(
                    f"UPDATE {table} SET {pairs} WHERE {where}", (*values.values(), *key.values())
                )
                if changed.rowcount:
                    return
            elif self._connection.execute(f"SELECT 1 FROM {table} WHERE {where}", (*key.values(),)).fetchone():
                return
        self.insert(table, [{**key, **values}])

    def insert(self, table: str, rows: Iterable[Mapping[str, Value]]) -> None:
        rows = list(rows)
        if not rows:
            return
        columns = list(rows[0])
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        with mapped():
            self._connection.executemany(sql, [tuple(row.values()) for row in rows])

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        if self._swift:
            with asking_for_care():
                yield
            return
        self._savepoints += 1
        name = f"msyncd_{self._savepoints}"
        with mapped():
            self._connection.execute(f"SAVEPOINT {name}")
        marked = self._marked
        try:
            yield
        except BaseException:
            self._connection.execute(f"ROLLBACK TO {name}")
            self._marked = marked
            raise
        finally:
            self._connection.execute(f"RELEASE {name}")
            self._savepoints -= 1

    # --- the applier ------------------------------------------------------------------------------------------------

    def begin_applying(self, origin: int) -> None:
        self._origin, self._marked = origin, None
        with mapped():
            if not self._immediate:
                self._connection.execute("PRAGMA defer_foreign_keys=ON")
            self._connection.execute("DELETE FROM msyncd_applying")
            self._connection.execute("INSERT INTO msyncd_applying (type, origin) VALUES (NULL, ?)", (origin,))
        self._silence()

    def end_applying(self) -> None:
        with mapped():
            for sql in self._silenced:
                self._connection.execute(sql)
            self._connection.execute("DELETE FROM msyncd_applying")
        self._origin, self._marked, self._silenced = None, None, []

    def _silence(self) -> None:
        """Take the application's triggers away for this transaction where the admin chose so (P23)."""
        for record_type in self._types.values():
            table = self._tables.get(record_type.table.casefold())
            if record_type.application_triggers != "silent" or table is None:
                continue
            for name in table.triggers:
                rows = self._fetch("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = ?", (name,))
                if rows:
                    self._silenced.append(str(rows[0][0]))
                    self._fetch(f"DROP TRIGGER {quoted(name)}")

    def _mark(self, type_id: int | None) -> None:
        """Tell the triggers which record type the applier writes; None: what is written now is this site's own."""
        if self._marked != type_id:
            with mapped():
                self._connection.execute("UPDATE msyncd_applying SET type = ?", (type_id,))
            self._marked = type_id

    @contextmanager
    def as_application(self) -> Iterator[None]:
        marked = self._marked
        self._mark(None)
        try:
            yield
        finally:
            self._mark(marked)

    @contextmanager
    def _past_the_guard(self, record_type: RecordType, keys: Sequence[Row]) -> Iterator[None]:
        type_id = self._ids[record_type.name]
        self._mark(type_id)
        width = len(record_type.key)
        if self._fires:
            columns = ", ".join(f"key{i}" for i in range(1, width + 1))
            self._connection.executemany(
                f"INSERT OR IGNORE INTO msyncd_incoming (type, {columns}) VALUES ({type_id}{', ?' * width})", keys
            )
        try:
            yield
        finally:
            if self._fires:
                self._connection.execute("DELETE FROM msyncd_incoming")
            self._mark(None)

    def upsert(self, record_type: RecordType, columns: Sequence[str], rows: Sequence[Row]) -> None:
        if not rows:
            return
        width = len(record_type.key)
        rest = columns[width:]
        sets = ", ".join(f"{quoted(column)} = excluded.{quoted(column)}" for column in rest)
        sql = (
            f"INSERT INTO {quoted(record_type.table)} ({listed(columns)}) VALUES ({', '.join('?' * len(columns))})"
            f" ON CONFLICT ({listed(record_type.key)}) DO {f'UPDATE SET {sets}' if rest else 'NOTHING'}"
        )
        keys = [row[:width] for row in rows] if self._fires else ()
        with mapped(), self.savepoint(), self._past_the_guard(record_type, keys):
            table = self._tables[record_type.table.casefold()]
            try:
                self._connection.executemany(sql, taken(table, columns, rows))
            except (OverflowError, UnicodeEncodeError) as error:
                raise blame(table, columns, rows, error) from error

    def delete(self, record_type: RecordType, keys: Sequence[Row]) -> None:
        if not keys:
            return
        where = " AND ".join(f"{quoted(column)} = ?" for column in record_type.key)
        with mapped(), self.savepoint(), self._past_the_guard(record_type, keys):
            self._connection.executemany(f"DELETE FROM {quoted(record_type.table)} WHERE {where}", keys)

    def in_the_way(self, record_type: RecordType, unique: UniqueIndex, rows: Sequence[Row]) -> list[tuple[Row, Row]]:
        names = list(dict.fromkeys([*record_type.key, *unique.columns]))
        at, width = [record_type.index(name) for name in names], len(record_type.key)
        given = ", ".join(f"column{place} AS {quoted(name)}" for place, name in enumerate(names, 1))
        marks = f"({', '.join('?' * len(names))})"
        pairs: list[tuple[Row, Row]] = []
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            values = ", ".join([marks] * len(some))
            source, where = in_the_way(quoted(record_type.table), unique, f"SELECT {given} FROM (VALUES {values})")
            sql = f"SELECT {listed(record_type.key, 'n.')}, {listed(record_type.key, 'r.')} FROM {source} WHERE {where}"
            found_rows = self._fetch(sql, [row[place] for row in some for place in at])
            pairs += [(row[:width], row[width:]) for row in found_rows]
        return pairs

    def park(self, record_type: RecordType, columns: Sequence[str], key: Row) -> None:
        table = self._tables[record_type.table.casefold()]
        sets, values = [], list[Value]()
        for name in columns:
            column = table.column(name)
            sets.append(f"{quoted(name)} = ?")
            if column is not None and column.nullable:
                values.append(None)
            elif column is not None and "INT" in column.declared.upper():
                values.append(-int(token_hex(7), 16))
            else:
                values.append(f"{token_hex(12)} parked")  # an index may look at the beginning alone
        where = " AND ".join(f"{quoted(column)} = ?" for column in record_type.key)
        with mapped(), self._past_the_guard(record_type, [key]):
            self._connection.execute(
                f"UPDATE {quoted(record_type.table)} SET {', '.join(sets)} WHERE {where}", (*values, *key)
            )

    def set_column(self, record_type: RecordType, key: Row, column: str, value: Value) -> None:
        where = " AND ".join(f"{quoted(name)} = ?" for name in record_type.key)
        sql = f"UPDATE {quoted(record_type.table)} SET {quoted(column)} = ? WHERE {where}"
        with mapped(), self._past_the_guard(record_type, [key]):
            self._connection.execute(sql, (value, *key))

    def lookups(self) -> "dataset.Database":
        return bound_to(self._connection)

    # --- the change log ---------------------------------------------------------------------------------------------

    def append(self, width: int, entries: Iterable[Entry]) -> None:
        keys = "".join(f", key{i}" for i in range(1, width + 1))
        sql = f"INSERT INTO msyncd_change_log ({ENTRY}{keys}) VALUES ({', '.join('?' * (9 + width))})"
        with mapped():
            self._connection.executemany(sql, entries)

    def log_written(self) -> Cursor:
        return self.log_end()

    def trim_log(self, upto: Cursor) -> int:
        with mapped():
            return self._connection.execute("DELETE FROM msyncd_change_log WHERE seq <= ?", (upto.seq,)).rowcount

    def log_again(self, type_id: int, after: Cursor, origin: int, only_site: int | None) -> int:
        rest = self._entry.removeprefix("type, operation, origin, store, store_before, route, route_before, only_site")
        mine, parameters = "", [only_site, type_id, after.seq]
        if only_site is None:
            mine = " AND origin = ? AND only_site IS NULL"
            parameters.append(origin)
        else:
            mine = " AND (only_site IS NULL OR only_site = ?)"
            parameters.append(only_site)
        with mapped():
            return self._connection.execute(
                f"INSERT INTO msyncd_change_log ({self._entry})"
                f" SELECT type, operation, origin, store, store_before, route, route_before, ?{rest}"
                f" FROM msyncd_change_log WHERE type = ? AND seq > ?{mine} ORDER BY seq",
                parameters,
            ).rowcount

    def log_all(self, type_id: int, record_type: RecordType, origin: int, scope: Scope) -> int:
        how = found(record_type, self._types)
        where, parameters = self._scope(record_type, scope)
        keys = "".join(f", key{i}" for i in range(1, len(record_type.key) + 1))
        with mapped():
            return self._connection.execute(
                f"INSERT INTO msyncd_change_log ({ENTRY}{keys}) SELECT {type_id}, {WRITE}, ?, {how.store}, NULL,"
                f" {how.route}, NULL, NULL, {how.parent}, {listed(record_type.key, 't.')}"
                f" FROM {quoted(record_type.table)} t{how.joins} WHERE 1{where}",
                [origin, *parameters],
            ).rowcount
