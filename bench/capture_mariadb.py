"""What capture and guard cost an application on MariaDB: microseconds per row, and the ratio to no triggers at all.

    MSYNCD_TEST_MARIADB=mariadb://root@127.0.0.1:3306/ python -m bench.capture_mariadb [ROWS]

Once with a statement for each row, as applications write, and once with a statement for many, where the triggers weigh
most. It makes a database of its own on the server and drops it again. Machines drift, so every number is the best of
some rounds that take turns, and only ratios within one run count.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

from bench.capture import COLUMNS, STORES, record_types
from msyncd.databases import open_database
from msyncd.databases.values import Capture
from msyncd.model import Facts, StoreFact
from msyncd.testing.application import Connection, connect

SERVER: Final = os.environ.get("MSYNCD_TEST_MARIADB", "mariadb://root@127.0.0.1:3306/")
ROUNDS: Final = 3
MANY: Final = 500
"""Rows in one statement of many."""
FIRST: Final = {
    "item": ("code", "name"),
    "transact": ("store0001", "name"),
    "trans_line": ("header", "item"),
}
"""What stands in the first two columns behind the key."""


@contextmanager
def application(guard: bool | None) -> Iterator[Connection]:
    """An application's database: without triggers (None), with capture, or with capture and guard."""
    name = f"msyncd_bench_{os.getpid()}"
    base, _, options = SERVER.partition("?")
    url = f"{base.rstrip('/')}/{name}{f'?{options}' if options else ''}"
    with closing(connect(SERVER)) as server:
        server.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin")
        try:
            with closing(connect(url)) as connection:
                for table, (one, other) in COLUMNS.items():
                    connection.execute(
                        f"CREATE TABLE {table} (ID VARCHAR(40) PRIMARY KEY, {one} VARCHAR(40), {other} VARCHAR(40),"
                        " a VARCHAR(200), b DOUBLE, c INTEGER)"
                    )
                if guard is not None:
                    capture(url, guard)
                yield connection
        finally:
            server.execute(f"DROP DATABASE {name}")


def capture(url: str, guard: bool) -> None:
    """Install the triggers of site 2, with 1,300 stores of which two are active there."""
    stores = {f"store{n:04}": StoreFact(f"store{n:04}", f"S{n}", 2 if n < 3 else 3) for n in range(STORES)}
    with closing(open_database(url)) as database:
        database.describe()
        database.install(Capture(2, tuple(record_types(guard)), Facts(1, stores, {})))


def per_row(connection: Connection, statements: list[str], rows: int) -> float:
    """Microseconds per row of statements in one transaction; its commit is not counted."""
    with connection.transaction():
        start = time.perf_counter()
        for sql in statements:
            connection.execute(sql)
        taken = time.perf_counter() - start
    return taken / rows * 1e6


def one_round(connection: Connection, rows: int) -> dict[str, float]:
    """Each kind of work once, on a fresh database."""
    found: dict[str, float] = {}
    for table, (one, other) in FIRST.items():
        for how, size in (("each", 1), ("many", MANY)):
            keys = [f"'{table}{how}{number:07}'" for number in range(rows)]
            texts = [f"({key}, '{one}', '{other}', '{'x' * 150}', {n * 0.5}, {n})" for n, key in enumerate(keys)]
            if table == "transact" and how == "each":
                texts[0] = texts[0].replace(keys[0], "'header'", 1)
            inserts = [f"INSERT INTO {table} VALUES {some}" for some in joined(texts, size)]
            updates = [f"UPDATE {table} SET c = c + 1 WHERE ID IN ({some})" for some in joined(keys, size)]
            found[f"insert {table}, {how}"] = per_row(connection, inserts, rows)
            found[f"update {table}, {how}"] = per_row(connection, updates, rows)
    return found


def joined(parts: list[str], size: int) -> list[str]:
    """Parts of statements, so many in each."""
    return [", ".join(parts[start : start + size]) for start in range(0, len(parts), size)]


def main() -> None:
    """Measure and print."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    kinds: dict[str, bool | None] = {"without": None, "capture": False, "and guard": True}
    best: dict[str, dict[str, float]] = {}
    for _ in range(ROUNDS):
        for kind, guard in kinds.items():
            with application(guard) as connection:
                for work, one in one_round(connection, rows).items():
                    row = best.setdefault(work, {})
                    row[kind] = min(one, row.get(kind, one))
    print(f"{'µs per row':24}{'without':>10}{'capture':>18}{'and guard':>18}")
    for work, row in best.items():
        plain = row["without"]
        costs = "".join(f"{row[kind]:10.2f} ({row[kind] / plain:4.2f})" for kind in ("capture", "and guard"))
        print(f"{work:24}{plain:10.2f}{costs}")


if __name__ == "__main__":
    main()
