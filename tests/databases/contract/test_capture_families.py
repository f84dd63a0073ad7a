"""A record that is known through its parent is logged with what the parent is and was (P4, P5, P10)."""

from dataclasses import replace

import pytest

from msyncd.databases.values import DELETE, KEY, OPERATION, PARENT, ROUTE, ROUTE_BEFORE, STORE, STORE_BEFORE, WRITE
from tests.databases.contract.stock import HEADER, LINE, TRANS_LINE, TRANSACT, MakeStock, Stock, seen

WITHOUT_FOREIGN_KEYS = """
CREATE TABLE transact (ID VARCHAR(40) PRIMARY KEY, store_ID VARCHAR(40), name_ID VARCHAR(40), number INTEGER,
  status VARCHAR(8));
CREATE TABLE trans_line (ID VARCHAR(40) PRIMARY KEY, transaction_ID VARCHAR(40), item_ID VARCHAR(40),
  quantity {double});
"""


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard."""
    return make_stock(guard=False)


def test_p04_a_record_through_two_parents_has_the_root_s_store_and_route(stock: Stock) -> None:
    stock.family()
    stock.run("UPDATE line_note SET note = 'cold'")
    (entry,) = stock.entries()
    assert (entry[OPERATION], entry[STORE], entry[PARENT], entry[KEY]) == (WRITE, "b", "l1", "o1")


def test_p10_a_move_between_stores_logs_both_and_every_record_through_it(stock: Stock) -> None:
    stock.family()
    stock.run("UPDATE transact SET store_ID = 'h'")
    assert stock.seen() == {
        ("transact", "t1"): seen(WRITE, "h b", "n1"),
        ("trans_line", "l1"): seen(WRITE, "h b", "n1"),
        ("line_note", "o1"): seen(WRITE, "h b", "n1"),
    }


def test_p10_a_changed_routing_column_logs_every_record_through_it(stock: Stock) -> None:
    stock.family()
    stock.run("UPDATE transact SET name_ID = 'n2'")
    assert stock.seen() == {
        ("transact", "t1"): seen(WRITE, "b", "n2 n1"),
        ("trans_line", "l1"): seen(WRITE, "b", "n2 n1"),
        ("line_note", "o1"): seen(WRITE, "b", "n2 n1"),
    }


def test_p10_a_move_of_several_logs_each_with_its_own(stock: Stock) -> None:
    stock.family()
    stock.run("INSERT INTO transact VALUES ('t2', 'k', 'n2', 2, 'nw')")
    stock.run("INSERT INTO trans_line VALUES ('l2', 't2', NULL, 5)")
    stock.forget()
    stock.run("UPDATE transact SET store_ID = 'h'")
    assert stock.seen() == {
        ("transact", "t1"): seen(WRITE, "h b", "n1"),
        ("trans_line", "l1"): seen(WRITE, "h b", "n1"),
        ("line_note", "o1"): seen(WRITE, "h b", "n1"),
        ("transact", "t2"): seen(WRITE, "h k", "n2"),
        ("trans_line", "l2"): seen(WRITE, "h k", "n2"),
    }


def test_only_a_header_that_moves_logs_its_lines(stock: Stock) -> None:
    stock.family()
    stock.run("UPDATE transact SET status = 'cn', store_ID = 'b', name_ID = 'n1'")
    assert stock.logged() == {("transact", "t1")}


def test_a_store_that_becomes_unknown_or_known_counts_as_a_move(stock: Stock) -> None:
    stock.family()
    stock.run("UPDATE transact SET store_ID = NULL, name_ID = NULL")
    assert stock.seen()["line_note", "o1"] == seen(WRITE, "b", "n1")
    stock.run("UPDATE transact SET store_ID = 'h', name_ID = 'n2'")
    assert stock.seen()["line_note", "o1"] == seen(WRITE, "h", "n2")


def test_a_changed_parent_is_logged_with_both(stock: Stock) -> None:
    stock.family()
    stock.run("INSERT INTO transact VALUES ('t2', 'h', 'n2', 1, 'nw')")
    stock.forget()
    stock.run("UPDATE trans_line SET transaction_ID = 't2'")
    entries = stock.entries()
    lines = [entry for entry in entries if entry[0] == stock.ids["trans_line"]]
    assert {entry[PARENT] for entry in lines} == {"t1", "t2"}
    stock.run("UPDATE trans_line SET transaction_ID = 't1'")
    assert stock.seen() == {
        ("trans_line", "l1"): seen(WRITE, "b h", "n1 n2"),
        ("line_note", "o1"): seen(WRITE, "b h", "n1 n2"),
    }


def test_a_changed_key_is_a_delete_and_a_write_and_cascades_to_the_lines(stock: Stock) -> None:
    stock.family()
    stock.run("UPDATE transact SET ID = 't9'")
    told = stock.seen()
    told.pop(("line_note", "o1"), None)  # its line changed its parent, if only by name
    assert told == {
        ("transact", "t1"): seen(DELETE, "b", "n1"),
        ("transact", "t9"): seen(WRITE, "b", "n1"),
        ("trans_line", "l1"): seen(WRITE, "b", "n1"),
    }
    stock.run("UPDATE line_note SET ID = 'o9'")
    assert stock.seen() == {
        ("line_note", "o1"): seen(DELETE, "b", "n1"),
        ("line_note", "o9"): seen(WRITE, "b", "n1"),
    }


def test_p10_a_header_that_moves_and_gets_another_key_in_one_statement_logs_both_stores(stock: Stock) -> None:
    stock.family()
    stock.run("INSERT INTO transact VALUES ('t2', 'k', 'n2', 2, 'nw')")
    stock.run("INSERT INTO trans_line VALUES ('l2', 't2', NULL, 5)")
    stock.run("INSERT INTO line_note VALUES ('o2', 'l2', 'cold')")
    stock.forget()
    key = "CASE ID WHEN 't1' THEN 'x1' ELSE 'x2' END"
    stock.run(f"UPDATE transact SET ID = {key}, store_ID = 'h', name_ID = 'n3'")
    by_record = stock.by_record()
    for line, note, store, name in (("l1", "o1", "b", "n1"), ("l2", "o2", "k", "n2")):
        for record in (("trans_line", line), ("line_note", note)):
            # by its own entries: nobody looks up a header that went for a record that stands
            stores = {entry[place] for entry in by_record[record] for place in (STORE, STORE_BEFORE)}
            routes = {entry[place] for entry in by_record[record] for place in (ROUTE, ROUTE_BEFORE)}
            assert (record, stores - {None}, routes - {None}) == (record, {"h", store}, {"n3", name})
            assert by_record[record][-1][STORE] == "h"
    headers = {(*record, one[OPERATION], one[STORE]) for record, several in by_record.items() for one in several}
    headers = {one for one in headers if one[0] == "transact"}
    assert {(DELETE, "b"), (DELETE, "k"), (WRITE, "h")} == {one[2:] for one in headers}
    assert {one[1] for one in headers if one[2] == DELETE} == {"t1", "t2"}


def test_p04_a_deleted_parent_tells_where_its_lines_were(stock: Stock) -> None:
    stock.family()
    stock.run("DELETE FROM transact")
    assert stock.seen() == {
        ("transact", "t1"): seen(DELETE, "b", "n1"),
        ("trans_line", "l1"): seen(DELETE, "b", "n1"),
        ("line_note", "o1"): seen(DELETE, "b", "n1"),
    }


def test_p04_lines_deleted_before_or_after_their_header_in_one_transaction(make_stock: MakeStock) -> None:
    stock = make_stock(schema=WITHOUT_FOREIGN_KEYS, types=[TRANSACT, TRANS_LINE], guard=False)
    for order in (("trans_line", "transact"), ("transact", "trans_line")):
        stock.run(HEADER)
        stock.run(LINE)
        stock.forget()
        stock.application.begin()
        for table in order:
            stock.run(f"DELETE FROM {table}")
        stock.application.commit()
        assert stock.seen() == {
            ("transact", "t1"): seen(DELETE, "b", "n1"),
            ("trans_line", "l1"): seen(DELETE, "b", "n1"),
        }


def test_p05_a_reference_set_null_by_a_cascade_is_logged(stock: Stock) -> None:
    stock.run("INSERT INTO item VALUES ('i1', 'amox', 'Amoxicillin', NULL)")
    stock.run(HEADER)
    stock.run("INSERT INTO trans_line VALUES ('l1', 't1', 'i1', 5)")
    stock.run("INSERT INTO item_line VALUES ('s1', 'k', 'i1', 5, NULL)")
    stock.forget()
    stock.run("DELETE FROM item")
    assert stock.seen() == {
        ("item", "i1"): seen(DELETE),
        ("trans_line", "l1"): seen(WRITE, "b", "n1"),
        ("item_line", "s1"): seen(DELETE, "k"),
    }


def test_p05_a_key_that_cascades_is_logged_at_its_children(stock: Stock) -> None:
    stock.run("INSERT INTO item VALUES ('i1', 'amox', 'Amoxicillin', NULL)")
    stock.run("INSERT INTO item_line VALUES ('s1', 'k', 'i1', 5, NULL)")
    stock.forget()
    stock.run("UPDATE item SET ID = 'i2'")
    assert stock.seen() == {
        ("item", "i1"): seen(DELETE),
        ("item", "i2"): seen(WRITE),
        ("item_line", "s1"): seen(WRITE, "k"),
    }


def test_lines_may_come_before_their_header(make_stock: MakeStock) -> None:
    stock = make_stock(schema=WITHOUT_FOREIGN_KEYS, types=[TRANSACT, TRANS_LINE], guard=False)
    stock.application.begin()
    stock.run(LINE)
    stock.run(HEADER)
    stock.application.commit()
    assert stock.logged() == {("transact", "t1"), ("trans_line", "l1")}


def test_a_record_type_s_own_routing_column_counts_where_its_root_has_none(make_stock: MakeStock) -> None:
    assert TRANSACT.also_sent_to is not None
    line = replace(TRANS_LINE, also_sent_to=replace(TRANSACT.also_sent_to, column="item_ID"))
    stock = make_stock(schema=WITHOUT_FOREIGN_KEYS, types=[replace(TRANSACT, also_sent_to=None), line])
    stock.run(HEADER)
    stock.run("INSERT INTO trans_line VALUES ('l1', 't1', 'i1', 5)")
    stock.forget()
    stock.run("UPDATE trans_line SET item_ID = 'i2'")
    assert stock.seen() == {("trans_line", "l1"): seen(WRITE, "b", "i2 i1")}
    stock.run("UPDATE transact SET store_ID = 'h'")
    assert stock.seen() == {("transact", "t1"): seen(WRITE, "h b"), ("trans_line", "l1"): seen(WRITE, "h b", "i2")}
