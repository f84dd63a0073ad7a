"""Two satellites post transactions while the primary and a satellite are killed again and again: nothing is lost.

`MSYNCD_TEST_TRANSACTIONS=5000` makes it long; `MSYNCD_TEST_ITEMS=FILE.csv` takes the items' names from a file's column.
"""

import csv
import os
import random
import sqlite3
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from msyncd.commands.demo import application
from tests.story.processes import MANY, Installation, installation

STORES = ("CMS", "BUM", "KAL")
ITEMS = 1127
LINES = 3
CENTRAL = ("item", "name", "store", "unit", "item_category")


def _names() -> list[str]:
    file = os.environ.get("MSYNCD_TEST_ITEMS")
    if file is None:
        return [f"medicine {number}, 10 mg, tablet" for number in range(ITEMS)]
    with Path(file).open(newline="", encoding="utf-8") as rows:
        table = [row for row in csv.reader(rows) if any(row)][1:]
    return [" ".join(part for part in row if part)[:200] for row in table][:ITEMS]


def _add_items(connection: sqlite3.Connection, random_: random.Random) -> list[str]:
    """Items beside those of the demo, as a catalogue is imported: the keys."""
    unit, category = (connection.execute(f"SELECT ID FROM {t}").fetchone()[0] for t in ("unit", "item_category"))
    keys = []
    connection.execute("BEGIN IMMEDIATE")
    for number, name in enumerate(_names()):
        keys.append(uuid.UUID(int=random_.getrandbits(128)).hex.upper())
        connection.execute(
            "INSERT INTO item (ID, code, item_name, unit_ID, category_ID) VALUES (?, ?, ?, ?, ?)",
            (keys[-1], f"x{number}", name, unit, category),
        )
    connection.execute("COMMIT")
    return keys


def _post(connection: sqlite3.Connection, store: str, items: list[str], count: int, seed: int) -> None:
    """The application posts that many transactions with three lines each, each in a transaction of its own."""
    dice = random.Random(seed)
    store_key = connection.execute("SELECT ID FROM store WHERE code = ?", (store,)).fetchone()[0]
    suppliers = "SELECT ID FROM name WHERE supplier = 1 AND ID NOT IN (SELECT name_ID FROM store) ORDER BY ID"
    names = [row[0] for row in connection.execute(suppliers)]

    def new_id() -> str:
        return uuid.UUID(int=dice.getrandbits(128)).hex.upper()

    for number in range(count):
        header = new_id()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO transact (ID, name_ID, store_ID, type, status, invoice_num, comment, entry_date)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (header, dice.choice(names), store_key, "si", "fn", number, f"posted {number} at {store}", "2026-11-01"),
        )
        for line in range(LINES):
            connection.execute(
                "INSERT INTO trans_line (ID, transaction_ID, item_ID, quantity, pack_size, line_number, type)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (new_id(), header, dice.choice(items), dice.randint(1, 500), 1, line + 1, "stock_in"),
            )
        connection.execute("COMMIT")


def _rows(connection: sqlite3.Connection, sql: str) -> list[tuple[object, ...]]:
    return sorted(connection.execute(sql).fetchall(), key=repr)


def _counts(connection: sqlite3.Connection) -> tuple[int, int]:
    return tuple(connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("transact", "trans_line"))


def _killing(sites: Installation, done: threading.Event, kills: list[int]) -> None:
    dice = random.Random(3)
    for sync_id in (1, 2, 1, 1, 3, 1, 1):
        if done.wait(dice.uniform(0.8, 1.6)):
            return
        sites.kill(sync_id)
        kills.append(sync_id)
        time.sleep(dice.uniform(0.1, 0.4))
        sites.start(sync_id)


@pytest.mark.timeout(600)
def test_killed_five_times_and_twice_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    random_, clock = random.Random(1), lambda: datetime(2026, 11, 1, tzinfo=UTC)
    with installation(tmp_path, STORES) as sites:
        central = sites.connect(1)
        application.create_central_data(central, random=random_, clock=clock)
        items = _add_items(central, random_)
        for sync_id in sites.sites:
            sites.start(sync_id)
        satellites = {sync_id: sites.connect(sync_id) for sync_id in (2, 3)}
        total = central.execute("SELECT count(*) FROM item").fetchone()[0]

        def filled() -> bool:
            return all(one.execute("SELECT count(*) FROM item").fetchone()[0] == total for one in satellites.values())

        def settled() -> bool:
            stores = "SELECT count(*) FROM store JOIN msyncd_store ON msyncd_store.store = store.ID"
            return all(one.execute(stores).fetchone()[0] == len(STORES) for one in satellites.values())

        sites.wait_until("the satellites are filled", lambda: filled() and settled(), 90)
        done, kills = threading.Event(), list[int]()
        killer = threading.Thread(target=_killing, args=(sites, done, kills), daemon=True)
        posting = [
            threading.Thread(target=lambda s=sync_id: _post(sites.connect(s), STORES[s - 1], items, MANY, s))
            for sync_id in satellites
        ]
        for thread in (killer, *posting):
            thread.start()
        for thread in (killer, *posting):
            thread.join()
        assert kills.count(1) == 5
        assert len(kills) - kills.count(1) == 2
        expected = (2 * MANY, 2 * MANY * LINES)
        sites.wait_until(f"{expected} arrived, not {_counts(central)}", lambda: _counts(central) == expected, 240)
        time.sleep(1.5)
        for sync_id, one in satellites.items():
            for table in CENTRAL:
                assert _rows(one, f"SELECT * FROM {table}") == _rows(central, f"SELECT * FROM {table}"), table
            assert _counts(one) == (MANY, MANY * LINES)
            store = f"(SELECT ID FROM store WHERE code = '{STORES[sync_id - 1]}')"
            mine = f"SELECT * FROM transact WHERE store_ID = {store}"
            assert _rows(one, "SELECT * FROM transact") == _rows(central, mine)
            lines = (
                f"SELECT * FROM trans_line WHERE transaction_ID IN (SELECT ID FROM transact WHERE store_ID = {store})"
            )
            assert _rows(one, "SELECT * FROM trans_line") == _rows(central, lines)
        for one in (central, *satellites.values()):
            assert one.execute("SELECT count(*) FROM msyncd_quarantine").fetchone()[0] == 0
            assert one.execute("SELECT count(*) FROM msyncd_waiting").fetchone()[0] == 0
