"""Addresses, and connections that die: what is said, and that the next question finds a living one."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from msyncd.databases import Database, open_database
from msyncd.databases.postgresql.address import address_of
from msyncd.databases.postgresql.database import MOST_READERS, PostgreSQLDatabase
from msyncd.errors import DatabaseUnavailable, WrongUsage
from tests.databases.contract.application import Application
from tests.databases.contract.stock import HEADER, MakeStock, Stock


def test_an_address_is_taken_apart() -> None:
    address = address_of("postgresql://ann:s%40fe@db.example.org:5433/stock?schema=a,b&sslmode=require")
    assert address.schemas == ("a", "b")
    assert {name: address.options[name] for name in ("user", "password", "host", "port", "dbname", "sslmode")} == {
        "user": "ann", "password": "s@fe", "host": "db.example.org", "port": "5433", "dbname": "stock",
        "sslmode": "require",
    }  # fmt: skip
    assert "s%40fe" not in address.shown
    assert "s@fe" not in address.shown
    assert address_of("postgresql:///stock").schemas is None
    assert int(address.options["keepalives_idle"]) < 60
    assert int(address_of("postgresql:///stock?keepalives_idle=99").options["keepalives_idle"]) == 99


def test_an_address_that_means_nothing_is_wrong_usage() -> None:
    with pytest.raises(WrongUsage, match="nonsense"):
        open_database("postgresql:///stock?nonsense=1")


def test_a_server_that_is_not_there_is_tried_later_and_no_password_is_told() -> None:
    database = open_database("postgresql://ann:hunter2@127.0.0.1:1/stock")
    with pytest.raises(DatabaseUnavailable) as told:
        database.describe()
    assert "127.0.0.1" in str(told.value)
    assert "hunter2" not in str(told.value)
    assert told.value.exit_status == 75


def test_a_database_that_is_not_there_says_so(application: Application) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"does not exist.*create the database"):
        open_database(application.url + "_gone").describe()


def _end_all(stock: Stock) -> None:
    ours = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'msyncd'"
    stock.run(f"SELECT pg_terminate_backend(pid) {ours}")
    give_up = time.monotonic() + 30
    while stock.fetch(f"SELECT 1 {ours}"):
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_connections_that_the_server_closed_are_replaced(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    with ThreadPoolExecutor(4) as threads:  # several, so that several die
        list(threads.map(lambda _: _look(stock.database), range(20)))
    _end_all(stock)
    assert stock.database.data_version() is not None
    assert stock.database.schema_version() is not None
    assert stock.database.lookups()["transact"].count() == 0
    stock.run(HEADER)
    assert stock.logged() == {("transact", "t1")}
    stock.apply("item", ("i1", None, None))
    _end_all(stock)
    stock.apply("item", ("i2", None, None))
    assert stock.fetch("SELECT ID FROM item ORDER BY ID") == [("i1",), ("i2",)]


def _look(database: Database) -> None:
    with database.read() as reader:
        reader.log_end()


def test_p21_a_connection_that_dies_within_a_transaction_is_tried_later(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    with pytest.raises(DatabaseUnavailable):
        _apply_and_die(stock)
    assert stock.fetch("SELECT * FROM item") == []
    stock.apply("item", ("i1", None, None))
    assert stock.fetch("SELECT ID FROM item") == [("i1",)]


def _apply_and_die(stock: Stock) -> None:
    with stock.database.write() as writer:
        writer.begin_applying(1)
        writer.upsert(stock.types["item"], stock.types["item"].columns, [("i0", None, None)])
        _end_all(stock)
        writer.end_applying()


def test_no_more_connections_are_opened_than_are_needed(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    busy = threading.Barrier(MOST_READERS)

    def look(number: int) -> None:
        with stock.database.read() as reader:
            reader.log_end()
            if number < MOST_READERS:
                busy.wait(30)

    with ThreadPoolExecutor(3 * MOST_READERS) as threads:
        list(threads.map(look, range(4 * MOST_READERS)))
    counted = stock.fetch(
        "SELECT count(*), count(*) FILTER (WHERE state <> 'idle') FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'msyncd'"
    )
    assert counted[0][0] <= MOST_READERS + 2
    assert counted[0][1] == 0, "a connection is in a transaction that nobody uses"


def test_no_plan_is_kept_from_when_a_table_was_small(make_stock: MakeStock) -> None:
    """Kept ones made a push of 40,000 lines eight times slower, and ever more so with the table's size."""
    stock = make_stock(guard=False)
    item = stock.types["item"]
    with stock.database.write() as writer:
        for number in range(20):  # the driver prepares after five, the server keeps a plan after five more
            writer.lock_rows(item, [(f"i{number}",)])
        # without parameters there is nothing to plan for
        plans = writer.execute(
            "SELECT sum(generic_plans)::bigint, sum(custom_plans)::bigint FROM pg_prepared_statements"
            " WHERE parameter_types <> '{}'"
        )
    assert plans[0][0] == 0
    assert int(str(plans[0][1])) > 10


def test_p25_what_is_written_is_durable_whatever_the_role_s_own_settings(
    application: Application, database: Database
) -> None:
    name = application.execute("SELECT current_database()")[0][0]
    application.execute(f"ALTER DATABASE {name} SET synchronous_commit TO off")
    application.execute(f"ALTER DATABASE {name} SET statement_timeout TO '50ms'")
    application.execute(f"ALTER DATABASE {name} SET datestyle TO 'German'")
    assert isinstance(database, PostgreSQLDatabase)
    with database.read() as reader:
        told = [reader.execute(f"SHOW {one}")[0][0] for one in ("synchronous_commit", "statement_timeout", "datestyle")]
    assert told == ["on", "0", "ISO, YMD"]


def test_only_the_schemas_that_are_named_are_the_application_s(application: Application) -> None:
    application.make(
        """CREATE SCHEMA stock;
        CREATE SCHEMA "Old Stock";
        CREATE TABLE stock.item (ID INTEGER PRIMARY KEY);
        CREATE TABLE "Old Stock".item (ID INTEGER PRIMARY KEY, old INTEGER);
        CREATE TABLE item (ID INTEGER PRIMARY KEY, other INTEGER);"""
    )

    def columns(query: str) -> list[str]:
        database = open_database(application.url + query)
        try:
            return [one.name for one in database.describe()["item"].columns]
        finally:
            database.close()

    assert columns("") == ["id", "other"]
    assert columns("?schema=stock") == ["id"]
    assert columns("?schema=Old%20Stock,stock") == ["id", "old"]
