"""Unique indexes of SQLite: those on plain columns, and those of which the columns alone do not tell it all."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msyncd.databases.sqlite.names import listed, quoted
from msyncd.databases.sqlite.spelled import index_terms, words
from msyncd.model import UniqueIndex

_ROWID: Final = frozenset({"rowid", "_rowid_", "oid"})
Part = tuple[str | None, str]
"""A column of an index, None for an expression, and its collation."""


@dataclass(frozen=True, slots=True)
class Uniques:
    """The unique indexes of a table: columns of plain ones but the key, all others, the name of one not understood."""

    plain: tuple[tuple[str, ...], ...] = ()
    odd: tuple[UniqueIndex, ...] = ()
    unknown: str = ""


def uniques_of(
    connection: sqlite3.Connection, table: str, columns: Sequence[str], collations: Mapping[str, str]
) -> Uniques:
    """`collations`: those other than BINARY that columns were declared with, in capitals, by casefolded name."""
    plain, odd, unknown = list[tuple[str, ...]](), list[UniqueIndex](), ""
    indexes = connection.execute(
        'SELECT name, origin, partial FROM pragma_index_list(?, ?) WHERE "unique" ORDER BY name', (table, "main")
    )
    for name, origin, partial in indexes.fetchall():
        parts: list[Part] = connection.execute(
            "SELECT name, coll FROM pragma_index_xinfo(?, ?) WHERE key ORDER BY seqno", (name, "main")
        ).fetchall()
        names = tuple(column for column, _ in parts if column is not None)
        as_declared = all(
            column is not None and collations.get(column.casefold(), "BINARY") == collation.upper()
            for column, collation in parts
        )
        if not as_declared or partial:
            found = _odd(connection, name, parts, columns)
            if _can_be_asked(connection, table, found):
                odd.append(found)
            else:
                unknown = name
        elif origin != "pk":
            plain.append(names)
    return Uniques(tuple(plain), tuple(odd), unknown)


def _odd(connection: sqlite3.Connection, name: str, parts: Sequence[Part], columns: Sequence[str]) -> UniqueIndex:
    sql = "SELECT sql FROM main.sqlite_master WHERE type = 'index' AND name = ?"
    rows = connection.execute(sql, (name,)).fetchall()
    texts, where = index_terms((rows[0][0] if rows else None) or "")
    terms = tuple(
        f"{quoted(column) if column is not None else f'({texts[at] if at < len(texts) else None})'}"
        f" COLLATE {quoted(collation)}"
        for at, (column, collation) in enumerate(parts)
    )
    held, decide = words(" ".join(terms)), words(where)
    return UniqueIndex(
        name,
        terms,
        where,
        tuple(column for column in columns if column.casefold() in held | decide),
        tuple(column for column in columns if column.casefold() in held),
    )


def _can_be_asked(connection: sqlite3.Connection, table: str, unique: UniqueIndex) -> bool:
    """Whether the same can be asked of a row that does not stand yet."""
    if not unique.columns or words(" ".join([*unique.terms, unique.where])) & _ROWID:
        return False
    source, where = in_the_way(quoted(table), unique, f"SELECT {listed(unique.columns)} FROM {quoted(table)}")
    try:
        connection.execute(f"EXPLAIN SELECT 1 FROM {source} WHERE {where}")
    except sqlite3.Error:
        return False
    return True


def in_the_way(table: str, unique: UniqueIndex, given: str) -> tuple[str, str]:
    """FROM and WHERE for rows `r` of a table that an index lets not stand beside the rows `n` of the SELECT `given`."""
    terms = ", ".join(f"{term} AS msyncd_{at}" for at, term in enumerate(unique.terms, 1))
    where = f" WHERE {unique.where}" if unique.where else ""
    source = f"(SELECT *, {terms} FROM ({given}){where}) AS n CROSS JOIN (SELECT *, {terms} FROM {table}{where}) AS r"
    return source, " AND ".join(f"r.msyncd_{at} = n.msyncd_{at}" for at in range(1, len(unique.terms) + 1))
