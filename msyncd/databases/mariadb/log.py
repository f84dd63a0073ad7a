"""Reading the change log."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from msyncd.databases.interface import Reader
from msyncd.databases.mariadb.facts import read
from msyncd.databases.mariadb.holes import Holes
from msyncd.databases.mariadb.install import LOG_START
from msyncd.databases.mariadb.reading import as_logged
from msyncd.databases.mariadb.scene import Scene
from msyncd.databases.mariadb.session import Session
from msyncd.databases.mariadb.sql import literals
from msyncd.databases.values import KEY, ROUTE, STORE, Entry, Interest, LogPage
from msyncd.model import Cursor, Row, Value

CHUNK: Final = 1000
"""Keys in one statement that looks them up by an index."""
FAMILIES: Final = 10_000
"""Keys in one statement that goes through the log: each costs another look at the same entries."""
_ANY: Final = ("msyncd_store", "name")
"""The one column of the ledger that holds values of any kind."""
ENTRY: Final = "type, operation, origin, store, store_before, route, route_before, only_site, parent"


def chunks(values: Collection[Any], size: int = CHUNK) -> Iterator[list[Any]]:
    """The values in lists of at most `size`."""
    all_values = list(values)
    for start in range(0, len(all_values), size):
        yield all_values[start : start + size]


class LogReader(Reader):
    """The change log as the session's snapshot shows it, up to the first hole that may still be filled (P3).

    `whole` is what was known to be whole before the snapshot was taken.
    """

    def __init__(self, session: Session, scene: Scene, holes: Holes, whole: int) -> None:
        self.session = session
        self.scene = scene
        self.holes = holes
        self._whole = whole
        self._end: int | None = None
        self._entry = ENTRY + "".join(f", key{number}" for number in range(1, scene.width + 1))

    @property
    def connection(self) -> Any:
        """The driver's connection."""
        return self.session.driver

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        rows = self.session.fetch(sql, parameters)
        if rows and "msyncd_store" in sql and _ANY in (sources := self.session.sources()):
            at = sources.index(_ANY)
            return [(*row[:at], read(row[at]), *row[at + 1 :]) for row in rows]
        return rows

    def log_end(self) -> Cursor:
        if self._end is None:
            self._end = self.holes.end(self.session, self._whole)
        return Cursor(0, self._end)

    def open_transaction_seconds(self) -> float | None:
        self.log_end()  # so that holes are known
        return self.holes.open_seconds()

    def log_start(self) -> Cursor:
        # not the lowest number that is there: one below it may belong to a transaction that is still open
        found = self.session.fetch(f"SELECT value FROM msyncd_meta WHERE name = '{LOG_START}'")
        return Cursor(0, int(str(found[0][0])) if found else 0)

    def log_page(self, after: Cursor, limit: int, interest: Interest | None = None) -> LogPage:
        end = self.log_end()
        if end <= after:
            return LogPage([], end, end)
        rows = self.session.fetch_text(
            f"SELECT {self._entry}, seq FROM msyncd_change_log WHERE seq > {after.seq} AND seq <= {end.seq}"
            f"{_interest(interest)} ORDER BY seq LIMIT {limit}"
        )
        upto = Cursor(0, int(str(rows[-1][-1]))) if len(rows) == limit else end
        return LogPage(self.scene.entries(rows), upto, end)

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
        limit = "" if most is None else f" LIMIT {most}"
        found: dict[Value, Row] = {}
        for column, wanted in (("key1", headers), ("parent", lines)):
            for type_id, values in wanted.items():
                for some in chunks(values, FAMILIES):
                    rows = self.session.fetch_text(
                        f"SELECT {self._entry}, seq FROM msyncd_change_log WHERE seq > {after.seq} AND"
                        f" seq <= {upto.seq} AND type = {type_id} AND {column} IN ({_logged(some)})"
                        f"{limit}"
                    )
                    found |= {row[-1]: row for row in rows}
                    if most is not None and len(found) >= most:
                        break
        return self.scene.entries([found[seq] for seq in sorted(found)][:most])  # type: ignore[type-var]  # numbers

    def log_hidden(
        self, headers: Mapping[int, Collection[Value]], lines: Mapping[int, Collection[Value]]
    ) -> list[Entry]:
        return self.log_families(self.log_end(), Cursor(0, 2**63 - 1), headers, lines)

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
        between = f"seq > {after.seq} AND seq <= {upto.seq}"
        rows = self.session.fetch_text(
            "SELECT family, k FROM ("
            f" SELECT type AS family, key1 AS k, seq FROM msyncd_change_log WHERE {between} AND type IN ({parents})"
            f" UNION ALL SELECT CASE type {whose} END, parent, seq FROM msyncd_change_log"
            f" WHERE {between} AND type IN ({', '.join(map(str, lines))})"
            f") AS all_of_them GROUP BY family, k HAVING max(seq) - min(seq) > {wider_than} LIMIT {most}"
        )
        return [(int(str(family)), self._decoded(int(str(family)), (key,))[0]) for family, key in rows]

    def log_count(self, after: Cursor, interest: Interest | None = None, origin: int | None = None) -> int:
        where = _interest(interest) + (f" AND origin = {origin}" if origin is not None else "")
        keys = self._entry.removeprefix(ENTRY)
        rows = self.session.fetch_text(
            f"SELECT count(*) FROM (SELECT DISTINCT type{keys} FROM msyncd_change_log"
            f" WHERE seq > {after.seq}{where}) AS records"
        )
        return int(str(rows[0][0]))

    def log_keys(self, after: Cursor, type_id: int, origin: int) -> set[Row]:
        record_type = next((one for name, one in self.scene.types.items() if self.scene.ids.get(name) == type_id), None)
        if record_type is None:
            return set()
        keys = ", ".join(f"key{number}" for number in range(1, len(record_type.key) + 1))
        rows = self.session.fetch_text(
            f"SELECT {keys} FROM msyncd_change_log WHERE seq > {after.seq} AND type = {type_id} AND origin = {origin}"
        )
        return {self._decoded(type_id, row) for row in rows}

    def changed_since(self, type_id: int, key: Row, after: Cursor) -> bool:
        where = " AND ".join(f"key{number} = {value}" for number, value in enumerate(literals(map(as_logged, key)), 1))
        sql = (
            f"SELECT 1 FROM msyncd_change_log WHERE seq > {after.seq} AND type = {type_id} AND only_site IS NULL"
            f" AND {where} LIMIT 1"
        )
        return bool(self.session.fetch_text(sql))

    def deleted_parents(self, type_id: int, keys: Collection[Value]) -> dict[Value, tuple[Value, Value]]:
        gone: dict[Value, tuple[Value, Value]] = {}
        for some in chunks([key for key in keys if key is not None], FAMILIES):
            rows = self.session.fetch_text(
                f"SELECT {self._entry} FROM msyncd_change_log WHERE type = {type_id} AND operation = 2"
                f" AND key1 IN ({_logged(some)}) ORDER BY seq"
            )
            for entry in self.scene.entries(rows):
                gone[entry[KEY]] = (entry[STORE], entry[ROUTE])
        return gone

    def _decoded(self, type_id: int, key: Row) -> Row:
        """A key as values, from the log's texts."""
        decoders = self.scene.key_decoders(type_id)
        return tuple(
            decoders[KEY + at](value) if KEY + at in decoders and value is not None else value
            for at, value in enumerate(key)
        )


def _logged(values: Sequence[Value]) -> str:
    """Values as the log holds them, for a list in SQL."""
    return ",".join(literals(map(as_logged, values)))


def _interest(interest: Interest | None) -> str:
    """The condition that leaves out what cannot concern a site."""
    if interest is None:
        return ""
    where = f" AND (only_site IS NULL OR only_site = {interest.site})"
    if interest.stores is None:
        return where
    either = [f"only_site = {interest.site}", "(store IS NULL AND parent IS NOT NULL)"]
    if interest.types:
        either.append(f"type IN ({', '.join(str(one) for one in sorted(interest.types))})")
    if interest.stores:
        stores = _logged(sorted(interest.stores))
        either += [f"store IN ({stores})", f"store_before IN ({stores})"]
    if interest.routes:
        routes = _logged(list(interest.routes))
        either += [f"route IN ({routes})", f"route_before IN ({routes})"]
    return f"{where} AND ({' OR '.join(either)})"
