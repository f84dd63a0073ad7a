"""One consistent look at a SQLite database."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter

from msyncd.databases.interface import Reader
from msyncd.databases.lineage import found
from msyncd.databases.sqlite.connection import mapped
from msyncd.databases.sqlite.names import listed, quoted
from msyncd.databases.sqlite.wanted import SCANNED, holding, matching, portions, rows_wanted
from msyncd.databases.values import KEY, Entry, Interest, LogPage, Scope
from msyncd.model import START, Cursor, RecordType, Row, Value

ENTRY = "type, operation, origin, store, store_before, route, route_before, only_site, parent"


class SQLiteReader(Reader):
    """Reads on a connection whose transaction somebody else begins and ends."""

    def __init__(
        self, connection: sqlite3.Connection, types: Mapping[str, RecordType], ids: Mapping[str, int], width: int
    ) -> None:
        self._connection = connection
        self.connection = connection
        self._types = types
        self._ids = ids
        self._width = width
        self._entry = ENTRY + "".join(f", key{i}" for i in range(1, width + 1))

    def _fetch(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        with mapped():
            try:
                return self._connection.execute(sql, parameters).fetchall()
            except OverflowError:  # a key from a database whose integers are larger
                return self._connection.execute(sql, [_comparable(one) for one in parameters]).fetchall()

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        with mapped():
            return self._connection.execute(sql, parameters).fetchall()

    # --- the change log ---------------------------------------------------------------------------------------------

    def log_end(self) -> Cursor:
        # the highest number ever used: the log may have been trimmed empty (P2)
        found_rows = self._fetch("SELECT seq FROM sqlite_sequence WHERE name = 'msyncd_change_log'")
        return Cursor(0, int(str(found_rows[0][0]))) if found_rows else START

    def log_start(self) -> Cursor:
        lowest = self._fetch("SELECT min(seq) FROM msyncd_change_log")[0][0]
        return Cursor(0, int(str(lowest)) - 1) if lowest is not None else self.log_end()

    def log_page(self, after: Cursor, limit: int, interest: Interest | None = None) -> LogPage:
        end = self.log_end()
        if end <= after:
            return LogPage([], end, end)
        where, parameters = _interest(interest)
        rows = self._fetch(
            f"SELECT {self._entry}, seq FROM msyncd_change_log WHERE seq > ?{where} ORDER BY seq LIMIT ?",
            (after.seq, *parameters, limit),
        )
        # the number stands last, so that a row is an entry as it is
        upto = Cursor(0, int(str(rows[-1][-1]))) if len(rows) == limit else end
        return LogPage(rows, upto, end)

    def log_families(
        self,
        after: Cursor,
        upto: Cursor,
        headers: Mapping[int, Collection[Value]],
        lines: Mapping[int, Collection[Value]],
        most: int | None = None,
    ) -> list[Entry]:
        if upto <= after:
            return []
        entries: list[Entry] = []
        values = {value for wanted in (*headers.values(), *lines.values()) for value in wanted}
        # one scan for all: a line's parent and a header's key are looked for in the same list
        either = [f"type = {type_id} AND key1 IN family" for type_id in sorted(headers)]
        either += [f"type = {type_id} AND parent IN family" for type_id in sorted(lines)]
        for some in portions(values, None, SCANNED):
            entries += self._fetch(
                f"WITH family(k) AS (VALUES {', '.join(['(?)'] * len(some))}) SELECT {self._entry}, seq"
                f" FROM msyncd_change_log WHERE seq > ? AND seq <= ? AND ({' OR '.join(either)}) ORDER BY seq LIMIT ?",
                (*some, after.seq, upto.seq, -1 if most is None else most - len(entries)),
            )
            if most is not None and len(entries) >= most:
                break
        entries.sort(key=itemgetter(-1))
        return entries

    def log_left(self, after: Cursor) -> int:
        return max(0, self.log_end().seq - after.seq)

    def log_beyond(self, cursor: Cursor, entries: int) -> Cursor:
        return Cursor(0, cursor.seq + entries)

    def log_wide_families(
        self, after: Cursor, upto: Cursor, lines: Mapping[int, int], wider_than: int, most: int
    ) -> list[tuple[int, Value]]:
        if not lines:
            return []
        parents = ", ".join(str(one) for one in sorted(set(lines.values())))
        whose = " ".join(f"WHEN {line} THEN {header}" for line, header in lines.items())
        rows = self._fetch(
            "SELECT family, k FROM ("
            " SELECT type AS family, key1 AS k, seq FROM msyncd_change_log"
            f" WHERE seq > ? AND seq <= ? AND type IN ({parents})"
            f" UNION ALL SELECT CASE type {whose} END, parent, seq FROM msyncd_change_log"
            f" WHERE seq > ? AND seq <= ? AND type IN ({', '.join(str(one) for one in lines)})"
            ") GROUP BY family, k HAVING max(seq) - min(seq) > ? LIMIT ?",
            (after.seq, upto.seq, after.seq, upto.seq, wider_than, most),
        )
        return [(int(str(family)), key) for family, key in rows]

    def log_count(self, after: Cursor, interest: Interest | None = None, origin: int | None = None) -> int:
        where, parameters = _interest(interest)
        if origin is not None:
            where, parameters = f"{where} AND origin = ?", (*parameters, origin)
        keys = self._entry.removeprefix(ENTRY)
        rows = self._fetch(
            f"SELECT count(*) FROM (SELECT DISTINCT type{keys} FROM msyncd_change_log WHERE seq > ?{where})",
            (after.seq, *parameters),
        )
        return int(str(rows[0][0]))

    def log_keys(self, after: Cursor, type_id: int, origin: int) -> set[Row]:
        record_type = next((one for one in self._types.values() if self._ids.get(one.name) == type_id), None)
        if record_type is None:
            return set()
        keys = ", ".join(f"key{i}" for i in range(1, len(record_type.key) + 1))
        return set(
            self._fetch(
                f"SELECT {keys} FROM msyncd_change_log WHERE seq > ? AND type = ? AND origin = ?",
                (after.seq, type_id, origin),
            )
        )

    def changed_since(self, type_id: int, key: Row, after: Cursor) -> bool:
        where = " AND ".join(f"key{i} = ?" for i in range(1, len(key) + 1))
        sql = f"SELECT 1 FROM msyncd_change_log WHERE seq > ? AND type = ? AND only_site IS NULL AND {where} LIMIT 1"
        return bool(self._fetch(sql, (after.seq, type_id, *key)))

    def deleted_parents(self, type_id: int, keys: Collection[Value]) -> dict[Value, tuple[Value, Value]]:
        gone: dict[Value, tuple[Value, Value]] = {}
        for some in portions(keys, None, SCANNED):
            for key, store, route in self._fetch(
                "SELECT key1, store, route FROM msyncd_change_log WHERE type = ? AND operation = 2"
                f" AND key1 IN ({', '.join('?' * len(some))}) ORDER BY seq",
                (type_id, *some),
            ):
                gone[key] = (store, route)
        return gone

    # --- the application's tables -----------------------------------------------------------------------------------

    def rows(self, record_type: RecordType, keys: Collection[Row]) -> dict[Row, Row]:
        width = len(record_type.key)
        stand: dict[Row, Row] = {}
        for count, some in rows_wanted(keys, width):
            sql = f"SELECT {listed(record_type.columns, 't.')} {matching(record_type.table, record_type.key, count)}"
            stand |= {row[:width]: row for row in self._fetch(sql, some)}
        return stand

    def stores_of(self, record_type: RecordType, keys: Collection[Row]) -> dict[Row, tuple[str | None, Value]]:
        width = len(record_type.key)
        how = found(record_type, self._types)
        stores: dict[Row, tuple[str | None, Value]] = {}
        for count, some in rows_wanted(keys, width):
            sql = (
                f"SELECT {listed(record_type.key, 't.')}, {how.store}, {how.route}"
                f" {matching(record_type.table, record_type.key, count, how.joins)}"
            )
            for row in self._fetch(sql, some):
                stores[row[:width]] = (row[width], row[width + 1])  # type: ignore[assignment]  # the store is cast to text
        return stores

    def children_of(self, record_type: RecordType, parents: Collection[Value], most: int | None = None) -> list[Row]:
        through = record_type.through
        if through is None:
            return []
        rows: list[Row] = []
        for some in portions(parents, None, SCANNED):
            chosen = matching(record_type.table, (through.column,), len(some))
            sql = (
                f"SELECT {listed(record_type.columns, 't.')} {chosen} ORDER BY {listed(record_type.key, 't.')} LIMIT ?"
            )
            rows += self._fetch(sql, [*some, -1 if most is None else most - len(rows)])
            if most is not None and len(rows) >= most:
                break
        return rows

    def existing(self, table: str, columns: Sequence[str], values: Collection[Row]) -> set[Row]:
        stand: set[Row] = set()
        for count, some in rows_wanted(values, len(columns)):
            stand |= set(self._fetch(f"SELECT {listed(columns, 't.')} {matching(table, columns, count)}", some))
        if stand <= set(values):
            return stand
        return {value for value, _ in self.holders(table, columns, values, columns)}

    def holders(
        self, table: str, columns: Sequence[str], values: Collection[Row], key: Sequence[str]
    ) -> list[tuple[Row, Row]]:
        held: list[tuple[Row, Row]] = []
        for some in portions(values, (None,) * len(columns)):
            sql = f"SELECT wanted.column1, {listed(key, 't.')} {holding(table, columns, len(some))}"
            rows = self._fetch(sql, [value for row in some for value in row])
            held += [(some[int(str(place))], held_by) for place, *rest in rows for held_by in [tuple(rest)]]
        return held

    def page(
        self, record_type: RecordType, after: Row | None, limit: int, scope: Scope, upto: Row | None = None
    ) -> list[Row]:
        where, parameters = self._scope(record_type, scope)
        keys = listed(record_type.key, "t.")
        marks = ", ".join("?" * len(record_type.key))
        if after is not None:
            where, parameters = f"{where} AND ({keys}) > ({marks})", [*parameters, *after]
        if upto is not None:
            where, parameters = f"{where} AND ({keys}) <= ({marks})", [*parameters, *upto]
        how = found(record_type, self._types)
        return self._fetch(
            f"SELECT {listed(record_type.columns, 't.')} FROM {quoted(record_type.table)} t{how.joins}"
            f" WHERE 1{where} ORDER BY {keys} LIMIT ?",
            [*parameters, limit],
        )

    def count(self, record_type: RecordType, scope: Scope) -> int:
        where, parameters = self._scope(record_type, scope)
        how = found(record_type, self._types)
        rows = self._fetch(f"SELECT count(*) FROM {quoted(record_type.table)} t{how.joins} WHERE 1{where}", parameters)
        return int(str(rows[0][0]))

    def _scope(self, record_type: RecordType, scope: Scope) -> tuple[str, list[Value]]:
        if scope.stores is None:
            return "", []
        how = found(record_type, self._types)
        if how.store == "NULL":
            return "", []
        stores, routes = sorted(scope.stores), list(scope.routes)
        either = f"{how.store} IN ({', '.join('?' * len(stores))})"
        if how.route != "NULL":
            either += f" OR {how.route} IN ({', '.join('?' * len(routes))})"
            return f" AND ({either})", [*stores, *routes]
        return f" AND ({either})", [*stores]


def _interest(interest: Interest | None) -> tuple[str, tuple[Value, ...]]:
    """The condition that leaves out what cannot concern a site."""
    if interest is None:
        return "", ()
    where = " AND (only_site IS NULL OR only_site = ?)"
    parameters: list[Value] = [interest.site]
    if interest.stores is not None:
        stores, routes = sorted(interest.stores), list(interest.routes)
        types = ", ".join(str(one) for one in sorted(interest.types))
        in_stores, in_routes = ", ".join("?" * len(stores)), ", ".join("?" * len(routes))
        where += (
            f" AND (only_site = ? OR type IN ({types}) OR store IN ({in_stores}) OR store_before IN ({in_stores})"
            f" OR route IN ({in_routes}) OR route_before IN ({in_routes}) OR (store IS NULL AND parent IS NOT NULL))"
        )
        parameters += [interest.site, *stores, *stores, *routes, *routes]
    return where, tuple(parameters)


def entry_key(entry: Entry, width: int) -> Row:
    """The key of an entry, for a record type with `width` key columns."""
    return entry[KEY : KEY + width]


def _comparable(value: Value) -> Value:
    """A number that SQLite has no integer for is compared as text, which it reads as the column has its values."""
    return str(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value
