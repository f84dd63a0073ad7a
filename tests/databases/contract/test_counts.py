"""Counting what comes within a site's reach, with record types as they would be after an edit: nothing is installed."""

import pytest

from msyncd.databases.counts import EVERYTHING, NOTHING, Reach, count
from msyncd.model import RecordType
from tests.databases.contract.stock import ITEM, ITEM_LINE, LINE_NOTE, TRANS_LINE, TRANSACT, TYPES, MakeStock, Stock

STANDS = """
INSERT INTO item VALUES ('i1', 'a', NULL, NULL), ('i2', 'b', NULL, NULL);
INSERT INTO item_line VALUES ('a1', 'b', 'i1', 1, NULL), ('a2', 'b', NULL, 1, NULL), ('a3', 'c', NULL, 1, NULL),
  ('a4', NULL, NULL, 1, NULL);
INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw'), ('t2', 'c', 'n2', 1, 'nw'), ('t3', NULL, NULL, 1, 'nw');
INSERT INTO trans_line VALUES ('l1', 't1', NULL, 5), ('l2', 't1', NULL, 5), ('l3', 't2', NULL, 5),
  ('l4', NULL, NULL, 5);
INSERT INTO line_note VALUES ('o1', 'l1', 'x'), ('o2', 'l3', 'x'), ('o3', NULL, 'x');
"""
B, C = Reach(stores=frozenset({"b"})), Reach(stores=frozenset({"c"}))
TO_N2 = Reach(stores=frozenset({"b"}), routes=frozenset({"n2"}))


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Rows of two stores, of none, and lines without a header."""
    return make_stock(guard=False, before=STANDS)


def counted(stock: Stock, one: RecordType, inside: Reach, outside: Reach = NOTHING) -> int:
    spelled = {name: stock.types[name] for name in (each.name for each in TYPES)}
    return count(stock.database.lookups(), spelled[one.name], spelled, inside, outside)


@pytest.mark.parametrize(
    ("one", "everything", "b", "to_n2"),
    [(ITEM, 2, 0, 0), (ITEM_LINE, 4, 2, 2), (TRANSACT, 3, 1, 2), (TRANS_LINE, 4, 2, 3), (LINE_NOTE, 3, 1, 2)],
    ids=lambda value: value.name if isinstance(value, RecordType) else "",
)
def test_what_is_within_a_reach(stock: Stock, one: RecordType, everything: int, b: int, to_n2: int) -> None:
    assert counted(stock, one, EVERYTHING) == everything
    assert counted(stock, one, B) == b
    assert counted(stock, one, TO_N2) == to_n2
    assert counted(stock, one, NOTHING) == 0


def test_what_is_within_one_and_not_within_another(stock: Stock) -> None:
    assert counted(stock, TRANS_LINE, EVERYTHING, B) == 2, "a line without a header is within no store"
    assert counted(stock, TRANS_LINE, TO_N2, B) == 1
    assert counted(stock, TRANSACT, C, TO_N2) == 0
    assert counted(stock, TRANSACT, B, EVERYTHING) == 0
    assert counted(stock, ITEM_LINE, B, C) == 2
