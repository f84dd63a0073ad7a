"""The `dataset` library on a database of any kind: for looking things up, exact about names."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from dataset import Database

from msyncd.errors import MsyncdError
from tests.databases.contract.stock import HEADER, MakeStock, Stock

STANDS = """
INSERT INTO item VALUES ('i1', 'amox', 'Amoxicillin', 'here'), ('i2', 'para', NULL, NULL);
"""


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard, on which rows stand."""
    return make_stock(guard=False, before=STANDS)


def test_rows_are_looked_up_whatever_the_case_of_names(stock: Stock) -> None:
    item = stock.database.lookups()["Item"]
    assert item.count() == 2
    found = item.find_one(id="i1")
    assert found is not None
    assert {name.casefold(): value for name, value in found.items()} == {
        "id": "i1", "code": "amox", "item_name": "Amoxicillin", "local_note": "here",
    }  # fmt: skip
    assert item.find_one(CODE="gone") is None
    assert [row[stock.columns("item", ["ID"])[0]] for row in item.find(order_by="-Code")] == ["i2", "i1"]


def test_unknown_names_are_errors(stock: Stock) -> None:
    db = stock.database.lookups()
    with pytest.raises(MsyncdError, match="there is no table itme"):
        db["itme"]
    with pytest.raises(MsyncdError, match="no column item_nam; did you mean item_name"):
        db["item"].find_one(item_nam="x")


def test_it_sees_what_is_committed_now_and_leaves_nothing_open(stock: Stock) -> None:
    db = stock.database.lookups()
    assert db["transact"].count() == 0
    stock.run(HEADER)
    assert db["transact"].count() == 1
    stock.run("ALTER TABLE transact ADD COLUMN extra VARCHAR(40)")  # nobody holds the table


def test_it_only_reads(stock: Stock) -> None:
    with pytest.raises(Exception, match=r"(?i)read.?only|cannot execute|attempt to write"):
        stock.database.lookups()["item"].insert({"ID": "i9"})
    assert stock.fetch("SELECT count(*) FROM item") == [(2,)]


def test_each_thread_has_its_own(stock: Stock) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: stock.database.lookups()["item"].count(), range(40))) == {2}


def test_within_a_transaction_it_sees_and_joins_it(stock: Stock) -> None:
    with pytest.raises(InterruptedError):
        _write_and_fail(stock)
    assert stock.fetch("SELECT count(*) FROM item") == [(2,)]
    with stock.database.write() as writer:
        writer.begin_applying(1)
        writer.upsert(stock.types["item"], stock.types["item"].columns, [("i3", None, None)])
        db = writer.lookups()
        assert db["item"].count() == 3
        with writer.as_application():
            db["item"].insert({"ID": "i4", "item_name": "by a hook"})
            db["item"].upsert({"ID": "i3", "item_name": "corrected"}, ["ID"])
            db["item"].delete(ID="i2")
        writer.end_applying()
    assert stock.fetch("SELECT ID, item_name FROM item ORDER BY ID") == [
        ("i1", "Amoxicillin"),
        ("i3", "corrected"),
        ("i4", "by a hook"),
    ]
    assert stock.logged() == {("item", "i2"), ("item", "i3"), ("item", "i4")}


def _write_and_fail(stock: Stock) -> None:
    with stock.database.write() as writer:
        writer.lookups()["item"].insert({"ID": "i9"})
        raise InterruptedError


def test_with_db_is_a_savepoint(stock: Stock) -> None:
    with stock.database.write() as writer:
        db = writer.lookups()
        db["item"].insert({"ID": "kept"})
        with pytest.raises(InterruptedError):
            _insert_and_fail(db)
    assert stock.fetch("SELECT ID FROM item ORDER BY ID") == [("i1",), ("i2",), ("kept",)]


def _insert_and_fail(db: Database) -> None:
    with db:
        db["item"].insert({"ID": "undone"})
        raise InterruptedError
