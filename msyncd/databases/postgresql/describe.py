"""The application's tables as PostgreSQL's catalogs describe them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from msyncd.databases.postgresql.catalog import ColumnEntry, TableEntry
from msyncd.databases.postgresql.expressions import kind_of
from msyncd.databases.postgresql.silencing import silenceable
from msyncd.databases.references import emptied, through_others
from msyncd.model import Column, ForeignKey, Table

_ON_DELETE: Final = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def described(catalog: Mapping[str, TableEntry], *, may_silence: bool) -> dict[str, Table]:
    """Every table and view of the application by its casefolded name. `may_silence`: see silencing.py."""
    by_oid = {entry.oid: entry for entry in catalog.values()}
    tables = {
        name: replace(_table(entry, by_oid), silenceable=silenceable(entry, catalog, allowed=may_silence))
        for name, entry in catalog.items()
    }
    return {name: _with_circles(name, table, tables) for name, table in tables.items()}


def _with_circles(name: str, table: Table, tables: Mapping[str, Table]) -> Table:
    """What the writer puts off by itself can be put off too; see circles.py."""
    own = [one for one in through_others(tables, name) if emptied(table, one)]
    keys = (replace(one, deferrable=True) if one in own else one for one in table.foreign_keys)
    return replace(table, foreign_keys=tuple(keys)) if own else table


def _table(entry: TableEntry, by_oid: Mapping[int, TableEntry]) -> Table:
    kind = _kind(entry)
    primary = next((entry.named(one.columns) for one in entry.indexes if one.primary), ())
    uniques = [entry.named(one.columns) for one in entry.indexes if not one.primary and all(one.columns)]
    return Table(
        entry.known_as,
        tuple(map(_column, entry.columns)),
        primary,
        tuple(dict.fromkeys(uniques)) if kind == "table" else (),
        tuple(_foreign_keys(entry, by_oid)) if kind == "table" else (),
        tuple(one.name for one in entry.triggers),
        kind,
        unfit="shares its rows with tables that inherit them" if entry.inherits else "",
        remedy="use partitions instead: what is written by one table's name is not seen at another"
        if entry.inherits
        else "",
        odd_uniques=tuple(entry.odd_uniques) if kind == "table" else (),
    )


def _kind(entry: TableEntry) -> Literal["table", "view", "virtual"]:
    if entry.kind in {"v", "m"}:
        return "view"
    return "virtual" if entry.kind == "f" else "table"  # a foreign table's rows are another server's


def _column(one: ColumnEntry) -> Column:
    return Column(
        one.name,
        one.declared,
        nullable=not one.not_null,
        has_default=one.has_default or one.identity != "",
        collation="citext" if one.type.name == "citext" else one.loose,
        generated=one.generated,
        kind=kind_of(one.type),
    )


def _foreign_keys(entry: TableEntry, by_oid: Mapping[int, TableEntry]) -> list[ForeignKey]:
    found = []
    for one in entry.references:
        parent = by_oid.get(one.parent)
        if parent is not None:  # else a partition, or hidden by another table of its name
            found.append(
                ForeignKey(
                    entry.named(one.columns),
                    parent.known_as,
                    parent.named(one.parent_columns),
                    _ON_DELETE[one.on_delete],
                    one.deferrable,
                )
            )
    return found
