"""dataset on a borrowed connection: exact about names, and never the one who commits."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dataset import Database

from msyncd.databases.lookups import bound_to
from msyncd.errors import DatabaseUnavailable, MsyncdError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A stock database in rollback-journal mode."""
    path = tmp_path / "store.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE item (ID TEXT PRIMARY KEY, item_name TEXT, created_date DATE, price NUMERIC)")
        connection.execute("INSERT INTO item VALUES ('a', 'Amoxicillin', '2026-02-30', 1.1)")
    connection.close()
    return path


@pytest.fixture
def connection(file: Path) -> Iterator[sqlite3.Connection]:
    """The daemon's connection: transactions are begun by hand."""
    connection = sqlite3.connect(file, isolation_level=None, timeout=0.05)
    yield connection
    connection.close()


def test_values_are_as_the_driver_gives_them(connection: sqlite3.Connection) -> None:
    found = bound_to(connection)["item"].find_one(ID="a")
    # 30 February is what the application wrote: a conversion to a date would fail on it.
    assert found == {"ID": "a", "item_name": "Amoxicillin", "created_date": "2026-02-30", "price": 1.1}


def test_names_match_whatever_their_case(connection: sqlite3.Connection) -> None:
    assert bound_to(connection)["ITEM"].count(id="a") == 1


@pytest.mark.parametrize("table", ["itme", "orders"])
def test_an_unknown_table_is_an_error(connection: sqlite3.Connection, table: str) -> None:
    with pytest.raises(MsyncdError, match=f"there is no table {table}"):
        bound_to(connection)[table]


def test_an_unknown_column_is_an_error_wherever_it_is_named(connection: sqlite3.Connection) -> None:
    item = bound_to(connection)["item"]
    with pytest.raises(MsyncdError, match="item has no column item_nam; did you mean item_name"):
        item.find_one(item_nam="Amoxicillin")
    with pytest.raises(MsyncdError, match="no column qty"):
        item.insert({"ID": "b", "qty": 1})
    with pytest.raises(MsyncdError, match="no column qty"):
        item.insert({"ID": "b", "qty": 1}, ensure=True)
    with pytest.raises(MsyncdError, match="no column qty"):
        item.upsert({"ID": "a", "qty": 1}, ["ID"])
    with pytest.raises(MsyncdError, match="no column qty"):
        list(item.find(order_by="-qty"))
    with pytest.raises(MsyncdError, match="no column qty"):
        item.delete(qty=1)
    assert connection.execute("SELECT count(*), group_concat(name) FROM pragma_table_info('item')").fetchone() == (
        4,
        "ID,item_name,created_date,price",
    )


def test_no_table_is_made(connection: sqlite3.Connection) -> None:
    with pytest.raises(MsyncdError, match="makes no table"):
        bound_to(connection).create_table("report")


def test_it_sees_and_joins_the_open_transaction_and_never_ends_it(connection: sqlite3.Connection, file: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO item (ID) VALUES ('b')")
    db = bound_to(connection)
    assert db["item"].count() == 2
    db["item"].insert({"ID": "c"})
    db["item"].update({"ID": "a", "item_name": "Changed"}, ["ID"])
    db.query("DELETE FROM item WHERE ID = :id", id="b")
    db.commit()
    assert connection.in_transaction
    with sqlite3.connect(file) as other:
        assert other.execute("SELECT ID, item_name FROM item").fetchall() == [("a", "Amoxicillin")]
    connection.execute("COMMIT")
    assert connection.execute("SELECT ID, item_name FROM item ORDER BY 1").fetchall() == [("a", "Changed"), ("c", None)]


def test_with_db_is_a_savepoint(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    db = bound_to(connection)
    with db:
        db["item"].insert({"ID": "kept"})
        with pytest.raises(RuntimeError, match="changed my mind"):
            _change_my_mind(db)
    connection.execute("COMMIT")
    assert connection.execute("SELECT ID FROM item ORDER BY 1").fetchall() == [("a",), ("kept",)]


def _change_my_mind(db: Database) -> None:
    with db:
        db["item"].insert({"ID": "undone"})
        raise RuntimeError("changed my mind")


def test_the_transaction_is_not_a_plugins_to_roll_back(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    db = bound_to(connection)
    db["item"].insert({"ID": "b"})
    with pytest.raises(MsyncdError, match="not the plugin's to roll back"):
        db.rollback()
    assert connection.in_transaction


def test_closing_it_leaves_the_connection_open_and_as_it_was(connection: sqlite3.Connection) -> None:
    db = bound_to(connection)
    assert db["item"].count() == 1
    db.close()
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    with pytest.raises(sqlite3.OperationalError, match="no such function: REGEXP"):
        connection.execute("SELECT 'a' REGEXP 'a'")


def test_reads_leave_no_transaction_open(connection: sqlite3.Connection) -> None:
    assert bound_to(connection)["item"].count() == 1
    assert not connection.in_transaction


def test_a_locked_database_is_a_reason_to_try_later(connection: sqlite3.Connection, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(DatabaseUnavailable):
            bound_to(connection)["item"].count()
    finally:
        other.close()


def test_a_damaged_database_is_no_records_fault_either(file: Path) -> None:
    with file.open("r+b") as whole:
        whole.seek(100)
        whole.write(b"\xff" * 3900)
    connection = sqlite3.connect(file)
    try:
        with pytest.raises(DatabaseUnavailable, match="malformed"):
            bound_to(connection)["item"].count()
    finally:
        connection.close()


def test_dataset_is_imported_only_when_it_is_used() -> None:
    program = "import sys, msyncd.databases.lookups, msyncd.plugins, msyncd.rules; assert 'dataset' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
