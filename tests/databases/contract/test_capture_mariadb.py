"""What only MariaDB's applications do: REPLACE, ON DUPLICATE KEY, several tables at once; its silent cascades."""

from dataclasses import replace

import pytest

from msyncd.databases.values import DELETE, WRITE
from msyncd.model import RecordType, StoreFact
from tests.databases.contract.stock import FACTS, STORES, MakeStock, Stock, seen

pytestmark = pytest.mark.parametrize("database_kind", ["mariadb"], indirect=True)


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard."""
    return make_stock(guard=False)


def test_p05_rows_that_replace_removes_are_logged_with_what_cascades(stock: Stock) -> None:
    stock.family()
    stock.run("REPLACE INTO transact VALUES ('t2', 'b', 'n2', 1, 'nw')")
    assert stock.fetch("SELECT ID FROM transact") == [("t2",)]
    assert stock.seen() == {
        ("transact", "t1"): seen(DELETE, "b", "n1"),
        ("trans_line", "l1"): seen(DELETE, "b", "n1"),
        ("line_note", "o1"): seen(DELETE, "b", "n1"),
        ("transact", "t2"): seen(WRITE, "b", "n2"),
    }


def test_a_row_replaced_under_its_own_key_keeps_its_old_store_in_the_log(stock: Stock) -> None:
    stock.run("INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw')")
    stock.forget()
    stock.run("REPLACE INTO transact VALUES ('t1', 'h', 'n2', 1, 'nw')")
    told = stock.seen()["transact", "t1"]
    assert told.stores == frozenset({"b", "h"})
    assert told.routes == frozenset({"n1", "n2"})


def test_on_duplicate_key_and_ignore_log_what_they_do(stock: Stock) -> None:
    stock.run("INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw')")
    stock.forget()
    stock.run("INSERT INTO transact VALUES ('t1', 'x', 'n2', 1, 'nw') ON DUPLICATE KEY UPDATE store_ID = 'h'")
    told = stock.seen()
    assert told.keys() == {("transact", "t1")}
    assert {"b", "h"} <= told["transact", "t1"].stores
    stock.run("INSERT INTO transact VALUES ('t2', 'h', 'n2', 1, 'nw') ON DUPLICATE KEY UPDATE ID = 't3'")
    assert stock.fetch("SELECT ID FROM transact") == [("t3",)]
    assert stock.logged() >= {("transact", "t1"), ("transact", "t3")}
    stock.run("INSERT IGNORE INTO transact VALUES ('t3', 'x', 'n2', 1, 'nw'), ('t4', 'k', 'n2', 1, 'nw')")
    assert stock.fetch("SELECT ID FROM transact ORDER BY ID") == [("t3",), ("t4",)]
    assert ("transact", "t4") in stock.logged()


def test_several_tables_in_one_statement_are_all_logged(stock: Stock) -> None:
    stock.family()
    stock.run("UPDATE transact t JOIN trans_line l ON l.transaction_ID = t.ID SET t.status = 'fn', l.quantity = 7")
    assert stock.logged() == {("transact", "t1"), ("trans_line", "l1")}
    stock.run("DELETE l, n FROM trans_line l JOIN line_note n ON n.line_ID = l.ID")
    assert stock.seen() == {
        ("trans_line", "l1"): seen(DELETE, "b", "n1"),
        ("line_note", "o1"): seen(DELETE, "b", "n1"),
    }


def test_p05_cascades_fire_no_trigger_of_the_child_and_are_logged_and_guarded_all_the_same(
    make_stock: MakeStock,
) -> None:
    before = """
    INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw');
    INSERT INTO trans_line VALUES ('l1', 't1', NULL, 5), ('l2', 't1', NULL, 5);
    INSERT INTO line_note VALUES ('o1', 'l1', 'a'), ('o2', 'l2', 'b');
    INSERT INTO item VALUES ('i1', 'amox', 'Amoxicillin', NULL);
    INSERT INTO item_line VALUES ('s1', 'b', 'i1', 10, NULL), ('s2', 'k', 'i1', 10, 'kalo');
    """
    facts = replace(FACTS, stores={**STORES, "b": StoreFact("b", "BUM", 1)})
    stock = make_stock(before=before, site=1, facts=facts)
    stock.run("DELETE FROM transact WHERE ID = 't1'")
    gone = {"transact": ["t1"], "trans_line": ["l1", "l2"], "line_note": ["o1", "o2"]}
    assert stock.seen() == {(name, key): seen(DELETE, "b", "n1") for name, keys in gone.items() for key in keys}
    assert stock.refusal("DELETE FROM item") == "store KAL is active on site 3, not here"
    assert stock.refusal("UPDATE item SET ID = 'i9'") == "store KAL is active on site 3, not here"
    stock.take_away("item_line", ("s2",))
    stock.run("DELETE FROM item")
    assert stock.seen() == {("item", "i1"): seen(DELETE), ("item_line", "s1"): seen(DELETE, "b")}


def test_a_self_reference_that_cascades_is_logged_to_its_depth(make_stock: MakeStock) -> None:
    schema = """CREATE TABLE place (ID VARCHAR(40) PRIMARY KEY,
      above VARCHAR(40) REFERENCES place (ID) ON DELETE CASCADE);"""
    place = RecordType("place", "place", ("ID",), ("ID", "above"), "any_site", "every_site")
    stock = make_stock(schema=schema, types=[place])
    for number in range(6):
        stock.run("INSERT INTO place VALUES (?, ?)", (f"p{number}", f"p{number - 1}" if number else None))
    stock.forget()
    stock.run("DELETE FROM place WHERE ID = 'p0'")
    assert stock.fetch("SELECT * FROM place") == []
    assert stock.logged() == {("place", f"p{number}") for number in range(6)}
