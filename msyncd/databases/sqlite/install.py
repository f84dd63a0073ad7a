"""Making msyncd's tables and triggers in a SQLite database, keeping them current, and taking them away."""

import sqlite3
from collections.abc import Mapping

from msyncd.databases.ledger import TABLES
from msyncd.databases.sqlite.triggers import (
    CapturedType,
    Statement,
    capture_statements,
    capture_tables,
    guard_words,
)
from msyncd.databases.values import Capture, Installed
from msyncd.model import Facts, Table

WORDS = {"{int}": "INTEGER", "{text}": "TEXT", "{blob}": "BLOB", "{any}": ""}
LEAST_WIDTH = 2
"""Key columns that the change log has at least."""


def is_installed(connection: sqlite3.Connection) -> bool:
    """Whether the ledger is there."""
    return "msyncd_meta" in _ours(connection)


def log_width(connection: sqlite3.Connection) -> int:
    """How many key columns the change log has."""
    columns = connection.execute("PRAGMA table_info(msyncd_change_log)").fetchall()
    return max(LEAST_WIDTH, sum(1 for column in columns if str(column[1]).startswith("key")))


def fires(capture: Capture, tables: Mapping[str, Table]) -> bool:
    """Whether the application has triggers of its own that fire while msyncd applies."""
    return any(
        one.application_triggers != "silent" and tables[one.table.casefold()].triggers
        for one in capture.record_types
        if one.table.casefold() in tables
    )


def install(connection: sqlite3.Connection, capture: Capture, tables: Mapping[str, Table]) -> Installed:
    """Bring tables and triggers to what they should be, in the caller's transaction; what is current is not touched."""
    made = _make_tables(connection, capture)
    uncaptured = () if "msyncd_meta" in made else _uncaptured(connection, capture)
    ids = _number_types(connection, capture)
    captured = [CapturedType(ids[one.name], one, tables[one.table.casefold()]) for one in capture.record_types]
    wanted = capture_statements(capture.site, captured, capture.facts, application_triggers=fires(capture, tables))
    wanted = [*wanted, *(one for one in [guard_words(capture.facts, capture.site)] if one not in wanted)]
    lost = _lost(connection, capture)
    changed, dropped = _replace(connection, wanted)
    for one in capture.record_types:
        looked_after = int(one.name not in lost and one.name not in uncaptured)
        values = (looked_after, "\n".join(one.columns), one.table)
        connection.execute(
            "UPDATE msyncd_record_type SET captured = ?, columns = ?, table_name = ? WHERE id = ?"
            " AND (captured <> ? OR columns <> ? OR table_name <> ?)",
            (*values, ids[one.name], *values),
        )
    names = [one.name for one in capture.record_types]
    for name in [row[0] for row in connection.execute("SELECT name FROM msyncd_record_type WHERE captured = 1")]:
        if name not in names:
            connection.execute("UPDATE msyncd_record_type SET captured = 0 WHERE name = ?", (name,))
    return Installed(ids, (*made, *changed), dropped, (*lost, *uncaptured))


def renew_words(connection: sqlite3.Connection, facts: Facts, site: int) -> None:
    """Give the guard new words, if the facts changed them."""
    _replace_some(connection, [guard_words(facts, site)])


def remove(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Drop everything of ours, in the caller's transaction."""
    ours = _ours(connection)
    for kind in ("trigger", "view", "table"):
        for name in [name for name, (its_kind, _, _) in ours.items() if its_kind == kind]:
            if name in _ours(connection):  # a view's triggers went with it
                connection.execute(f'DROP {kind.upper()} "{name}"')
    return tuple(sorted(ours))


def _ours(connection: sqlite3.Connection) -> dict[str, tuple[str, str, str]]:
    rows = connection.execute(
        "SELECT name, type, sql, tbl_name FROM sqlite_master WHERE name GLOB 'msyncd_*' AND type <> 'index'"
    )
    return {name: (kind, sql, table) for name, kind, sql, table in rows}


def _make_tables(connection: sqlite3.Connection, capture: Capture) -> list[str]:
    there = _ours(connection)
    made = []
    needed = max([LEAST_WIDTH, *(len(one.key) for one in capture.record_types)])
    for sql in capture_tables(needed):
        name = sql.split("(")[0].split()[-1]
        if name not in there:
            connection.execute(sql)
            made.append(name)
    for name, columns in TABLES.items():
        if name not in there and name not in made:
            for word, own in WORDS.items():
                columns = columns.replace(word, own)
            connection.execute(f"CREATE TABLE {name} ({columns})")
            made.append(name)
    has = log_width(connection)
    for number in range(has + 1, needed + 1):
        connection.execute(f"ALTER TABLE msyncd_change_log ADD COLUMN key{number}")
    if has < needed:  # its primary key cannot be widened; it is empty outside a transaction of ours
        connection.execute("DROP TABLE msyncd_incoming")
        connection.execute(next(sql for sql in capture_tables(needed) if "msyncd_incoming" in sql))
    return made


def _number_types(connection: sqlite3.Connection, capture: Capture) -> dict[str, int]:
    ids = {str(name): int(number) for number, name in connection.execute("SELECT id, name FROM msyncd_record_type")}
    for one in capture.record_types:
        if one.name not in ids:
            ids[one.name] = max(ids.values(), default=0) + 1
            connection.execute(
                "INSERT INTO msyncd_record_type (id, name, table_name, columns, captured) VALUES (?, ?, ?, '', 0)",
                (ids[one.name], one.name, one.table),
            )
    return ids


def _lost(connection: sqlite3.Connection, capture: Capture) -> tuple[str, ...]:
    """Record types that were captured and whose tables now bear no trigger of ours: somebody rebuilt them (P5)."""
    bear = {str(table).casefold() for kind, _, table in _ours(connection).values() if kind == "trigger"}
    was = {str(name) for (name,) in connection.execute("SELECT name FROM msyncd_record_type WHERE captured = 1")}
    return tuple(one.name for one in capture.record_types if one.name in was and one.table.casefold() not in bear)


def _uncaptured(connection: sqlite3.Connection, capture: Capture) -> tuple[str, ...]:
    """Record types that are captured from now on and were not until now: declared newly, or stopped for a while."""
    was = {str(name) for (name,) in connection.execute("SELECT name FROM msyncd_record_type WHERE captured = 1")}
    return tuple(one.name for one in capture.record_types if one.name not in was)


def _replace(connection: sqlite3.Connection, wanted: list[Statement]) -> tuple[list[str], tuple[str, ...]]:
    """Drop what should not be there, then make what is missing or out of date."""
    names = {one.name for one in wanted}
    obsolete = [
        (name, kind)
        for name, (kind, _, _) in _ours(connection).items()
        if kind in ("trigger", "view") and name not in names
    ]
    for name, kind in sorted(obsolete, key=lambda one: one[1]):
        if name in _ours(connection):
            connection.execute(f'DROP {kind.upper()} "{name}"')
    return _replace_some(connection, wanted), tuple(name for name, _ in obsolete)


def _replace_some(connection: sqlite3.Connection, wanted: list[Statement]) -> list[str]:
    made = []
    for one in wanted:
        there = _ours(connection).get(one.name)
        if there is not None and there[1] == one.sql:
            continue
        if there is not None:
            connection.execute(f'DROP {there[0].upper()} "{one.name}"')
        connection.execute(one.sql)
        made.append(one.name)
    return made
