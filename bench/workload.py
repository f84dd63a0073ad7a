"""The rows that every measurement of the cycle moves: transaction lines of about 220 bytes, twelve to a header."""

import random
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

LINE_COLUMNS = (
    "ID", "transaction_ID", "item_ID", "item_line_ID", "quantity", "pack_size", "cost_price", "sell_price", "batch",
    "expiry_date", "line_number", "type", "note",
)  # fmt: skip
SCHEMA = """
CREATE TABLE transact (ID TEXT PRIMARY KEY NOT NULL, store_ID TEXT, name_ID TEXT, status TEXT);
CREATE TABLE trans_line (ID TEXT PRIMARY KEY NOT NULL, transaction_ID TEXT, item_ID TEXT, item_line_ID TEXT,
    quantity REAL, pack_size REAL, cost_price REAL, sell_price REAL, batch TEXT, expiry_date TEXT, line_number INTEGER,
    type TEXT, note TEXT);
"""
RECORD_TYPES = """
record_types:
  transact: {table: transact, key: ID, edited_on: active_site, sent_to: sites_of_store, store: store_ID}
  trans_line:
    table: trans_line
    key: ID
    edited_on: active_site
    sent_to: sites_of_store
    store: {through: transaction_ID, of: transact}
"""
LINES_PER_HEADER = 12
UPSERT = (
    f"INSERT INTO trans_line ({', '.join(LINE_COLUMNS)}) VALUES ({', '.join('?' * len(LINE_COLUMNS))})"
    f" ON CONFLICT (ID) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in LINE_COLUMNS[1:])}"
)

Line = tuple[str, str, str, str, float, float, float, float, str, str, int, str, str]


def lines(count: int, seed: int = 7) -> Iterator[Line]:
    """That many lines, the same for the same seed."""
    dice = random.Random(seed)

    def new_id() -> str:
        return uuid.UUID(int=dice.getrandbits(128), version=4).hex

    items = [new_id() for _ in range(2000)]
    header = ""
    for number in range(count):
        if number % LINES_PER_HEADER == 0:
            header = new_id()
        yield (
            new_id(), header, dice.choice(items), new_id(), float(dice.randint(1, 500)),
            float(dice.choice((1, 10, 50, 100))), round(dice.random() * 90, 3), round(dice.random() * 120, 3),
            f"B{dice.randint(10000, 99999)}", f"20{dice.randint(26, 30)}-{dice.randint(1, 12):02d}-28",
            number % LINES_PER_HEADER + 1, dice.choice(("stock_in", "stock_out", "service")),
            f"line note {dice.randint(0, 10**9)}",
        )  # fmt: skip


def connect(path: Path) -> sqlite3.Connection:
    """As an application would: WAL, not synced at each commit."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def write(connection: sqlite3.Connection, count: int, store: str | None, *, apart: bool = False, seed: int = 7) -> None:
    """The application writes lines, each header (if a store is given) before its own, 100 headers to a commit.

    `apart`: every header before any line, as an import does: no family lies together in the change log.
    """
    if apart and store is not None:
        headers = dict.fromkeys(line[1] for line in lines(count, seed))
        with_store = ((header, store) for header in headers)
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO transact VALUES (?, ?, 'n', 'fn')", with_store)
        connection.execute("COMMIT")
        store = None
    insert = f"INSERT INTO trans_line VALUES ({', '.join('?' * len(LINE_COLUMNS))})"
    batch: list[Line] = []
    for line in lines(count, seed):
        batch.append(line)
        if len(batch) == 100 * LINES_PER_HEADER:
            _write(connection, insert, batch, store)
            batch = []
    _write(connection, insert, batch, store)


def _write(connection: sqlite3.Connection, insert: str, batch: list[Line], store: str | None) -> None:
    connection.execute("BEGIN")
    for start in range(0, len(batch), LINES_PER_HEADER):
        if store is not None:
            connection.execute("INSERT INTO transact VALUES (?, ?, 'n', 'fn')", (batch[start][1], store))
        connection.executemany(insert, batch[start : start + LINES_PER_HEADER])
    connection.execute("COMMIT")
