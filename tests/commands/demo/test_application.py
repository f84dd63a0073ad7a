"""The demo's application: what a storekeeper does leaves every reference whole and every balance right."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from msyncd.commands.demo import application
from msyncd.commands.demo.medicines import CUSTOMERS, MEDICINES, STORES, SUPPLIERS

# What the people of a store make; nothing of it is there before they work.
OF_A_STORE = {
    *("location", "requisition", "requisition_line", "purchase_order", "purchase_order_line", "goods_received_line"),
    *("item_line", "transact", "trans_line", "stock_take", "stock_take_lines", "activity_log"),
    *("location_movement", "sensor", "temperature_breach", "temperature_log"),
}


def now() -> datetime:
    return datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    application.new_database(tmp_path / "store.db")
    with closing(application.open_database(tmp_path / "store.db")) as connection:
        yield connection


@pytest.fixture
def filled(database: sqlite3.Connection) -> sqlite3.Connection:
    """Central data, three furnished stores, and some stock in each."""
    application.create_central_data(database, random=Random(1), clock=now)
    for store in STORES:
        application.open_store(database, store.code, random=Random(store.code), clock=now)
        application.receive_goods(database, store.code, random=Random(store.code + "r"), clock=now, lines=8)
    return database


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def rows(connection: sqlite3.Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    return connection.execute(query, values).fetchall()


def assert_consistent(connection: sqlite3.Connection) -> None:
    """Every reference holds, and every stock line has what the lines of transactions say."""
    assert rows(connection, "PRAGMA foreign_key_check") == []
    wrong = rows(
        connection,
        """SELECT item_line.ID, item_line.quantity, item_line.available,
            SUM(CASE WHEN t.status <> 'fn' THEN 0 WHEN t.type = 'si' THEN l.quantity ELSE -l.quantity END) AS moved,
            SUM(CASE WHEN t.status = 'fn' THEN 0 ELSE l.quantity END) AS set_aside
        FROM item_line LEFT JOIN trans_line AS l ON l.item_line_ID = item_line.ID
            LEFT JOIN transact AS t ON t.ID = l.transaction_ID
        GROUP BY item_line.ID
        HAVING moved IS NOT item_line.quantity OR item_line.available IS NOT moved - set_aside
            OR item_line.quantity < 0 OR item_line.available < 0""",
    )
    assert wrong == []
    totals = rows(
        connection,
        """SELECT t.ID, t.total, SUM(l.quantity * CASE t.type WHEN 'si' THEN l.cost_price ELSE l.sell_price END) AS due
        FROM transact AS t JOIN trans_line AS l ON l.transaction_ID = t.ID
        GROUP BY t.ID HAVING ABS(t.total - due) > 0.05""",
    )
    assert totals == []


def test_the_material_is_large_and_different_enough() -> None:
    assert len({medicine.code for medicine in MEDICINES}) == len(MEDICINES) >= 60
    assert len({medicine.item_name for medicine in MEDICINES}) == len(MEDICINES)
    assert all(medicine.pack_size > 0 and medicine.price > 0 for medicine in MEDICINES)
    assert len({party.code for party in SUPPLIERS}) == len(SUPPLIERS) >= 6
    assert len({party.code for party in CUSTOMERS}) == len(CUSTOMERS) >= 12


def test_central_data_fills_every_central_record_type(database: sqlite3.Connection) -> None:
    application.create_central_data(database, random=Random(1), clock=now)
    assert_consistent(database)
    empty = {table for table in tables(database) if not rows(database, f"SELECT 1 FROM {table} LIMIT 1")}
    assert empty == OF_A_STORE
    assert rows(database, "SELECT COUNT(*) FROM item") == [(len(MEDICINES),)]
    assert rows(
        database, "SELECT s.code, n.type FROM store AS s JOIN name AS n ON n.ID = s.name_ID ORDER BY s.code"
    ) == [
        ("BUM", "store"),
        ("CMS", "store"),
        ("KAL", "store"),
    ]
    keys = [key for table in tables(database) for (key,) in database.execute(f"SELECT ID FROM {table}")]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 32 and key == key.upper() and int(key, 16) >= 0 for key in keys)


def test_the_same_chance_and_clock_tell_the_same_story(tmp_path: Path) -> None:
    dumps = []
    for path in (tmp_path / "one.db", tmp_path / "two.db"):
        application.new_database(path)
        with closing(application.open_database(path)) as connection:
            random = Random(7)
            application.create_central_data(connection, random=random, clock=now)
            application.open_store(connection, "BUM", random=random, clock=now)
            application.receive_goods(connection, "BUM", random=random, clock=now)
            application.issue_goods(connection, "BUM", random=random, clock=now)
            application.stocktake(connection, "BUM", random=random, clock=now)
            dumps.append(list(connection.iterdump()))
    assert dumps[0] == dumps[1]


def test_received_goods_are_on_the_shelf(filled: sqlite3.Connection) -> None:
    header = application.receive_goods(filled, "BUM", random=Random(2), clock=now, lines=4, supplier="S-TAM")
    assert_consistent(filled)
    ((kind, status, supplier, lines, on_shelf),) = rows(
        filled,
        """SELECT t.type, t.status, n.code, COUNT(*), SUM(s.quantity = l.quantity AND s.store_ID = t.store_ID)
        FROM transact AS t JOIN name AS n ON n.ID = t.name_ID JOIN trans_line AS l ON l.transaction_ID = t.ID
        JOIN item_line AS s ON s.ID = l.item_line_ID WHERE t.ID = ?""",
        header,
    )
    assert (kind, status, supplier, lines, on_shelf) == ("si", "fn", "S-TAM", 4, 4)


def test_issuing_never_takes_more_than_there_is(filled: sqlite3.Connection) -> None:
    random = Random(3)
    left = "SELECT SUM(quantity) FROM item_line JOIN store ON store.ID = store_ID WHERE code = 'KAL'"
    while rows(filled, left) != [(0,)]:
        application.issue_goods(filled, "KAL", random=random, clock=now, lines=5)
    with pytest.raises(application.OutOfStockError):
        application.issue_goods(filled, "KAL", random=random, clock=now)
    assert_consistent(filled)
    assert not filled.in_transaction


def test_invoices_are_numbered_by_their_store(filled: sqlite3.Connection) -> None:
    random = Random(4)
    for store in ("BUM", "KAL", "BUM"):
        application.issue_goods(filled, store, random=random, clock=now)
    numbers = rows(
        filled,
        """SELECT s.code, t.invoice_num FROM transact AS t JOIN store AS s ON s.ID = t.store_ID
        WHERE t.type = 'ci' ORDER BY s.code, t.invoice_num""",
    )
    assert numbers == [("BUM", 1), ("BUM", 2), ("KAL", 1)]


def test_a_transfer_is_set_aside_and_leaves_the_shelf_when_finalised(filled: sqlite3.Connection) -> None:
    stock = "SELECT SUM(quantity), SUM(available) FROM item_line JOIN store ON store.ID = store_ID WHERE code = 'BUM'"
    ((before, _),) = rows(filled, stock)
    header = application.transfer(filled, "BUM", "KAL", random=Random(5), clock=now)
    assert rows(
        filled,
        """SELECT type, status, to_store.code FROM transact
        JOIN store AS to_store ON to_store.name_ID = transact.name_ID WHERE transact.ID = ?""",
        header,
    ) == [("ci", "nw", "KAL")]
    ((moved,),) = rows(filled, "SELECT SUM(quantity) FROM trans_line WHERE transaction_ID = ?", header)
    assert moved > 0
    assert rows(filled, stock) == [(before, before - moved)]
    assert_consistent(filled)
    application.finalise(filled, header, random=Random(5), clock=now)
    assert rows(filled, stock) == [(before - moved, before - moved)]
    assert_consistent(filled)
    assert rows(filled, "SELECT status FROM transact WHERE ID = ?", header) == [("fn",)]
    with pytest.raises(application.NotADraftError):
        application.finalise(filled, header, random=Random(5), clock=now)
    with pytest.raises(application.NotADraftError):
        application.delete_draft(filled, header)


def test_finalising_the_incoming_half_of_a_transfer_makes_stock(filled: sqlite3.Connection) -> None:
    sent = application.transfer(filled, "BUM", "KAL", random=Random(6), clock=now)
    application.finalise(filled, sent, random=Random(6), clock=now)
    # What the plugin for transfers writes at the receiving store.
    filled.execute(
        """INSERT INTO transact (ID, name_ID, store_ID, type, status, invoice_num, entry_date, total,
            linked_transaction_ID)
        SELECT 'IN', sender.name_ID, receiver.ID, 'si', 'nw', 99, '2024-05-06', 0, t.ID FROM transact AS t
        JOIN store AS sender ON sender.ID = t.store_ID JOIN store AS receiver ON receiver.name_ID = t.name_ID
        WHERE t.ID = ?""",
        (sent,),
    )
    filled.execute(
        """INSERT INTO trans_line
            (ID, transaction_ID, item_ID, line_number, type, item_name, batch, pack_size, quantity)
        SELECT 'IN' || ID, 'IN', item_ID, line_number, 'stock_in', item_name, batch, pack_size, quantity
        FROM trans_line WHERE transaction_ID = ?""",
        (sent,),
    )
    application.finalise(filled, "IN", random=Random(7), clock=now)
    assert_consistent(filled)
    both = "SELECT batch, quantity FROM trans_line WHERE transaction_ID = ? ORDER BY line_number"
    arrived = rows(
        filled,
        """SELECT s.batch, s.quantity FROM trans_line AS l JOIN item_line AS s ON s.ID = l.item_line_ID
        JOIN store ON store.ID = s.store_ID WHERE l.transaction_ID = 'IN' AND store.code = 'KAL'
        ORDER BY l.line_number""",
    )
    assert arrived == rows(filled, both, sent) != []


def test_a_deleted_draft_gives_back_what_it_had_set_aside(filled: sqlite3.Connection) -> None:
    before = rows(filled, "SELECT ID, quantity, available FROM item_line ORDER BY ID")
    header = application.transfer(filled, "KAL", "CMS", random=Random(8), clock=now)
    assert rows(filled, "SELECT ID, quantity, available FROM item_line ORDER BY ID") != before
    application.delete_draft(filled, header)
    assert rows(filled, "SELECT ID, quantity, available FROM item_line ORDER BY ID") == before
    assert rows(filled, "SELECT 1 FROM trans_line WHERE transaction_ID = ?", header) == []
    assert_consistent(filled)


def test_a_stocktake_adjusts_stock_to_what_was_counted(filled: sqlite3.Connection) -> None:
    # A draft stands meanwhile: what it has set aside must survive the count.
    application.transfer(filled, "BUM", "KAL", random=Random(9), clock=now)
    key = application.stocktake(filled, "BUM", random=Random(10), clock=now, lines=8)
    assert_consistent(filled)
    counted = rows(
        filled,
        """SELECT l.stock_take_qty = s.quantity, l.stock_take_qty - l.snapshot_qty, l.option_ID IS NULL
        FROM stock_take_lines AS l JOIN item_line AS s ON s.ID = l.item_line_ID WHERE l.stock_take_ID = ?""",
        key,
    )
    assert len(counted) == 8
    assert all(agrees for agrees, _, _ in counted)
    assert all((difference == 0) == no_reason for _, difference, no_reason in counted)
    ((additions, reductions),) = rows(
        filled,
        """SELECT a.type || a.status, r.type || r.status FROM stock_take
        LEFT JOIN transact AS a ON a.ID = invad_additions_ID LEFT JOIN transact AS r ON r.ID = invad_reductions_ID""",
    )
    assert additions == ("sifn" if any(difference > 0 for _, difference, _ in counted) else None)
    assert reductions == ("scfn" if any(difference < 0 for _, difference, _ in counted) else None)


def test_a_requisition_asks_another_store(filled: sqlite3.Connection) -> None:
    key = application.request_goods(filled, "KAL", "CMS", random=Random(11), clock=now, items=["PAR500T", "ORS205P"])
    assert_consistent(filled)
    asked = rows(
        filled,
        """SELECT asking.code, asked.code, item.code FROM requisition AS r JOIN requisition_line AS l
            ON l.requisition_ID = r.ID JOIN item ON item.ID = l.item_ID JOIN store AS asking ON asking.ID = r.store_ID
            JOIN store AS asked ON asked.name_ID = r.name_ID WHERE r.ID = ? ORDER BY l.line_number""",
        key,
    )
    assert asked == [("KAL", "CMS", "PAR500T"), ("KAL", "CMS", "ORS205P")]


def test_an_edited_item_keeps_what_was_not_changed(filled: sqlite3.Connection) -> None:
    ((name, _),) = rows(filled, "SELECT item_name, default_sell_price FROM item WHERE code = 'PAR500T'")
    application.edit_item(filled, "PAR500T", sell_price=6.5)
    assert rows(filled, "SELECT item_name, default_sell_price FROM item WHERE code = 'PAR500T'") == [(name, 6.5)]
    application.edit_item(filled, "PAR500T", item_name="Paracetamol 500 mg caplet")
    assert rows(filled, "SELECT item_name, default_sell_price FROM item WHERE code = 'PAR500T'") == [
        ("Paracetamol 500 mg caplet", 6.5)
    ]
    with pytest.raises(LookupError):
        application.edit_item(filled, "NONE", sell_price=1)


def test_a_refused_write_leaves_nothing_behind(filled: sqlite3.Connection) -> None:
    """A database that refuses a line, as a guard does, undoes the whole of what the storekeeper did."""
    filled.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON trans_line WHEN NEW.line_number = 2"
        " BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    before = list(filled.iterdump())
    with pytest.raises(sqlite3.IntegrityError, match="no"):
        application.issue_goods(filled, "BUM", random=Random(12), clock=now)
    assert not filled.in_transaction
    assert list(filled.iterdump()) == before


def test_a_database_is_never_made_over_another(tmp_path: Path) -> None:
    application.new_database(tmp_path / "store.db")
    with pytest.raises(FileExistsError):
        application.new_database(tmp_path / "store.db")
