"""What InnoDB alters by itself when a row goes or its key changes: no trigger of the altered tables fires (P5).

So the table that is referred to looks its children up beforehand, guards and logs them, and looks up theirs in turn. It
does so whether it is a record type itself or not.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

from msyncd.databases.mariadb import guard
from msyncd.databases.mariadb.describe import Catalogue, cascades
from msyncd.databases.mariadb.families import Moved, lines_of
from msyncd.databases.mariadb.places import Override, Placed, unless_applying
from msyncd.databases.mariadb.sql import quoted
from msyncd.databases.values import DELETE, WRITE
from msyncd.model import ForeignKey, Table

Rule = Literal["delete", "update"]


@dataclass(frozen=True, slots=True)
class _Parent:
    """A row that goes or changes: its table, and expressions for its columns by casefolded name.

    `changed`, for an update, holds what is about to stand in some columns, as the log holds it.
    """

    table: Table
    row: str
    depth: int
    path: tuple[str, ...]
    changed: Override

    def column(self, name: str) -> str:
        """The value of a column in SQL: OLD's, or what the loop over these rows selected."""
        return f"OLD.{quoted(name)}" if self.row == "OLD" else f"{self.row}.{raw(self.table, name)}"


def raw(table: Table, column: str) -> str:
    """The name under which a loop selects a column as it is."""
    return f"raw{[one.name.casefold() for one in table.columns].index(column.casefold())}_"


class Cascades:
    """Bodies of triggers that see to cascades."""

    def __init__(self, placed: Sequence[Placed], catalogue: Catalogue) -> None:
        self._tables = catalogue.tables
        self._catalogue = catalogue
        self._captured: defaultdict[str, list[Placed]] = defaultdict(list)
        for one in placed:
            self._captured[one.record_type.table.casefold()].append(one)

    def number(self, table: Table) -> str:
        """What tells the triggers of one table from another's."""
        return f"t{crc32(table.name.encode()):08x}"

    def body(self, table: Table, rule: Rule) -> list[str]:
        """Statements for a row of a table that goes, or changes; none if nothing captured is altered with it."""
        referred = {
            column for _, key in cascades(self._tables, table, rule) for column in key.parent_columns
        }  # fmt: skip
        changed: dict[str, str] = {}
        if rule == "update":
            changed = {
                one.casefold(): self._catalogue.detail(table.name, one).logged("NEW.") for one in sorted(referred)
            }
        loops = self._loops(_Parent(table, "OLD", 1, (table.name,), changed), rule)
        if not loops:
            return []
        differ = " OR ".join(self._catalogue.detail(table.name, one).differs("NEW", "OLD") for one in sorted(referred))
        # without foreign_key_checks the server alters nothing by itself
        condition = "@@foreign_key_checks" + (f" AND ({differ})" if rule == "update" else "")
        return [f"IF {condition} THEN", *(f"  {one}" for one in loops), "END IF;"]

    def _loops(self, parent: _Parent, rule: Rule) -> list[str]:
        found: list[str] = []
        for child, key in cascades(self._tables, parent.table, rule):
            does = key.on_delete if rule == "delete" else key.on_update
            if rule == "update" and not {one.casefold() for one in key.parent_columns} & parent.changed.keys():
                continue
            if child.name == parent.table.name and parent.path[-2:] == (child.name, child.name):
                continue  # the loop that brought us here went all the way down
            if does == "SET NULL":
                becomes: dict[str, str] | None = {one.casefold(): "NULL" for one in key.columns}
            elif rule == "update":
                becomes = {
                    column.casefold(): parent.changed[to.casefold()]
                    for column, to in zip(key.columns, key.parent_columns, strict=True)
                    if to.casefold() in parent.changed
                }
            else:
                becomes = None
            for placed in self._captured[child.name.casefold()]:
                found += self._seen(placed, key, parent, becomes)
            if child.name not in parent.path or child.name == parent.table.name:
                found += self._below(child, key, parent, rule, becomes)
        return found

    def _below(self, child: Table, key: ForeignKey, parent: _Parent, rule: Rule, becomes: Override | None) -> list[str]:
        """The same for what refers to the altered rows in turn."""
        if rule == "delete" and becomes is not None:
            return []  # a reference that is emptied takes nothing along
        row = f"r{parent.depth}"
        below = _Parent(child, row, parent.depth + 1, (*parent.path, child.name), becomes or {})
        loops = self._loops(below, rule)
        if not loops:
            return []
        wanted = {to for _, one in cascades(self._tables, child, rule) for to in one.parent_columns}
        selected = ", ".join(f"c.{quoted(one)} AS {raw(child, one)}" for one in sorted(wanted))
        where = _where("c", key, parent, child)
        return [
            f"FOR {row} IN (SELECT {selected} FROM {quoted(child.name)} AS c WHERE {where} LOCK IN SHARE MODE) DO",
            *(f"  {one}" for one in loops),
            "END FOR;",
        ]

    def _seen(self, placed: Placed, key: ForeignKey, parent: _Parent, becomes: Override | None) -> list[str]:
        """Guard and log the rows of one record type that are altered; `becomes` None: they go."""
        if becomes is not None and not _matters(placed, becomes):
            return []
        row, alias = f"r{parent.depth}", "c"
        joins, (found, store, route) = placed.joined(alias)
        selected = [f"{found} AS found_", f"{store} AS store_", f"{route} AS route_"]
        width = len(placed.record_type.key)
        names = [f"key{number}_" for number in range(1, width + 1)]
        selected += [f"{text} AS {name}" for text, name in zip(placed.keys(alias), names, strict=True)]
        selected.append(f"{placed.parent(alias)} AS parent_")
        selected += [f"c.{quoted(one)} AS rawkey_" for one in placed.record_type.key[:1]]
        was = [f"{row}.{name}" for name in names]
        statements = [f"SET v_found = {row}.found_, v_store = {row}.store_, v_route = {row}.route_;"]
        statements += guard.refusal(placed)
        if not guard.refuses_all(placed):
            statements += _logged(placed, row, was, parent.depth, becomes)
        table = quoted(placed.record_type.table)
        where = _where(alias, key, parent, self._tables[placed.record_type.table.casefold()])
        return [
            (
                f"FOR {row} IN (SELECT {', '.join(selected)} FROM {table} AS {alias}{joins} WHERE {where}"
                " LOCK IN SHARE MODE) DO"
            ),
            *(f"  {one}" for one in unless_applying(placed.lineage.id, statements)),
            "END FOR;",
        ]


def _where(alias: str, key: ForeignKey, parent: _Parent, child: Table) -> str:
    """Which rows refer to the parent's; where a table refers to itself, those below them too."""
    direct = " AND ".join(
        f"{alias}.{quoted(column)} = {parent.column(to)}"
        for column, to in zip(key.columns, key.parent_columns, strict=True)
    )
    if child.name != parent.table.name or key.on_delete != "CASCADE" or len(key.columns) > 1 or parent.changed:
        return direct
    table, column, to = quoted(child.name), quoted(key.columns[0]), quoted(key.parent_columns[0])
    return (
        f"{alias}.{to} IN (WITH RECURSIVE down (r) AS (SELECT x.{to} FROM {table} AS x"
        f" WHERE x.{column} = {parent.column(key.parent_columns[0])} UNION SELECT x.{to} FROM {table} AS x"
        f" JOIN down ON x.{column} = down.r) SELECT r FROM down)"
    )


def _matters(placed: Placed, becomes: Override) -> bool:
    """Whether columns that are altered travel, or say where a record belongs."""
    record_type = placed.record_type
    own = {*record_type.columns, *record_type.key, *placed.lineage.placing_columns()}
    return bool({one.casefold() for one in own} & becomes.keys())


def _logged(placed: Placed, row: str, was: list[str], depth: int, becomes: Override | None) -> list[str]:
    """Entries for a row that goes (`becomes` None), or is altered: what it was, where that differs, and what it is."""
    route = "v_route" if placed.lineage.root.also_sent_to or placed.record_type.also_sent_to else "NULL"
    parent = f"{row}.parent_" if placed.record_type.through else "NULL"
    if becomes is None:
        return [placed.log(DELETE, was, parent, store="v_store", route=route)]
    moved = _moved(placed, becomes, route)
    key = [
        becomes.get(column.casefold(), text) for column, text in zip(placed.record_type.key, was, strict=True)
    ]  # fmt: skip
    through = placed.record_type.through
    becomes_parent = becomes.get(through.column.casefold(), parent) if through else "NULL"
    before = placed.log(DELETE if key != was else WRITE, was, parent, store="v_store", route=route)
    after = placed.log(WRITE, key, becomes_parent, **moved._asdict())
    entries = [before, after] if key != was or becomes_parent != parent else [after]
    if moved.store_before == "NULL" and moved.route_before == "NULL":
        return entries
    return [*entries, *lines_of(placed, f"{row}.rawkey_", moved, depth + 1)]


def _moved(placed: Placed, becomes: Override, route: str) -> Moved:
    """Store and routing value, now and before, of a row whose columns become what they do."""
    lineage, altered = placed.lineage, becomes.keys()
    through, also = placed.record_type.through, placed.record_type.also_sent_to
    moved = Moved(route=route)
    if through is not None:
        if becomes.get(through.column.casefold()) == "NULL":
            inherited = lineage.root.also_sent_to is not None
            moved = Moved("NULL", "v_store", "NULL" if inherited else route, route if inherited else "NULL")
    elif (column := placed.record_type.store_column) is not None and column.casefold() in altered:
        moved = moved._replace(store=becomes[column.casefold()], store_before="v_store")
    if also is not None and also.column.casefold() in altered and (through is None or not lineage.root.also_sent_to):
        moved = moved._replace(route=becomes[also.column.casefold()], route_before=route)
    return moved
