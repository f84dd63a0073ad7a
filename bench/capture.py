"""What capture and guard cost an application on SQLite: microseconds per row, and the ratio to no triggers at all.

    python -m bench.capture [ROWS]

Machines drift, so every number is the best of some rounds that take turns, and only ratios within one run count.
"""

import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from msyncd.databases.sqlite.describe import describe
from msyncd.databases.sqlite.triggers import LEDGER_DDL_FOR_CAPTURE, CapturedType, capture_statements
from msyncd.model import Facts, RecordType, StoreFact, Through

SCHEMA = """
CREATE TABLE item (ID TEXT PRIMARY KEY, code TEXT, item_name TEXT, a TEXT, b REAL, c INTEGER);
CREATE TABLE transact (ID TEXT PRIMARY KEY, store_ID TEXT, name_ID TEXT, a TEXT, b REAL, c INTEGER);
CREATE TABLE trans_line (ID TEXT PRIMARY KEY, transaction_ID TEXT, item_ID TEXT, a TEXT, b REAL, c INTEGER);
"""
COLUMNS = {
    "item": ("code", "item_name"),
    "transact": ("store_ID", "name_ID"),
    "trans_line": ("transaction_ID", "item_ID"),
}
STORES = 1300
ROUNDS = 5


def record_types(guard: bool) -> list[RecordType]:
    """Central records, a header with its store, a line through it; guarded as on a satellite, or captured only."""
    columns = {name: ("ID", *own, "a", "b", "c") for name, own in COLUMNS.items()}
    key = ("ID",)
    return [
        RecordType("item", "item", key, columns["item"], "any_site", "every_site"),
        RecordType(
            "transact", "transact", key, columns["transact"], "active_site", "sites_of_store",
            store="store_ID", guard=guard,
        ),
        RecordType(
            "trans_line", "trans_line", key, columns["trans_line"], "active_site", "sites_of_store",
            store=Through("transaction_ID", "transact"), guard=guard,
        ),
    ]  # fmt: skip


def database(path: Path, guard: bool | None) -> sqlite3.Connection:
    """An application's database: without triggers (None), with capture, or with capture and guard."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.executescript(SCHEMA)
    if guard is not None:
        tables = describe(connection)
        types = [CapturedType(n, one, tables[one.table]) for n, one in enumerate(record_types(guard), 1)]
        stores = {f"store{n:04}": StoreFact(f"store{n:04}", f"S{n}", 2 if n < 3 else 3) for n in range(STORES)}
        for ddl in LEDGER_DDL_FOR_CAPTURE:
            connection.execute(ddl)
        facts = [(one.store, one.code, one.active_site, one.epoch, None) for one in stores.values()]
        connection.executemany("INSERT INTO msyncd_store VALUES (?, ?, ?, ?, ?)", facts)
        for statement in capture_statements(2, types, Facts(1, stores, {}), application_triggers=False):
            connection.execute(statement.sql)
    return connection


def per_row(connection: sqlite3.Connection, sql: str, values: Sequence[tuple[object, ...]]) -> float:
    """Microseconds per row of one statement, run for all these values in one transaction."""
    connection.execute("BEGIN")
    start = time.perf_counter()
    connection.executemany(sql, values)
    taken = time.perf_counter() - start
    connection.execute("COMMIT")
    return taken / len(values) * 1e6


def one_round(path: Path, guard: bool | None, rows: int) -> dict[str, float]:
    """Each kind of work once, on a fresh database."""
    connection = database(path, guard)
    found: dict[str, float] = {}
    first = {"item": ("code", "name"), "transact": ("store0001", "name"), "trans_line": ("transact0000001", "item")}
    for table, (one, other) in first.items():
        values = [(f"{table}{n:07}", one, other, "x" * 150, n * 0.5, n) for n in range(rows)]
        keys = [(value[0],) for value in values]
        found[f"insert {table}"] = per_row(connection, f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?)", values)
        found[f"update {table}"] = per_row(connection, f"UPDATE {table} SET c = c + 1 WHERE ID = ?", keys)
    connection.close()
    return found


def prepared(path: Path, guard: bool | None) -> float:
    """Microseconds to prepare and run one insert whose text is new to the connection."""
    database(path, guard).close()
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=0)
    connection.execute("SELECT * FROM transact").fetchall()

    start = time.perf_counter()
    connection.execute("BEGIN")
    for n in range(200):
        connection.execute(f"INSERT INTO transact VALUES ('new{n}', 'store0001', 'n', 'x', 1, 1)")
    connection.execute("COMMIT")
    taken = time.perf_counter() - start
    connection.close()
    return taken / 200 * 1e6


def main() -> None:
    """Measure and print."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    kinds: dict[str, bool | None] = {"without": None, "capture": False, "and guard": True}
    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            for kind, guard in kinds.items():
                taken = one_round(Path(folder) / f"{kind}{number}.db", guard, rows)
                taken[f"prepare, {STORES} stores"] = prepared(Path(folder) / f"{kind}{number}p.db", guard)
                for work, one in taken.items():
                    row = best.setdefault(work, {})
                    row[kind] = min(one, row.get(kind, one))
    print(f"{'µs per row':24}{'without':>10}{'capture':>18}{'and guard':>18}")
    for work, row in best.items():
        plain = row["without"]
        costs = "".join(f"{row[kind]:10.2f} ({row[kind] / plain:4.2f})" for kind in ("capture", "and guard"))
        print(f"{work:24}{plain:10.2f}{costs}")


if __name__ == "__main__":
    main()
