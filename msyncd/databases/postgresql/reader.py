"""One consistent look at a PostgreSQL database: log and rows of one snapshot."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from msyncd.databases.kinds import canonical
from msyncd.databases.postgresql.arrays import Wanted, literal
from msyncd.databases.postgresql.catalog import ColumnEntry
from msyncd.databases.postgresql.expressions import as_logged, in_byte_order, kind_of
from msyncd.databases.postgresql.log import LogReader
from msyncd.databases.postgresql.names import quoted
from msyncd.databases.values import Scope
from msyncd.model import RecordType, Row, Value

CHUNK: Final = 20_000
"""Values in one statement."""


def chunks(values: Collection[Any], size: int = CHUNK) -> Iterator[list[Any]]:
    """The values in lists of at most `size`."""
    all_values = list(values)
    for start in range(0, len(all_values), size):
        yield all_values[start : start + size]


class PostgreSQLReader(LogReader):
    """Reads on a connection whose transaction somebody else begins and ends."""

    def _columns(self, table: str, names: Sequence[str]) -> list[ColumnEntry]:
        return [self._known.column(table, name) for name in names]

    def _found(
        self, table: str, columns: Sequence[str], values: Collection[Row], select: str, rest: str = "", joins: str = ""
    ) -> Iterator[tuple[Wanted, list[Row]]]:
        """What stands in rows of a table `t` that hold one of these values in those columns, some at a time."""
        entries = self._columns(table, columns)
        for some in chunks(values):
            wanted = Wanted(entries, some)
            if wanted.count:
                where = wanted.condition([quoted(one.name) for one in entries], "t.")
                sql = f"SELECT {select} FROM {self._known.table(table)} t{joins} WHERE {where}{rest}"
                yield wanted, self._fetch(sql, wanted.arrays)

    def rows(self, record_type: RecordType, keys: Collection[Row]) -> dict[Row, Row]:
        width = len(record_type.key)
        select = self._known.values(record_type.table, record_type.columns, "t.")
        stand: dict[Row, Row] = {}
        for wanted, rows in self._found(record_type.table, record_type.key, keys, select):
            if wanted.same:
                stand |= {row[:width]: row for row in rows}
            else:
                stand |= {wanted.as_asked(row[:width]): row for row in rows}
        return stand

    def stores_of(self, record_type: RecordType, keys: Collection[Row]) -> dict[Row, tuple[str | None, Value]]:
        width = len(record_type.key)
        place = self._known.place(record_type)
        key = self._known.values(record_type.table, record_type.key, "t.")
        select = f"{key}, {place.store}, {place.route_value}"
        stores: dict[Row, tuple[str | None, Value]] = {}
        for wanted, rows in self._found(record_type.table, record_type.key, keys, select, joins=place.joins):
            for row in rows:
                stores[wanted.as_asked(row[:width])] = (row[width], row[width + 1])  # type: ignore[assignment]  # text
        return stores

    def children_of(self, record_type: RecordType, parents: Collection[Value], most: int | None = None) -> list[Row]:
        through = record_type.through
        if through is None:
            return []
        select = self._known.values(record_type.table, record_type.columns, "t.")
        order = f" ORDER BY {', '.join(f't.{quoted(name)}' for name in record_type.key)}"
        limit = "" if most is None else f" LIMIT {most}"
        values = [(parent,) for parent in parents if parent is not None]
        rows: list[Row] = []
        for _, some in self._found(record_type.table, (through.column,), values, select, order + limit):
            rows += some
            if most is not None and len(rows) >= most:
                return rows[:most]
        return rows

    def existing(self, table: str, columns: Sequence[str], values: Collection[Row]) -> set[Row]:
        if self._loose(table, columns):
            return {value for value, _ in self._held_alike(table, columns, values, columns)}
        stand: set[Row] = set()
        for wanted, rows in self._found(table, columns, values, self._known.values(table, columns, "t.")):
            stand |= set(rows) if wanted.same else set(map(wanted.as_asked, rows))
        return stand

    def holders(
        self, table: str, columns: Sequence[str], values: Collection[Row], key: Sequence[str]
    ) -> list[tuple[Row, Row]]:
        if self._loose(table, columns):
            return self._held_alike(table, columns, values, key)
        width = len(columns)
        select = f"{self._known.values(table, columns, 't.')}, {self._known.values(table, key, 't.')}"
        return [
            (wanted.as_asked(row[:width]), row[width:])
            for wanted, rows in self._found(table, columns, values, select)
            for row in rows
        ]

    def _loose(self, table: str, columns: Sequence[str]) -> bool:
        """Whether a column holds alike what is not the same."""
        return any(one.loose or one.type.name == "citext" for one in self._columns(table, columns))

    def _held_alike(
        self, table: str, columns: Sequence[str], values: Collection[Row], key: Sequence[str], lock: str = ""
    ) -> list[tuple[Row, Row]]:
        """Where a column holds alike what is not the same: with each key the value that was asked for."""
        entries = self._columns(table, columns)
        select = f"SELECT w.n, {self._known.values(table, key, 't.')} FROM {self._known.table(table)} t"
        held: list[tuple[Row, Row]] = []
        for some in chunks(values):
            wanted = Wanted(entries, some)
            if wanted.count:
                asked = wanted.asked_for
                joined = wanted.numbered([quoted(one.name) for one in entries], "t.")
                rows = self._fetch(f"{select}{joined}{lock}", wanted.arrays)
                held += [(asked[int(str(row[0])) - 1], row[1:]) for row in rows]
        return held

    # --- whole tables -----------------------------------------------------------------------------------------------

    def page(
        self, record_type: RecordType, after: Row | None, limit: int, scope: Scope, upto: Row | None = None
    ) -> list[Row]:
        where, parameters = self._scope(record_type, scope)
        entries = self._columns(record_type.table, record_type.key)
        order = ", ".join(
            in_byte_order(entry, f"t.{quoted(name)}") for entry, name in zip(entries, record_type.key, strict=True)
        )
        marks = ", ".join(["%s"] * len(entries))
        for bound, comparison in ((after, ">"), (upto, "<=")):
            if bound is not None:
                where += f" AND ({order}) {comparison} ({marks})"
                parameters += [canonical(kind_of(one.type), value) for one, value in zip(entries, bound, strict=True)]
        joins = self._known.place(record_type).joins if scope.stores is not None else ""
        select = self._known.values(record_type.table, record_type.columns, "t.")
        table = self._known.table(record_type.table)
        return self._fetch(
            f"SELECT {select} FROM {table} t{joins} WHERE true{where} ORDER BY {order} LIMIT %s", [*parameters, limit]
        )

    def count(self, record_type: RecordType, scope: Scope) -> int:
        where, parameters = self._scope(record_type, scope)
        joins = self._known.place(record_type).joins if where else ""
        table = self._known.table(record_type.table)
        return int(str(self._fetch(f"SELECT count(*) FROM {table} t{joins} WHERE true{where}", parameters)[0][0]))

    def _scope(self, record_type: RecordType, scope: Scope) -> tuple[str, list[Any]]:
        """The condition that a row is in a scope."""
        if scope.stores is None:
            return "", []
        place = self._known.place(record_type)
        if place.store == "NULL::text":
            return "", []
        either, parameters = f"{place.store} = ANY (%s::text[])", [_texts(scope.stores)]
        if place.route != "NULL::text":
            either, parameters = f"{either} OR {place.route} = ANY (%s::text[])", [*parameters, _texts(scope.routes)]
        return f" AND ({either})", parameters


def _texts(values: Collection[Value]) -> str:
    return literal([text for value in values if (text := as_logged(value)) is not None and "\0" not in text])
