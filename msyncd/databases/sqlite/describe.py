"""The application's tables as SQLite describes them. Needs SQLite 3.37 (PRAGMA table_list)."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from msyncd.databases.sqlite.declared import kind_of
from msyncd.databases.sqlite.spelled import definitions, unquoted
from msyncd.databases.sqlite.uniques import Uniques, uniques_of
from msyncd.model import Column, ForeignKey, Table

OURS = "msyncd_"
"""What msyncd itself puts into the database begins so."""

GENERATED = frozenset({2, 3})
"""What PRAGMA table_xinfo says under `hidden` for virtual and stored generated columns."""


def describe(connection: sqlite3.Connection) -> dict[str, Table]:
    """Every table, view and virtual table of the application by its casefolded name; msyncd's own are left out."""
    kinds = _kinds(connection)
    sql = dict(connection.execute("SELECT name, sql FROM main.sqlite_master WHERE type = 'table'"))
    triggers: defaultdict[str, list[str]] = defaultdict(list)
    for name, table in connection.execute(
        "SELECT name, tbl_name FROM main.sqlite_master WHERE type = 'trigger' ORDER BY 1"
    ):
        if not name.casefold().startswith(OURS):
            triggers[table.casefold()].append(name)
    tables: dict[str, Table] = {}
    for name, kind in kinds.items():
        columns, key = _columns(connection, name, kind, sql.get(name) or "")
        uniques = Uniques()
        if kind == "table":
            names = [column.name for column in columns]
            uniques = uniques_of(connection, name, names, dict(declared_collations(sql.get(name) or "")))
        tables[name.casefold()] = Table(
            name,
            columns,
            key,
            uniques.plain,
            triggers=tuple(triggers[name.casefold()]),
            kind=kind,
            unfit=f"has the unique index {uniques.unknown}: msyncd cannot tell whom a REPLACE removes by it"
            if uniques.unknown
            else "",
            remedy="make it on columns, or on built-in functions of them" if uniques.unknown else "",
            odd_uniques=uniques.odd,
        )
    return {
        folded: replace(table, foreign_keys=tuple(_foreign_keys(connection, table, tables)))
        if table.kind == "table"
        else table
        for folded, table in tables.items()
    }


def _kinds(connection: sqlite3.Connection) -> dict[str, Literal["table", "view", "virtual"]]:
    kinds: dict[str, Literal["table", "view", "virtual"]] = {}
    rows = connection.execute("SELECT name, type FROM pragma_table_list WHERE schema = 'main' ORDER BY name")
    for name, kind in rows.fetchall():
        if not name.casefold().startswith(("sqlite_", OURS)):
            # a virtual table keeps its rows in shadow tables: nobody may put triggers on them
            kinds[name] = "table" if kind == "table" else "view" if kind == "view" else "virtual"
    return kinds


def _columns(
    connection: sqlite3.Connection, table: str, kind: str, sql: str
) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """The columns and the names of the primary key's, in the key's order."""
    try:
        rows = connection.execute(
            'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?, ?)', (table, "main")
        ).fetchall()
    except sqlite3.OperationalError:
        if kind == "table":
            raise
        return (), ()  # a view of what is no longer there, or a module that this process lacks
    collations = dict(declared_collations(sql)) if kind == "table" else {}
    collations |= _key_collations(connection, table)
    ranked = sorted((rank, name) for name, _, _, _, rank, _ in rows if rank)
    # the rowid under another name: SQLite fills it in
    indexed = {
        origin for (origin,) in connection.execute("SELECT origin FROM pragma_index_list(?, ?)", (table, "main"))
    }
    rowid = ranked[0][1] if len(ranked) == 1 and "pk" not in indexed else None
    columns = tuple(
        Column(
            name,
            declared,
            nullable=not not_null and name != rowid,
            has_default=default is not None or name == rowid,
            collation=collations.get(name.casefold()),
            generated=hidden in GENERATED,
            kind=kind_of(declared),
        )
        for name, declared, not_null, default, _, hidden in rows
    )
    return columns, tuple(name for _, name in ranked)


def _key_collations(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """Collations that PRIMARY KEY (… COLLATE …) sets over the columns' own: the key compares by these."""
    rows = connection.execute(
        "SELECT x.name, x.coll FROM pragma_index_list(?, 'main') AS l, pragma_index_xinfo(l.name, 'main') AS x"
        " WHERE l.origin = 'pk' AND x.key AND x.coll <> 'BINARY'",
        (table,),
    )
    return {name.casefold(): collation.upper() for name, collation in rows}


def declared_collations(sql: str) -> Iterator[tuple[str, str]]:
    """Each column's collation other than BINARY, in capitals, from the text of CREATE TABLE; names casefolded."""
    for definition in definitions(sql):
        for before, after in pairwise(definition):
            if before.upper() == "COLLATE" and (collation := unquoted(after).upper()) != "BINARY":
                yield unquoted(definition[0]).casefold(), collation


def _foreign_keys(connection: sqlite3.Connection, table: Table, tables: Mapping[str, Table]) -> Iterator[ForeignKey]:
    """References in the order of their declaration, by the names that the parent table gives its columns."""
    grouped: defaultdict[int, list[tuple[str, str | None, str, str]]] = defaultdict(list)
    rows = connection.execute(
        'SELECT id, "from", "to", "table", on_delete FROM pragma_foreign_key_list(?, ?) ORDER BY id DESC, seq',
        (table.name, "main"),
    )
    for number, column, to, parent, on_delete in rows:
        grouped[number].append((column, to, parent, on_delete))
    for parts in grouped.values():
        parent, on_delete = parts[0][2], parts[0][3]
        known = tables.get(parent.casefold())
        # a reference without columns means the parent's primary key
        wanted = [to for _, to, _, _ in parts if to is not None] or (known.primary_key if known else ())
        columns = [known.column(to) if known else None for to in wanted]
        named = tuple(column.name if column else to for column, to in zip(columns, wanted, strict=True))
        yield ForeignKey(tuple(column for column, _, _, _ in parts), known.name if known else parent, named, on_delete)
