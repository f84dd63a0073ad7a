"""Pieces of a fill: pages in key order, counts, scopes; log entries for a whole scope."""

from collections.abc import Iterator

import pytest

from msyncd.databases.values import KEY, ROUTE, STORE, WRITE, Scope
from msyncd.model import RecordType, Row
from tests.databases.contract.stock import MakeStock, Stock

EVERYTHING = Scope()
STANDS = """
INSERT INTO item VALUES ('i2', NULL, NULL, NULL), ('i1', NULL, NULL, NULL), ('i10', NULL, NULL, NULL);
INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, ''), ('t2', 'k', 'n2', 1, ''), ('t3', 'h', 'n2', 1, ''),
  ('t4', NULL, 'n1', 4, ''), ('t5', 'b', NULL, 5, '');
INSERT INTO trans_line VALUES ('l1', 't1', NULL, 1), ('l2', 't2', NULL, 1), ('l3', 't3', NULL, 1),
  ('l4', 't4', NULL, 1);
INSERT INTO line_note VALUES ('o1', 'l1', ''), ('o2', 'l2', '');
"""


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard, on which rows stand."""
    return make_stock(guard=False, before=STANDS)


def pieces(stock: Stock, name: str, limit: int, scope: Scope = EVERYTHING) -> Iterator[list[Row]]:
    """Every row of a scope, in looks of their own."""
    record_type, after = stock.types[name], None
    while True:
        with stock.database.read() as reader:
            rows = reader.page(record_type, after, limit, scope)
        yield rows
        if len(rows) < limit:
            return
        after = record_type.key_of(rows[-1])


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_pieces_give_every_row_once(stock: Stock, limit: int) -> None:
    for name, count in (("item", 3), ("transact", 5), ("trans_line", 4)):
        keys = [row[0] for rows in pieces(stock, name, limit) for row in rows]
        assert len(keys) == len(set(keys)) == count


def test_rows_come_in_the_order_in_which_a_site_in_python_would_put_them(make_stock: MakeStock) -> None:
    """Every database cuts a fill into the same ranges: by bytes, whatever its collation."""
    keys = [
        "a",
        "B",
        "b",
        "A",
        "ä",
        "z",
        "Z",
        "_",
        "-1",
        "1",
        "10",
        "2",
        "a b",
        "a-b",
        "ab",
        "é",
        "e",
        "f",
        "",
        "😀",
        "�",
    ]
    one = RecordType("one", "one", ("ID",), ("ID",), "any_site", "every_site")
    stock = make_stock(schema="CREATE TABLE one (ID VARCHAR(40) PRIMARY KEY);", types=[one])
    for key in keys:
        stock.run("INSERT INTO one VALUES (?)", (key,))
    expected = sorted(keys, key=lambda key: key.encode())
    assert [row[0] for rows in pieces(stock, "one", 3) for row in rows] == expected
    with stock.database.read() as reader:
        within = reader.page(stock.types["one"], ("B",), 50, EVERYTHING, upto=("b",))
        assert [row[0] for row in within] == [key for key in expected if "B" < key <= "b"]


def test_uuids_come_in_the_order_of_their_text(make_stock: MakeStock) -> None:
    one = RecordType("one", "one", ("ID",), ("ID",), "any_site", "every_site")
    stock = make_stock(schema="CREATE TABLE one (ID UUID PRIMARY KEY);", types=[one])
    keys = [
        f"{a}-{b}-{c}-8{b[1:]}-{a}{b}"
        for a in ("00000001", "fffffff0", "7fffffff")
        for b in ("0001", "ff00")
        for c in ("1001", "40ff", "7000")
    ]
    for key in keys:
        stock.run("INSERT INTO one VALUES (?)", (key,))
    assert [row[0] for rows in pieces(stock, "one", 4) for row in rows] == sorted(keys)
    middle = sorted(keys)[7]
    with stock.database.read() as reader:
        within = reader.page(stock.types["one"], (middle,), 50, EVERYTHING, upto=(sorted(keys)[11],))
        assert [row[0] for row in within] == sorted(keys)[8:12]


def test_numbers_come_in_their_order(make_stock: MakeStock) -> None:
    one = RecordType("one", "one", ("a", "b"), ("a", "b"), "any_site", "every_site")
    stock = make_stock(schema="CREATE TABLE one (a BIGINT, b INTEGER, PRIMARY KEY (a, b));", types=[one])
    keys = [(a, b) for a in (-(2**62), -1, 0, 2, 10, 2**62) for b in (-5, 3, 20)]
    for key in reversed(keys):
        stock.run("INSERT INTO one VALUES (?, ?)", key)
    assert [row for rows in pieces(stock, "one", 4) for row in rows] == keys
    with stock.database.read() as reader:
        page = reader.page(stock.types["one"], (0, 3), 50, EVERYTHING, upto=(10, -5))
        assert page == [(0, 20), (2, -5), (2, 3), (2, 20), (10, -5)]
        assert reader.page(stock.types["one"], (2**62, 20), 50, EVERYTHING) == []


def test_a_range_ends_with_its_last_key(stock: Stock) -> None:
    with stock.database.read() as reader:
        item = stock.types["item"]
        assert [row[0] for row in reader.page(item, None, 9, EVERYTHING, upto=("i10",))] == ["i1", "i10"]
        assert [row[0] for row in reader.page(item, ("i1",), 9, EVERYTHING, upto=("i15",))] == ["i10"]
        assert reader.page(item, ("i2",), 9, EVERYTHING) == []


def test_scopes_by_store_and_by_route_through_parents(stock: Stock) -> None:
    def found(name: str, stores: set[str] | None, routes: set[str]) -> list[object]:
        scope = Scope(None if stores is None else frozenset(stores), frozenset(routes))
        rows = [row for page in pieces(stock, name, 2, scope) for row in page]
        with stock.database.read() as reader:
            assert reader.count(stock.types[name], scope) == len(rows)
        return [row[0] for row in rows]

    assert found("transact", None, set()) == ["t1", "t2", "t3", "t4", "t5"]
    assert found("transact", {"b"}, set()) == ["t1", "t5"]
    assert found("transact", {"b", "k"}, set()) == ["t1", "t2", "t5"]
    assert found("transact", {"b"}, {"n2"}) == ["t1", "t2", "t3", "t5"]
    assert found("transact", set(), {"n1"}) == ["t1", "t4"]
    assert found("transact", set(), set()) == []
    assert found("trans_line", {"b"}, set()) == ["l1"]
    assert found("trans_line", {"h"}, {"n1"}) == ["l1", "l3", "l4"]
    assert found("line_note", {"k"}, set()) == ["o2"]
    assert found("item", {"b"}, set()) == ["i1", "i10", "i2"]  # of no store: everyone's
    assert found("transact", {f"s{number}" for number in range(2000)} | {"h"}, set()) == ["t3"]


def test_a_piece_of_many_rows(make_stock: MakeStock) -> None:
    one = RecordType("one", "one", ("ID",), ("ID",), "any_site", "every_site")
    stock = make_stock(schema="CREATE TABLE one (ID INTEGER PRIMARY KEY);", types=[one])
    for first in range(0, 20_000, 1000):
        stock.run(f"INSERT INTO one VALUES {', '.join(f'({number})' for number in range(first, first + 1000))}")
    with stock.database.read() as reader:
        assert reader.count(stock.types["one"], EVERYTHING) == 20_000
        assert len(reader.page(stock.types["one"], None, 20_000, EVERYTHING)) == 20_000


def test_a_whole_scope_is_logged(stock: Stock) -> None:
    stock.forget()
    with stock.database.write() as writer:
        scope = Scope(frozenset({"b"}), frozenset({"n2"}))
        assert writer.log_all(stock.ids["transact"], stock.types["transact"], 1, scope) == 4
        assert writer.log_all(stock.ids["line_note"], stock.types["line_note"], 2, Scope()) == 2
        assert writer.log_all(stock.ids["item"], stock.types["item"], 1, Scope(frozenset())) == 3
    entries = stock.entries()
    told = {(entry[KEY], entry[1], entry[2], entry[STORE], entry[ROUTE]) for entry in entries}
    assert told == {
        ("t1", WRITE, 1, "b", "n1"),
        ("t2", WRITE, 1, "k", "n2"),
        ("t3", WRITE, 1, "h", "n2"),
        ("t5", WRITE, 1, "b", None),
        ("o1", WRITE, 2, "b", "n1"),
        ("o2", WRITE, 2, "k", "n2"),
        *((item, WRITE, 1, None, None) for item in ("i1", "i2", "i10")),
    }
    assert {entry[KEY]: entry[8] for entry in entries if entry[KEY][0] == "o"} == {"o1": "l1", "o2": "l2"}
