"""A small medical store in a SQLite file, captured and guarded as a site would have it."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from msyncd.databases.sqlite.describe import describe
from msyncd.databases.sqlite.triggers import LEDGER_DDL_FOR_CAPTURE, CapturedType, Statement, capture_statements
from msyncd.model import Facts, RecordType, Value
from tests.databases.contract.stock import FACTS, TYPES

SCHEMA = """
CREATE TABLE item (ID TEXT PRIMARY KEY, code TEXT UNIQUE, item_name TEXT, local_note TEXT);
CREATE TABLE item_line (
  ID TEXT PRIMARY KEY, store_ID TEXT, item_ID TEXT REFERENCES item ON DELETE CASCADE ON UPDATE CASCADE,
  quantity REAL, local_note TEXT UNIQUE);
CREATE TABLE transact (
  ID TEXT PRIMARY KEY, store_ID TEXT, name_ID TEXT, number INTEGER, status TEXT, UNIQUE (store_ID, number));
CREATE TABLE trans_line (
  ID TEXT PRIMARY KEY, transaction_ID TEXT REFERENCES transact ON DELETE CASCADE ON UPDATE CASCADE,
  item_ID TEXT REFERENCES item ON DELETE SET NULL, quantity REAL);
CREATE INDEX trans_line_by_transaction ON trans_line (transaction_ID);
CREATE TABLE line_note (
  ID TEXT PRIMARY KEY, line_ID TEXT REFERENCES trans_line ON DELETE CASCADE ON UPDATE CASCADE, note TEXT);
"""

COLUMNS = "operation, store, store_before, route, route_before, parent, key1"
Logged = tuple[str, int, Value, Value, Value, Value, Value, Value]


class Captured:
    """An application's database with capture and guard, and the application's connection to it."""

    def __init__(
        self,
        path: Path,
        *,
        schema: str = SCHEMA,
        types: Sequence[RecordType] = TYPES,
        site: int = 2,
        guard: bool = True,
        facts: Facts = FACTS,
        application_triggers: bool = False,
        pragmas: Mapping[str, str | int] | None = None,
        before: str = "",
    ) -> None:
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None)
        for pragma, value in {"foreign_keys": 1, "synchronous": 0, **(pragmas or {})}.items():
            self.connection.execute(f"PRAGMA {pragma}={value}")
        self.connection.executescript(schema)
        self.connection.executescript(before)
        self.types = tuple(replace(one, guard=one.guard and guard) for one in types)
        self.statements = self.install(site, facts, application_triggers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.connection.close()

    def install(self, site: int, facts: Facts, application_triggers: bool) -> list[Statement]:
        tables = describe(self.connection)
        captured = [CapturedType(number, one, tables[one.table.casefold()]) for number, one in enumerate(self.types, 1)]
        for ddl in LEDGER_DDL_FOR_CAPTURE:
            self.connection.execute(ddl)
        for fact in facts.stores.values():
            self.connection.execute(
                "INSERT INTO msyncd_store VALUES (?, ?, ?, ?, ?)",
                (fact.store, fact.code, fact.active_site, fact.epoch, fact.name),
            )
        statements = capture_statements(site, captured, facts, application_triggers=application_triggers)
        for statement in statements:
            self.connection.execute(statement.sql)
        return statements

    def run(self, sql: str, parameters: Sequence[Value] = ()) -> None:
        """What the application writes."""
        self.connection.execute(sql, parameters)

    def fetch(self, sql: str) -> list[tuple[Value, ...]]:
        return self.connection.execute(sql).fetchall()

    def log(self) -> list[Logged]:
        """What was logged since the last look: record type, operation, stores, routes, parent, first key column."""
        rows = self.connection.execute(f"SELECT type, {COLUMNS} FROM msyncd_change_log ORDER BY seq").fetchall()
        self.connection.execute("DELETE FROM msyncd_change_log")
        return [(self.types[number - 1].name, *rest) for number, *rest in rows]

    def apply(self, record_type: str | None, *statements: str) -> None:
        """What the applier writes: one record type, in its own transaction, under the marker."""
        number = next((n for n, one in enumerate(self.types, 1) if one.name == record_type), None)
        self.run("BEGIN IMMEDIATE")
        self.run("INSERT INTO msyncd_applying VALUES (?, 1)", (number,))
        for statement in statements:
            self.run(statement)
        self.run("DELETE FROM msyncd_applying")
        self.run("COMMIT")
