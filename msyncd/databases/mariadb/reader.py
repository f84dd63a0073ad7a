"""One look at a MariaDB database, on a session whose transaction somebody else begins and ends."""

from collections.abc import Collection, Sequence
from typing import TypeVar

from msyncd.databases.lineage import CapturedType, Lineage
from msyncd.databases.mariadb.log import LogReader, chunks
from msyncd.databases.mariadb.places import Placed
from msyncd.databases.mariadb.reading import as_logged
from msyncd.databases.mariadb.sql import SPELLING, among, literal, literals, quoted, tuples
from msyncd.databases.mariadb.writing import sql_of
from msyncd.databases.values import Scope
from msyncd.model import RecordType, Row, UniqueIndex, Value

T = TypeVar("T")


class MariaDBReader(LogReader):
    """The application's tables."""

    def rows(self, record_type: RecordType, keys: Collection[Row]) -> dict[Row, Row]:
        width = len(record_type.key)
        plan = self.scene.read_plan(record_type.table, record_type.columns)
        stand: dict[Row, Row] = {}
        for some in chunks(keys):
            found = self.session.fetch_text(
                f"SELECT {plan.select} FROM {quoted(record_type.table)}"
                f" WHERE {self.among(record_type.table, record_type.key, some)}"
            )
            stand |= {row[:width]: row for row in plan.rows(found)}
        return self._just(record_type, keys, stand)

    def stores_of(self, record_type: RecordType, keys: Collection[Row]) -> dict[Row, tuple[str | None, Value]]:
        width = len(record_type.key)
        joins, (_, store, route) = self._placed(record_type).joined("t")
        decode = self.scene.route_decoder(record_type)
        plan = self.scene.read_plan(record_type.table, record_type.key, "t.")
        stores: dict[Row, tuple[str | None, Value]] = {}
        for some in chunks(keys):
            found = self.session.fetch_text(
                f"SELECT {plan.select}, {store}, {route} FROM {quoted(record_type.table)} AS t{joins}"
                f" WHERE {self.among(record_type.table, record_type.key, some, 't.')}"
            )
            for row in plan.rows(found):
                stores[row[:width]] = (row[width], decode(row[width + 1]))  # type: ignore[assignment]  # text or NULL
        return self._just(record_type, keys, stores)

    def children_of(self, record_type: RecordType, parents: Collection[Value], most: int | None = None) -> list[Row]:
        through = record_type.through
        if through is None:
            return []
        plan = self.scene.read_plan(record_type.table, record_type.columns)
        order = ", ".join(one.ordered() for one in self.scene.details(record_type.table, record_type.key))
        limit = "" if most is None else f" LIMIT {most}"
        rows: list[Row] = []
        for some in chunks(parents):
            rows += plan.rows(
                self.session.fetch_text(
                    f"SELECT {plan.select} FROM {quoted(record_type.table)}"
                    f" WHERE {self.among(record_type.table, (through.column,), [(one,) for one in some])}"
                    f" ORDER BY {order}{limit}"
                )
            )
            if most is not None and len(rows) >= most:
                return rows[:most]
        return rows

    def existing(self, table: str, columns: Sequence[str], values: Collection[Row]) -> set[Row]:
        return {value for value, _ in self._held(table, columns, values, (), "")}

    def holders(
        self, table: str, columns: Sequence[str], values: Collection[Row], key: Sequence[str]
    ) -> list[tuple[Row, Row]]:
        return self._held(table, columns, values, key, "")

    def _held(
        self, table: str, columns: Sequence[str], values: Collection[Row], key: Sequence[str], lock: str
    ) -> list[tuple[Row, Row]]:
        width = len(columns)
        plan = self.scene.read_plan(table, [*columns, *key])
        bytewise = all(one.bytewise for one in self.scene.details(table, columns))
        held: list[tuple[Row, Row]] = []
        for some in chunks(values):
            if bytewise:
                source = self.by_index(table, columns) if lock else quoted(table)
                sql = f"SELECT {plan.select} FROM {source} WHERE {self.among(table, columns, some)}{lock}"
                rows = plan.rows(self.fetch_locking(sql) if lock else self.session.fetch_text(sql))
                found = [(row[:width], row[width:]) for row in rows]
                if {value for value, _ in found} <= set(some):
                    held += found
                    continue
            held += self._held_alike(table, columns, some, key, lock)
        return held

    def fetch_locking(self, sql: str) -> list[Row]:
        """Fetch rows under a lock; only a Writer does."""
        return self.session.fetch_text(sql)

    def _held_alike(
        self, table: str, columns: Sequence[str], values: Sequence[Row], key: Sequence[str], lock: str
    ) -> list[tuple[Row, Row]]:
        """Where a column holds alike what is not the same: with each key the value that was asked for."""
        details = self.scene.details(table, columns)
        plan = self.scene.read_plan(table, key, "t.")
        same = " AND ".join(f"t.{quoted(one.name)} = {one.given(f'v.c{at}')}" for at, one in enumerate(details))
        given = [sql_of(one, column) for one, column in zip(details, zip(*values, strict=True), strict=True)]
        rows = [
            f"({number},{','.join(map(str, row))})"
            for number, row in enumerate(zip(*given, strict=True))
            if None not in row
        ]
        if not rows:
            return []
        names = ", ".join(["n", *(f"c{number}" for number in range(len(columns)))])
        sql = (
            f"WITH v ({names}) AS (VALUES {','.join(rows)}) SELECT {f'{plan.select}, ' if key else ''}v.n"
            f" FROM v STRAIGHT_JOIN {self.by_index(table, columns, 't') if lock else f'{quoted(table)} AS t'}"
            f" ON {same}{lock}"
        )
        found = self.fetch_locking(sql) if lock else self.session.fetch_text(sql)
        return [(values[int(str(row[-1]))], row[:-1]) for row in plan.rows(found)]

    def in_the_way(self, record_type: RecordType, unique: UniqueIndex, rows: Sequence[Row]) -> list[tuple[Row, Row]]:
        """By the beginnings of values: the only unique indexes here that their columns do not tell."""
        details = self.scene.details(record_type.table, unique.columns)
        plan = self.scene.read_plan(record_type.table, record_type.key, "r.")
        at, width = [record_type.index(name) for name in unique.columns], len(record_type.key)
        terms = ", ".join(f"{term} AS msyncd_{number}" for number, term in enumerate(unique.terms))
        same = " AND ".join(f"r.msyncd_{number} = n.msyncd_{number}" for number in range(len(unique.terms)))
        names = ", ".join(["n", *(f"c{number}" for number in range(len(details)))])
        given = ", ".join(f"{one.given(f'v.c{number}')} AS {quoted(one.name)}" for number, one in enumerate(details))
        pairs: list[tuple[Row, Row]] = []
        for some in chunks([row for row in rows if all(row[place] is not None for place in at)]):
            columns = [sql_of(one, [row[place] for row in some]) for one, place in zip(details, at, strict=True)]
            values = [
                f"({number},{','.join(map(str, row))})"
                for number, row in enumerate(zip(*columns, strict=True))
                if None not in row
            ]
            if values:
                sql = (  # the LIMIT has the table's own side made a table with an index of its own
                    f"WITH v ({names}) AS (VALUES {','.join(values)}) SELECT {plan.select}, n.n"
                    f" FROM (SELECT g.*, {terms} FROM (SELECT v.n, {given} FROM v) AS g) AS n"
                    f" STRAIGHT_JOIN (SELECT {', '.join(map(quoted, record_type.key))}, {terms}"
                    f" FROM {quoted(record_type.table)} LIMIT {2**64 - 1}) AS r ON {same}"
                )
                found = plan.rows(self.session.fetch_text(sql))
                pairs += [(some[int(str(row[-1]))][:width], row[:-1]) for row in found]
        return pairs

    def page(
        self, record_type: RecordType, after: Row | None, limit: int, scope: Scope, upto: Row | None = None
    ) -> list[Row]:
        plan = self.scene.read_plan(record_type.table, record_type.columns, "t.")
        joins, where = self._scope(record_type, scope)
        order = [one.ordered("t.") for one in self.scene.details(record_type.table, record_type.key)]
        if after is not None:
            where += f" AND {_beyond(order, self._key(record_type, after), '>', '>')}"
        if upto is not None:
            where += f" AND {_beyond(order, self._key(record_type, upto), '<', '<=')}"
        return plan.rows(
            self.session.fetch_text(
                f"SELECT {plan.select} FROM {quoted(record_type.table)} AS t{joins}"
                f" WHERE TRUE{where} ORDER BY {', '.join(order)} LIMIT {limit}"
            )
        )

    def count(self, record_type: RecordType, scope: Scope) -> int:
        joins, where = self._scope(record_type, scope)
        found = self.session.fetch_text(
            f"SELECT count(*) FROM {quoted(record_type.table)} AS t{joins} WHERE TRUE{where}"
        )
        return int(str(found[0][0]))

    # --- SQL --------------------------------------------------------------------------------------------------------

    def among(self, table: str, columns: Sequence[str], values: Sequence[Row], prefix: str = "") -> str:
        """A condition that columns hold one of these value tuples; what they cannot hold is left out."""
        details = self.scene.details(table, columns)
        given = [sql_of(one, column) for one, column in zip(details, zip(*values, strict=True), strict=True)]
        if len(given) == 1:
            return among(columns, [one for one in given[0] if one is not None], prefix)
        whole = [row for row in zip(*given, strict=True) if None not in row]
        return among(columns, tuples(list(zip(*whole, strict=True))) if whole else [], prefix)

    def by_index(self, table: str, columns: Sequence[str], alias: str = "") -> str:
        """A table to be locked by the unique index on these columns, as whoever deletes or refers to its rows does.

        By itself the server may go through another index: who locks its rows in another order is in a deadlock.
        """
        index = self.scene.catalogue.unique_index(table, columns)
        named = f"{quoted(table)} AS {alias}" if alias else quoted(table)
        return named if index is None else f"{named} FORCE INDEX ({quoted(index)})"

    def _scope(self, record_type: RecordType, scope: Scope) -> tuple[str, str]:
        """Joins and conditions that choose the rows of a scope."""
        if scope.stores is None:
            return "", ""
        joins, (_, store, route) = self._placed(record_type).joined("t")
        if store == "NULL":
            return "", ""
        either = f"{store} IN ({','.join(literals(sorted(scope.stores)))})" if scope.stores else "FALSE"
        if route != "NULL" and scope.routes:
            either += f" OR {route} IN ({','.join(literals(map(as_logged, scope.routes)))})"
        return joins, f" AND ({either})"

    def _key(self, record_type: RecordType, key: Row) -> list[str]:
        """A key's values as SQL."""
        details = self.scene.details(record_type.table, record_type.key)
        return [sql_of(one, [value])[0] or literal(value) for one, value in zip(details, key, strict=True)]

    def _just(self, record_type: RecordType, keys: Collection[Row], found: dict[Row, T]) -> dict[Row, T]:
        """Only what was asked for: a column may hold alike what is not the same, such as 'a' and 'a '."""
        if all(one.exact for one in self.scene.details(record_type.table, record_type.key)):
            return found
        asked = set(keys)
        return found if found.keys() <= asked else {key: one for key, one in found.items() if key in asked}

    def _placed(self, record_type: RecordType) -> Placed:
        """The expressions for a record type's store and routing value."""
        ancestors, current = list[CapturedType](), record_type
        while current.through is not None:
            current = self.scene.types[current.through.parent]
            ancestors.append(self.scene.captured(current))
        lineage = Lineage(self.scene.captured(record_type), tuple(ancestors), (), SPELLING)
        return Placed(lineage, self.scene.catalogue, 0)


def _beyond(columns: Sequence[str], values: Sequence[str], strict: str, last: str) -> str:
    """A condition that columns, in order, stand beyond these values; the first by itself, so that an index serves."""
    condition = f"{columns[-1]} {last} {values[-1]}"
    for column, value in zip(columns[-2::-1], values[-2::-1], strict=True):
        condition = f"({column} {strict} {value} OR ({column} = {value} AND {condition}))"
    return condition if len(columns) == 1 else f"({columns[0]} {strict}= {values[0]} AND {condition})"
