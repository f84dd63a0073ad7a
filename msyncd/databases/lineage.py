"""Where the store and the routing value of a row are found: in its own columns, or in those of its ancestors.

Everything here is SQL text about one row, named by an alias: NEW, OLD, or that of a table in a FROM clause. Each
dialect spells it in its own way.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msyncd.databases.spelling import STANDARD, Spelling
from msyncd.errors import RecordTypeStopped
from msyncd.model import RecordType, Table


@dataclass(frozen=True, slots=True)
class CapturedType:
    """A record type with its number in the change log and its table as the database describes it."""

    id: int
    record_type: RecordType
    table: Table


@dataclass(frozen=True, slots=True)
class Lineage:
    """A captured type with its ancestors, the parent first, and with the lineages of the types that are through it."""

    captured: CapturedType
    ancestors: tuple[CapturedType, ...] = ()
    children: tuple["Lineage", ...] = ()
    spelling: Spelling = STANDARD

    @property
    def id(self) -> int:
        """The type's number in the change log."""
        return self.captured.id

    @property
    def record_type(self) -> RecordType:
        """The record type itself."""
        return self.captured.record_type

    @property
    def root(self) -> RecordType:
        """The record type whose own column names the store; the type itself if it is through no other."""
        return self.ancestors[-1].record_type if self.ancestors else self.record_type

    @property
    def table(self) -> str:
        """The table, as it is spelled."""
        return self.spelling.table(self.record_type.table)

    def parent(self, alias: str) -> str:
        """The key of the row's parent, NULL for a type that is through no other."""
        through = self.record_type.through
        return f"{alias}.{self.spelling.name(through.column)}" if through else "NULL"

    def store(self, alias: str) -> str:
        """The row's store as text; NULL where it has none, or where an ancestor is missing."""
        column = self.root.store_column
        if column is None:
            return "NULL"
        return self._looked_up(alias, self.spelling.text(f"{self._root(alias)}.{self.spelling.name(column)}"))

    def route(self, alias: str) -> str:
        """The row's routing value: the root ancestor's, else its own; NULL if neither declares one."""
        if self.root.also_sent_to is not None:
            return self._looked_up(alias, f"{self._root(alias)}.{self.spelling.name(self.root.also_sent_to.column)}")
        own = self.record_type.also_sent_to
        return f"{alias}.{self.spelling.name(own.column)}" if own else "NULL"

    def store_columns(self) -> list[str]:
        """The row's own column that decides its store: the store column or that of the parent, if it has either."""
        through = self.record_type.through
        column = through.column if through else self.record_type.store_column
        return [column] if column else []

    def route_columns(self) -> list[str]:
        """The row's own column that decides its routing value, if it has one."""
        if self.root.also_sent_to is not None and self.ancestors:
            return self.store_columns()
        return [self.record_type.also_sent_to.column] if self.record_type.also_sent_to else []

    def placing_columns(self) -> list[str]:
        """The row's own columns that decide its store, its routing value and its parent."""
        return list(dict.fromkeys([*self.store_columns(), *self.route_columns()]))

    def chain(self, alias: str) -> tuple[list[str], list[str], str]:
        """The ancestors' tables and the conditions that join them to the row, and the alias of the root's row."""
        spelling, tables, conditions, below, through = self.spelling, [], [], alias, self.record_type.through
        for depth, ancestor in enumerate(self.ancestors, 1):
            above = f"p{depth}"
            tables.append(f"{spelling.table(ancestor.record_type.table)} AS {above}")
            # the parent's column stands left: its affinity and collation decide, as in a foreign key
            column = through.column if through else ""
            key = spelling.name(ancestor.record_type.key[0])
            conditions.append(f"{above}.{key} = {below}.{spelling.name(column)}")
            below, through = above, ancestor.record_type.through
        return tables, conditions, below

    def _root(self, alias: str) -> str:
        return f"p{len(self.ancestors)}" if self.ancestors else alias

    def _looked_up(self, alias: str, value: str) -> str:
        if not self.ancestors:
            return value
        tables, conditions, _ = self.chain(alias)
        return f"(SELECT {value} FROM {', '.join(tables)} WHERE {' AND '.join(conditions)})"


def lineages(types: Sequence[CapturedType], spelling: Spelling = STANDARD) -> Iterator[Lineage]:
    """The lineage of every type, in their order.

    Raises RecordTypeStopped for a type whose parent is not among them, has a composite key, or is its own ancestor.
    """
    by_name = {captured.record_type.name: captured for captured in types}
    ancestors = {name: _ancestors(captured, by_name) for name, captured in by_name.items()}

    def lineage(captured: CapturedType) -> Lineage:
        name = captured.record_type.name
        through = [one for one in types if one.record_type.through and one.record_type.through.parent == name]
        return Lineage(captured, ancestors[name], tuple(map(lineage, through)), spelling)

    return map(lineage, types)


def _ancestors(captured: CapturedType, by_name: Mapping[str, CapturedType]) -> tuple[CapturedType, ...]:
    found: list[CapturedType] = []
    current = captured.record_type
    while (through := current.through) is not None:
        parent = by_name.get(through.parent)
        if parent is None or len(parent.record_type.key) != 1 or parent in found or parent is captured:
            raise RecordTypeStopped(
                f"the store of {captured.record_type.name} cannot be found through {through.parent}",
                hint="it must be a record type that syncs, with one key column, and not be through itself",
            )
        found.append(parent)
        current = parent.record_type
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Found:
    """Expressions for store, routing value and parent of table alias `t`, and the joins that they need."""

    store: str
    route: str
    parent: str
    joins: str


def found(record_type: RecordType, types: Mapping[str, RecordType], spelling: Spelling = STANDARD) -> Found:
    """How the store, the routing value and the parent of a row of `t` are found, through its parents if so declared."""
    name = spelling.name
    alias, current, joins = "t", record_type, ""
    depth = 0
    while (through := current.through) is not None:
        parent = types[through.parent]
        depth += 1
        joins += (
            f" LEFT JOIN {spelling.table(parent.table)} p{depth}"
            f" ON p{depth}.{name(parent.key[0])} = {alias}.{name(through.column)}"
        )
        alias, current = f"p{depth}", parent
    store = spelling.text(f"{alias}.{name(current.store_column)}") if current.store_column else "NULL"
    also = current.also_sent_to
    if also is None and record_type.also_sent_to is not None:
        also, alias = record_type.also_sent_to, "t"
    route = f"{alias}.{name(also.column)}" if also else "NULL"
    parent_column = f"t.{name(record_type.through.column)}" if record_type.through else "NULL"
    return Found(store, route, parent_column, joins)
