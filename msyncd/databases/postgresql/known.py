"""What a PostgreSQL database is known to hold: the tables, the record types and their numbers in the log."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from msyncd.databases.postgresql.catalog import ColumnEntry, TableEntry, spelling_of
from msyncd.databases.postgresql.expressions import FROM_LOG, canonical, kind_of, logged
from msyncd.databases.postgresql.names import Qualified, quoted
from msyncd.databases.postgresql.tables import LEAST_WIDTH
from msyncd.databases.references import emptied, through_others
from msyncd.databases.values import KEY, PARENT, ROUTE, ROUTE_BEFORE, Entry
from msyncd.model import ForeignKey, Kind, RecordType, Row, Table, Value

Convert = Callable[[str], Value]


@dataclass(frozen=True)
class Place:
    """Expressions for store, routing value and parent of a row of alias `t`, and the joins that they need.

    `store`, `route` and `parent` are as the change log has them; `route_value` is as a Reader gives it.
    """

    store: str
    route: str
    route_value: str
    parent: str
    joins: str


@dataclass(frozen=True)
class Known:
    """One value for all that readers and writers need to know; made anew when the database is described or installed.

    `added` is what is added to a transaction's ID (see numbering.py). `firing` names the record types on whose tables
    the application's own triggers fire while msyncd writes, `untouched` those that the guard lets nobody else write.
    """

    catalog: Mapping[str, TableEntry] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    types: Mapping[str, RecordType] = field(default_factory=dict)
    ids: Mapping[str, int] = field(default_factory=dict)
    width: int = LEAST_WIDTH
    added: int = 0
    firing: frozenset[str] = frozenset()
    untouched: frozenset[str] = frozenset()

    @cached_property
    def spelling(self) -> Qualified:
        """How the tables are spelled."""
        return spelling_of(self.catalog)

    @cached_property
    def checked_at_once(self) -> Mapping[str, tuple[ForeignKey, ...]]:
        """By casefolded table: references in a circle through other tables whose checks the database cannot put off."""
        return {name: keys for name in self.tables if (keys := self._in_circles_at_once(name))}

    def in_a_circle(self, record_type: RecordType) -> bool:
        """Whether such a reference leads from this record type's table, or to it."""
        name = record_type.table.casefold()
        return name in self.checked_at_once or any(
            one.parent.casefold() == name for keys in self.checked_at_once.values() for one in keys
        )

    def _in_circles_at_once(self, name: str) -> tuple[ForeignKey, ...]:
        entry, table = self.catalog[name], self.tables[name]
        at_once = {entry.named(one.columns) for one in entry.references if not one.deferrable or one.on_delete == "r"}
        return tuple(one for one in through_others(self.tables, name) if one.columns in at_once and emptied(table, one))

    def table(self, name: str) -> str:
        """A table in SQL, with its schema."""
        return self.spelling.table(name)

    def column(self, table: str, name: str) -> ColumnEntry:
        """A column as the catalogs have it, whatever its case."""
        entry, folded = self.catalog[table.casefold()], name.casefold()
        return next((one for one in entry.columns if one.name == name), None) or next(
            one for one in entry.columns if one.name.casefold() == folded
        )

    def values(self, table: str, columns: Sequence[str], prefix: str = "") -> str:
        """Columns of a table in canonical form, comma-separated."""
        entries = (self.column(table, name) for name in columns)
        return ", ".join(canonical(one, prefix + quoted(one.name)) for one in entries)

    def place(self, record_type: RecordType) -> Place:
        """How store, routing value and parent of a row of `t` are found, through its parents if so declared."""
        alias, current, joins = "t", record_type, ""
        depth = 0
        while (through := current.through) is not None:
            parent = self.types[through.parent]
            depth += 1
            joins += (
                f" LEFT JOIN {self.table(parent.table)} p{depth}"
                f" ON p{depth}.{quoted(parent.key[0])} = {alias}.{quoted(through.column)}"
            )
            alias, current = f"p{depth}", parent
        also, holder, of = current.also_sent_to, current, alias
        if also is None and record_type.also_sent_to is not None:
            also, holder, of = record_type.also_sent_to, record_type, "t"
        own = record_type.through
        return Place(
            self._logged(current, current.store_column, alias),
            self._logged(holder, also.column if also else None, of),
            canonical(self.column(holder.table, also.column), f"{of}.{quoted(also.column)}") if also else "NULL",
            self._logged(record_type, own.column if own else None, "t"),
            joins,
        )

    def logged(self, record_type: RecordType, names: Sequence[str]) -> str:
        """Columns of a row of `t` as the change log has them, comma-separated."""
        return ", ".join(self._logged(record_type, name, "t") for name in names)

    def _logged(self, record_type: RecordType, name: str | None, alias: str) -> str:
        if not name:
            return "NULL::text"
        return logged(self.column(record_type.table, name), f"{alias}.{quoted(name)}")

    # --- what the log's text means ----------------------------------------------------------------------------------

    @cached_property
    def conversions(self) -> Mapping[int, Mapping[int, Convert]]:
        """By record type, what turns the text at a place of an entry into a value; nothing where it is text itself."""
        return {self.ids[name]: found for name, one in self.types.items() if (found := self._conversions(one))}

    def _conversions(self, one: RecordType) -> dict[int, Convert]:
        kinds: dict[int, Kind] = {KEY + at: self._kind(one, column) for at, column in enumerate(one.key)}
        if one.through is not None:
            kinds[PARENT] = self._kind(one, one.through.column)
        holder = one
        while holder.through is not None:
            holder = self.types[holder.through.parent]
        if holder.also_sent_to is None:
            holder = one
        if holder.also_sent_to is not None:
            kinds[ROUTE] = kinds[ROUTE_BEFORE] = self._kind(holder, holder.also_sent_to.column)
        return {at: FROM_LOG[kind] for at, kind in kinds.items() if kind in FROM_LOG}

    def _kind(self, one: RecordType, column: str) -> Kind:
        return kind_of(self.column(one.table, column).type)

    def entries(self, rows: list[Row]) -> list[Entry]:
        """Rows of the log as entries: what is no text becomes what it is, column by column."""
        types = {row[0] for row in rows} & self.conversions.keys()
        if not types:
            return rows
        columns: list[tuple[Value, ...]] = list(zip(*rows, strict=True))
        for place in sorted({place for one in types for place in self.conversions[one]}):  # type: ignore[index]  # ids
            by_type = {one: self.conversions[one].get(place) for one in types}  # type: ignore[index]  # ids
            columns[place] = tuple(
                value if value is None or (convert := by_type.get(one)) is None else convert(str(value))
                for one, value in zip(columns[0], columns[place], strict=True)
            )
        return list(zip(*columns, strict=True))

    def key_from_log(self, type_id: int, rows: Sequence[Row]) -> list[Row]:
        """Keys of one record type, as the log has them."""
        converted = self.conversions.get(type_id, {})
        if not converted or not rows:
            return list(rows)
        columns = list(zip(*rows, strict=True))
        for at in range(len(columns)):
            convert = converted.get(KEY + at)
            if convert is not None:
                columns[at] = tuple(map(convert, columns[at]))
        return list(zip(*columns, strict=True))
