"""The change log in commit order.

The log stands in the order of (xid, seq). Only entries of transactions below every one that is still running are read:
whatever commits later comes behind them. So a cursor passes nothing over, and no table is locked. What is committed but
cannot be read yet counts where the question is whether somebody else has written.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from msyncd.databases.interface import Reader
from msyncd.databases.postgresql.arrays import literal
from msyncd.databases.postgresql.connection import Connection
from msyncd.databases.postgresql.errors import mapped
from msyncd.databases.postgresql.expressions import as_logged
from msyncd.databases.postgresql.known import Known
from msyncd.databases.postgresql.portable import translated
from msyncd.databases.values import Entry, Interest, LogPage
from msyncd.model import START, Cursor, Row, Value

ENTRY: Final = "type, operation, origin, store, store_before, route, route_before, only_site, parent"
LOG: Final = "msyncd.msyncd_change_log"

_OPEN_SECONDS: Final = """
SELECT max(seconds) FROM (
    SELECT extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds FROM pg_stat_activity
        WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
    UNION ALL SELECT extract(epoch FROM clock_timestamp() - prepared)::float8 FROM pg_prepared_xacts) held"""


class LogReader(Reader):
    """Reads the log on a connection whose transaction somebody else begins and ends."""

    def __init__(self, connection: Connection, known: Known) -> None:
        self._connection = connection
        self.connection = connection
        self._known = known
        self._keys = "".join(f", key{number}" for number in range(1, known.width + 1))
        self._entry = ENTRY + self._keys
        # beyond this nothing can be read yet
        self._readable = f"xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint + {known.added}"

    def _fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with mapped():
            cursor = self._connection.execute(sql.encode(), parameters or None)
            return cursor.fetchall() if cursor.description is not None else []

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        return self._fetch(translated(sql) if parameters else sql, parameters)

    # --- where it begins and ends -----------------------------------------------------------------------------------

    def log_end(self) -> Cursor:
        # the last entry, not the last transaction: the end stays where it is while nothing is logged
        rows = self._fetch(f"SELECT xid, seq FROM {LOG} WHERE {self._readable} ORDER BY xid DESC, seq DESC LIMIT 1")
        return cursor_of(rows[0]) if rows else self.log_start()

    def log_start(self) -> Cursor:
        # where it was trimmed: numbers have gaps, so the first entry does not tell
        rows = self._fetch("SELECT trimmed_major, trimmed_seq FROM msyncd.msyncd_numbering")
        return cursor_of(rows[0]) if rows else START

    def log_beyond(self, cursor: Cursor, entries: int) -> Cursor:
        if entries < 1:
            return cursor
        rows = self._fetch(
            f"SELECT xid, seq FROM {LOG} WHERE (xid, seq) > (%s, %s) AND {self._readable}"
            " ORDER BY xid, seq OFFSET %s LIMIT 1",
            (*cursor, entries - 1),
        )
        return cursor_of(rows[0]) if rows else max(cursor, self.log_end())

    def log_left(self, after: Cursor) -> int:
        end = self.log_end()
        # numbers have gaps, and later transactions may have earlier ones
        return max(1, end.seq - after.seq) if end > after else 0

    def open_transaction_seconds(self) -> float | None:
        seconds = self._fetch(_OPEN_SECONDS)[0][0]
        return float(seconds) if isinstance(seconds, (int, float)) else None

    # --- pages ------------------------------------------------------------------------------------------------------

    def log_page(self, after: Cursor, limit: int, interest: Interest | None = None) -> LogPage:
        end = self.log_end()
        if end <= after:
            return LogPage([], end, end)
        where, parameters = _interest(interest)
        rows = self._fetch(
            f"SELECT {self._entry}, xid, seq FROM {LOG} WHERE (xid, seq) > (%s, %s) AND (xid, seq) <= (%s, %s){where}"
            " ORDER BY xid, seq LIMIT %s",
            (*after, *end, *parameters, limit),
        )
        # the cursor stands last, so that a row is an entry as it is
        upto = cursor_of(rows[-1][-2:]) if len(rows) == limit else end
        return LogPage(self._known.entries(rows), upto, end)

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
        between = f"(xid, seq) > (%s, %s) AND (xid, seq) <= (%s, %s) AND {self._readable}"
        return self._of_families(between, (*after, *upto), headers, lines, most)

    def log_hidden(
        self, headers: Mapping[int, Collection[Value]], lines: Mapping[int, Collection[Value]]
    ) -> list[Entry]:
        return self._of_families(self._readable.replace("xid <", "xid >=", 1), (), headers, lines, None)

    def _of_families(
        self,
        where: str,
        parameters: Sequence[Any],
        headers: Mapping[int, Collection[Value]],
        lines: Mapping[int, Collection[Value]],
        most: int | None,
    ) -> list[Entry]:
        either = [(type_id, "key1", keys) for type_id, keys in headers.items()]
        either += [(type_id, "parent", keys) for type_id, keys in lines.items()]
        if not either:
            return []
        condition = " OR ".join(
            f"(type = {type_id} AND {column} IN (SELECT unnest(%s::text[])))" for type_id, column, _ in either
        )
        rows = self._fetch(
            f"SELECT {self._entry} FROM {LOG} WHERE {where} AND ({condition}) ORDER BY xid, seq LIMIT %s",
            (*parameters, *(_texts(keys) for _, _, keys in either), most),
        )
        return self._known.entries(rows)

    def log_wide_families(
        self, after: Cursor, upto: Cursor, lines: Mapping[int, int], wider_than: int, most: int
    ) -> list[tuple[int, Value]]:
        if not lines:
            return []
        headers = sorted(set(lines.values()))
        # a line's family is its parent's; a type that is both is in two
        whose = " ".join(f"WHEN {line} THEN {header}" for line, header in lines.items())
        rows = self._fetch(
            "WITH log AS (SELECT type, key1, parent, row_number() OVER (ORDER BY xid, seq) AS place"
            f" FROM {LOG} WHERE (xid, seq) > (%s, %s) AND (xid, seq) <= (%s, %s) AND {self._readable})"
            " SELECT family, k FROM (SELECT type AS family, key1 AS k, place FROM log WHERE type = ANY (%s)"
            f" UNION ALL SELECT CASE type {whose} END, parent, place FROM log WHERE type = ANY (%s)) f"
            " GROUP BY family, k HAVING max(place) - min(place) > %s LIMIT %s",
            (*after, *upto, headers, list(lines), wider_than, most),
        )
        return [(int(str(family)), self._key(int(str(family)), key)) for family, key in rows]

    def _key(self, type_id: int, key: Value) -> Value:
        return key if key is None else self._known.key_from_log(type_id, [(key,)])[0][0]

    # --- what is counted, and what is looked for: all that is committed ---------------------------------------------

    def log_count(self, after: Cursor, interest: Interest | None = None, origin: int | None = None) -> int:
        where, parameters = _interest(interest)
        if origin is not None:
            where, parameters = f"{where} AND origin = %s", (*parameters, origin)
        rows = self._fetch(
            f"SELECT count(*) FROM (SELECT DISTINCT type{self._keys} FROM {LOG} WHERE (xid, seq) > (%s, %s){where}) d",
            (*after, *parameters),
        )
        return int(str(rows[0][0]))

    def log_keys(self, after: Cursor, type_id: int, origin: int) -> set[Row]:
        record_type = next(
            (one for one in self._known.types.values() if self._known.ids.get(one.name) == type_id), None
        )
        if record_type is None:
            return set()
        keys = ", ".join(f"key{number}" for number in range(1, len(record_type.key) + 1))
        rows = self._fetch(
            f"SELECT DISTINCT {keys} FROM {LOG} WHERE (xid, seq) > (%s, %s) AND type = %s AND origin = %s",
            (*after, type_id, origin),
        )
        return set(self._known.key_from_log(type_id, rows))

    def changed_since(self, type_id: int, key: Row, after: Cursor) -> bool:
        where = " AND ".join(f"key{number} = %s" for number in range(1, len(key) + 1))
        sql = f"SELECT 1 FROM {LOG} WHERE (xid, seq) > (%s, %s) AND type = %s AND only_site IS NULL AND {where} LIMIT 1"
        return bool(self._fetch(sql, (*after, type_id, *map(as_logged, key))))

    def deleted_parents(self, type_id: int, keys: Collection[Value]) -> dict[Value, tuple[Value, Value]]:
        wanted = {as_logged(key): key for key in keys if key is not None}
        if not wanted:
            return {}
        rows = self._fetch(
            f"SELECT {self._entry} FROM {LOG} WHERE type = %s AND operation = 2"
            " AND key1 IN (SELECT unnest(%s::text[])) ORDER BY xid, seq",
            (type_id, _texts(wanted.values())),
        )
        entries = self._known.entries(rows)
        return {
            wanted[str(row[len(ENTRY.split(","))])]: (entry[3], entry[5])
            for row, entry in zip(rows, entries, strict=True)
        }


def cursor_of(row: Sequence[Value]) -> Cursor:
    """A row's xid and seq."""
    return Cursor(int(str(row[0])), int(str(row[1])))


def _texts(values: Collection[Value]) -> str:
    return literal([text for value in values if (text := as_logged(value)) is not None and "\0" not in text])


@lru_cache(maxsize=64)
def _of_types(types: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(types))) or "NULL"


def _interest(interest: Interest | None) -> tuple[str, tuple[Any, ...]]:
    """The condition that leaves out what cannot concern a site."""
    if interest is None:
        return "", ()
    where = " AND (only_site IS NULL OR only_site = %s)"
    if interest.stores is None:
        return where, (interest.site,)
    stores, routes = _texts(interest.stores), _texts(interest.routes)
    among = "(SELECT unnest(%s::text[]))"
    where += (
        f" AND (only_site = %s OR type IN ({_of_types(interest.types)}) OR store IN {among} OR store_before IN {among}"
        f" OR route IN {among} OR route_before IN {among} OR (store IS NULL AND parent IS NOT NULL))"
    )
    return where, (interest.site, interest.site, stores, stores, routes, routes)
