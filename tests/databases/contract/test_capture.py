"""Every write of the application is logged, in the transaction that made it (P1, P2, P5)."""

import pytest

from msyncd.databases.values import DELETE, KEY, ONLY_SITE, ORIGIN, WRITE
from msyncd.model import RecordType
from tests.databases.contract.application import Application
from tests.databases.contract.stock import HEADER, LINE, SCHEMA, MakeStock, Stock, seen


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard."""
    return make_stock(guard=False)


def test_insert_update_and_delete_are_logged_in_their_order(stock: Stock) -> None:
    stock.run(HEADER)
    stock.run(LINE)
    stock.run("UPDATE transact SET status = 'cn'")
    stock.run("DELETE FROM trans_line")
    transact, line = stock.ids["transact"], stock.ids["trans_line"]
    assert [(*entry[:9], entry[KEY]) for entry in stock.entries()] == [
        (transact, WRITE, 2, "b", None, "n1", None, None, None, "t1"),
        (line, WRITE, 2, "b", None, "n1", None, None, "t1", "l1"),
        (transact, WRITE, 2, "b", None, "n1", None, None, None, "t1"),
        (line, DELETE, 2, "b", None, "n1", None, None, "t1", "l1"),
    ]


def test_every_row_of_a_statement_is_logged(stock: Stock) -> None:
    stock.run(
        "INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, ''), ('t2', 'h', 'n2', 1, ''), ('t3', NULL, NULL, 1, '')"
    )
    assert stock.seen() == {
        ("transact", "t1"): seen(WRITE, "b", "n1"),
        ("transact", "t2"): seen(WRITE, "h", "n2"),
        ("transact", "t3"): seen(WRITE),
    }
    stock.run("UPDATE transact SET status = 'fn' WHERE store_ID IS NOT NULL")
    assert stock.logged() == {("transact", "t1"), ("transact", "t2")}
    stock.run("DELETE FROM transact")
    assert stock.seen() == {
        ("transact", "t1"): seen(DELETE, "b", "n1"),
        ("transact", "t2"): seen(DELETE, "h", "n2"),
        ("transact", "t3"): seen(DELETE),
    }


def test_rows_that_come_from_a_query_are_logged(stock: Stock) -> None:
    stock.run(HEADER)
    stock.forget()
    stock.run("INSERT INTO transact SELECT 't2', store_ID, name_ID, number + 1, status FROM transact")
    assert stock.seen() == {("transact", "t2"): seen(WRITE, "b", "n1")}


def test_origin_is_this_site_and_only_site_is_empty(stock: Stock) -> None:
    stock.run(HEADER)
    assert [(entry[ORIGIN], entry[ONLY_SITE]) for entry in stock.entries()] == [(2, None)]


def test_a_transaction_that_is_rolled_back_leaves_no_entry(stock: Stock) -> None:
    stock.application.begin()
    stock.run(HEADER)
    stock.application.rollback()
    assert stock.entries() == []


def test_a_savepoint_that_is_rolled_back_leaves_no_entry(stock: Stock) -> None:
    stock.application.begin()
    stock.run(HEADER)
    stock.run("SAVEPOINT halfway")
    stock.run(LINE)
    stock.run("ROLLBACK TO SAVEPOINT halfway")
    stock.application.commit()
    assert stock.logged() == {("transact", "t1")}


def test_a_failed_statement_leaves_no_entry(stock: Stock) -> None:
    stock.run(HEADER)
    stock.forget()
    with pytest.raises(stock.application.connection.errors):
        stock.run("INSERT INTO transact VALUES ('t2', 'b', 'n1', 2, 'nw'), ('t1', 'b', 'n1', 3, 'nw')")
    assert stock.entries() == []


def test_the_application_sees_its_own_counts_and_generated_keys(
    application: Application, make_stock: MakeStock
) -> None:
    key, asked = {
        "sqlite": ("INTEGER PRIMARY KEY", "SELECT changes(), last_insert_rowid()"),
        "postgresql": ("SERIAL PRIMARY KEY", "SELECT 1, lastval()"),
        "mariadb": ("INTEGER AUTO_INCREMENT PRIMARY KEY", "SELECT row_count(), last_insert_id()"),
    }[application.kind]
    visit = RecordType("visit", "visit", ("ID",), ("ID", "note"), "any_site", "every_site")
    stock = make_stock(schema=f"CREATE TABLE visit (ID {key}, note VARCHAR(40));", types=[visit])
    for number in (1, 2, 3):
        stock.run("INSERT INTO visit (note) VALUES ('first')")
        assert stock.fetch(asked) == [(1, number)]
    assert [entry[KEY] for entry in stock.entries()] == [1, 2, 3]


def test_p02_numbers_are_never_reused(stock: Stock) -> None:
    stock.run(HEADER)
    before = stock.forget()
    with stock.database.write() as writer:
        writer.trim_log(before)
    stock.run(LINE)
    with stock.database.read() as reader:
        assert reader.log_start() >= before
    assert stock.forget() > before


# --- what travels -----------------------------------------------------------------------------------------------------

NOTES = "CREATE TABLE note (ID VARCHAR(40) PRIMARY KEY, body VARCHAR(40), amount {double}, local_note VARCHAR(40));"


@pytest.mark.parametrize(
    ("column", "stands", "becomes", "logged"),
    [
        ("body", "'a'", "'A'", True),
        ("body", "'a'", "'a'", False),
        ("body", "'a'", "'a '", True),
        ("body", "NULL", "NULL", False),
        ("body", "NULL", "''", True),
        ("body", "'x'", "NULL", True),
        ("amount", "1.5", "1.5", False),
        ("amount", "1.5", "1.25", True),
        ("amount", "NULL", "0", True),
    ],
)
def test_p05_only_a_change_of_what_travels_is_logged(
    make_stock: MakeStock, column: str, stands: str, becomes: str, logged: bool
) -> None:
    note = RecordType(
        "note", "note", ("ID",), ("ID", "body", "amount"), "any_site", "every_site", excludes_columns=True
    )
    stock = make_stock(schema=NOTES, types=[note])
    stock.run(f"INSERT INTO note (ID, {column}, local_note) VALUES ('1', {stands}, 'here')")
    stock.forget()
    stock.run(f"UPDATE note SET {column} = {becomes}, local_note = 'there'")
    assert bool(stock.entries()) is logged


# --- who writes -------------------------------------------------------------------------------------------------------


def test_a_connection_that_was_open_before_is_captured_too(application: Application, make_stock: MakeStock) -> None:
    application.make(SCHEMA)
    early = application.connect()
    assert early.execute("SELECT * FROM transact WHERE ID = ?", ("t1",)) == []
    stock = make_stock(schema="")
    early.execute(HEADER)
    assert stock.refusal("UPDATE transact SET store_ID = 'k'", connection=early) == (
        "store KAL is active on site 3, not here"
    )
    early.execute("UPDATE transact SET status = 'cn'")
    assert stock.logged() == {("transact", "t1")}


def test_the_applier_is_silent(stock: Stock) -> None:
    stock.apply("transact", ("t1", "b", "n1", 1, "nw"), ("t2", "k", "n2", 1, "nw"))
    stock.apply("trans_line", ("l1", "t1", None, 5.0))
    stock.apply("transact", ("t1", "h", "n1", 1, "fn"))
    stock.take_away("transact", ("t2",))
    assert stock.entries() == []
    assert stock.fetch("SELECT ID, store_ID FROM transact") == [("t1", "h")]


def test_while_the_applier_writes_the_application_is_captured(stock: Stock) -> None:
    """What is marked is the applier's transaction, not the database."""
    stock.family()
    stock.apply("transact", ("t2", "k", "n2", 1, "nw"))
    stock.run("UPDATE transact SET status = 'cn'")
    assert stock.logged() == {("transact", "t1"), ("transact", "t2")}
