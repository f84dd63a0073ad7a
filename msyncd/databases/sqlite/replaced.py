"""How the rows are looked up that a REPLACE removes without a delete trigger (P5), as SQL text."""

from collections.abc import Sequence
from dataclasses import dataclass

from msyncd.databases.lineage import Lineage
from msyncd.databases.sqlite.names import quoted
from msyncd.databases.sqlite.uniques import in_the_way


@dataclass(frozen=True, slots=True)
class Lookup:
    """FROM and WHERE for rows `r` that cannot stand beside NEW; `columns` decide which these are."""

    columns: tuple[str, ...]
    source: str
    where: str


def lookups(lineage: Lineage) -> list[Lookup]:
    """One for each unique index but that of the record type's key."""
    table, seen = lineage.captured.table, {_folded(lineage.record_type.key)}
    found: list[Lookup] = []
    for columns in (table.primary_key, *table.uniques):
        if columns and _folded(columns) not in seen:
            seen.add(_folded(columns))
            found.append(plain(lineage, columns))
    for unique in table.odd_uniques:
        given = ", ".join(f"NEW.{quoted(column)} AS {quoted(column)}" for column in unique.columns)
        found.append(Lookup(unique.columns, *in_the_way(lineage.table, unique, f"SELECT {given}")))
    return found


def plain(lineage: Lineage, columns: tuple[str, ...]) -> Lookup:
    """By what columns hold, as they compare."""
    return Lookup(columns, f"{lineage.table} AS r", equal(columns, "r", "NEW"))


def _folded(columns: Sequence[str]) -> frozenset[str]:
    return frozenset(column.casefold() for column in columns)


def equal(columns: Sequence[str], left: str, right: str) -> str:
    """Both rows hold the same values there, by the left column's collation; NULLs never do, as in a unique index."""
    return " AND ".join(f"{left}.{quoted(column)} = {right}.{quoted(column)}" for column in columns)
