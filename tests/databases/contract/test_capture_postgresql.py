"""What only PostgreSQL's applications do: TRUNCATE, COPY, ON CONFLICT, MERGE, partitions, schemas."""

from dataclasses import replace

import psycopg
import pytest

from msyncd.databases import Database
from msyncd.databases.values import DELETE, TYPE, WRITE, Capture
from msyncd.model import START, RecordType, StoreFact
from msyncd.testing.application import PostgreSQLConnection
from tests.databases.contract.application import Application, spelled
from tests.databases.contract.stock import FACTS, HEADER, STORES, MakeStock, Stock, seen, settled

pytestmark = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard."""
    return make_stock(guard=False)


def test_p05_truncate_logs_every_row_with_its_store(stock: Stock) -> None:
    stock.family()
    stock.run("INSERT INTO transact VALUES ('t2', 'k', 'n2', 2, 'nw')")
    stock.forget()
    stock.run("TRUNCATE line_note")
    assert stock.seen() == {("line_note", "o1"): seen(DELETE, "b", "n1")}
    stock.run("TRUNCATE transact CASCADE")
    assert stock.seen() == {
        ("transact", "t1"): seen(DELETE, "b", "n1"),
        ("transact", "t2"): seen(DELETE, "k", "n2"),
        ("trans_line", "l1"): seen(DELETE, "b", "n1"),
    }


def test_truncate_is_guarded(make_stock: MakeStock) -> None:
    stock = make_stock(before="INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw'), ('t2', 'k', 'n2', 1, 'nw');")
    assert stock.refusal("TRUNCATE transact CASCADE") == "store KAL is active on site 3, not here"
    stock.take_away("transact", ("t2",))
    stock.run("TRUNCATE transact CASCADE")
    assert stock.fetch("SELECT * FROM transact") == []


def test_truncate_that_is_rolled_back_leaves_no_entry(stock: Stock) -> None:
    stock.family()
    stock.application.begin()
    stock.run("TRUNCATE transact CASCADE")
    stock.application.rollback()
    assert stock.entries() == []


def test_copy_on_conflict_and_merge_are_logged(stock: Stock) -> None:
    connection = stock.application.connection
    assert isinstance(connection, PostgreSQLConnection)
    with connection.driver.cursor() as cursor, cursor.copy("COPY transact FROM STDIN") as copy:
        copy.write_row(("t1", "b", "n1", 1, "nw"))
        copy.write_row(("t2", "k", "n2", 1, "nw"))
    assert stock.seen() == {("transact", "t1"): seen(WRITE, "b", "n1"), ("transact", "t2"): seen(WRITE, "k", "n2")}
    stock.run("INSERT INTO transact VALUES ('t1', 'b', '', 1, '') ON CONFLICT (ID) DO UPDATE SET store_ID = 'h'")
    assert stock.seen() == {("transact", "t1"): seen(WRITE, "b h", "n1")}
    stock.run("INSERT INTO transact VALUES ('t1', 'b', '', 1, '') ON CONFLICT DO NOTHING")
    assert stock.entries() == []
    stock.run(
        "MERGE INTO transact t USING (VALUES ('t1', 'x'), ('t3', 'c')) s (key, store) ON t.ID = s.key"
        " WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.key, s.store, 'n3', 1, 'nw')"
    )
    assert stock.seen() == {("transact", "t1"): seen(DELETE, "h", "n1"), ("transact", "t3"): seen(WRITE, "c", "n3")}


def test_several_writes_in_one_statement_are_all_logged(stock: Stock) -> None:
    stock.family()
    stock.run(
        "WITH gone AS (DELETE FROM line_note RETURNING *), moved AS (UPDATE transact SET store_ID = 'h' RETURNING *)"
        " INSERT INTO item SELECT 'i1', 'c', note, NULL FROM gone"
    )
    told = stock.seen()
    assert told["line_note", "o1"].operations == {DELETE}
    assert "b" in told["line_note", "o1"].stores | told["trans_line", "l1"].stores
    assert told["transact", "t1"] == seen(WRITE, "b h", "n1")
    assert told["item", "i1"] == seen(WRITE)


PARTITIONED = """
CREATE TABLE transact (ID VARCHAR(40), store_ID VARCHAR(40), name_ID VARCHAR(40), number INTEGER, status VARCHAR(8),
  year INTEGER NOT NULL, PRIMARY KEY (ID, year)) PARTITION BY RANGE (year);
CREATE TABLE transact_2025 PARTITION OF transact FOR VALUES FROM (2025) TO (2026);
CREATE TABLE transact_2026 PARTITION OF transact FOR VALUES FROM (2026) TO (2027);
"""
YEARLY = RecordType(
    "transact", "transact", ("ID", "year"), ("ID", "year", "store_ID", "status"), "active_site", "sites_of_store",
    store="store_ID",
)  # fmt: skip


def test_partitioned_tables_are_captured_and_guarded_by_whichever_name(make_stock: MakeStock) -> None:
    stock = make_stock(schema=PARTITIONED, types=[YEARLY])
    stock.run("INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw', 2025)")
    stock.run("INSERT INTO transact_2026 VALUES ('t2', 'h', 'n1', 1, 'nw', 2026)")
    assert stock.seen() == {("transact", ("t1", 2025)): seen(WRITE, "b"), ("transact", ("t2", 2026)): seen(WRITE, "h")}
    stock.run("UPDATE transact SET status = 'fn'")
    assert stock.logged() == {("transact", ("t1", 2025)), ("transact", ("t2", 2026))}
    # from one partition to another
    stock.run("UPDATE transact SET year = 2026 WHERE ID = 't1'")
    assert stock.seen() == {("transact", ("t1", 2025)): seen(DELETE, "b"), ("transact", ("t1", 2026)): seen(WRITE, "b")}
    stock.run("UPDATE transact_2026 SET status = 'cn' WHERE ID = 't2'")
    assert stock.logged() == {("transact", ("t2", 2026))}
    message = "store KAL is active on site 3, not here"
    assert stock.refusal("INSERT INTO transact_2025 VALUES ('t9', 'k', 'n1', 1, 'nw', 2025)") == message
    assert stock.refusal("INSERT INTO transact VALUES ('t9', 'k', 'n1', 1, 'nw', 2025)") == message
    stock.apply("transact", ("t3", 2025, "k", "nw"))
    assert stock.refusal("TRUNCATE transact_2025") == message
    stock.take_away("transact", ("t3", 2025))
    stock.run("DELETE FROM transact_2026 WHERE ID = 't2'")
    stock.run("TRUNCATE transact_2026")
    assert stock.seen()["transact", ("t1", 2026)] == seen(DELETE, "b")


def test_a_partition_that_comes_later_is_captured_too(make_stock: MakeStock) -> None:
    stock = make_stock(schema=PARTITIONED, types=[YEARLY])
    stock.run("CREATE TABLE transact_2027 PARTITION OF transact FOR VALUES FROM (2027) TO (2028)")
    stock.run("INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw', 2027)")
    assert stock.seen() == {("transact", ("t1", 2027)): seen(WRITE, "b")}
    stock.install()
    stock.run("DELETE FROM transact_2027")
    assert stock.seen() == {("transact", ("t1", 2027)): seen(DELETE, "b")}


def test_tables_of_other_schemas_are_found_captured_and_applied(application: Application, database: Database) -> None:
    application.make(
        """CREATE SCHEMA stock;
        CREATE TABLE stock.item (ID VARCHAR(40) PRIMARY KEY, name VARCHAR(40));
        CREATE TABLE stock.line (ID VARCHAR(40) PRIMARY KEY, item_ID VARCHAR(40) REFERENCES stock.item (ID));
        CREATE TABLE unit (ID VARCHAR(40) PRIMARY KEY);"""
    )
    tables = database.describe()
    assert {"stock.item", "stock.line", "unit"} <= tables.keys()
    assert tables["stock.line"].foreign_keys[0].parent.casefold() == "stock.item"
    item = spelled(tables, RecordType("item", "stock.item", ("ID",), ("ID", "name"), "any_site", "every_site"))
    ids = database.install(Capture(2, (item,), FACTS)).ids
    application.execute("INSERT INTO stock.item VALUES ('i1', 'amox')")
    application.execute("SET search_path = stock")
    application.execute("UPDATE item SET name = 'Amoxicillin'")
    with database.write() as writer:
        writer.begin_applying(1)
        writer.upsert(item, item.columns, [("i2", "para")])
        writer.end_applying()
    settled(database)
    with database.read() as reader:
        assert reader.rows(item, [("i1",), ("i2",)]) == {("i1",): ("i1", "Amoxicillin"), ("i2",): ("i2", "para")}
        assert [entry[TYPE] for entry in reader.log_page(START, 9).entries] == [ids["item"]] * 2
    database.remove()
    assert application.execute("SELECT ID FROM item ORDER BY ID") == [("i1",), ("i2",)]


def test_an_application_that_may_not_see_msyncd_s_schema_is_captured_and_guarded(
    make_stock: MakeStock, application: Application
) -> None:
    """The triggers act with the rights of whoever installed them: the clerk's role needs none."""
    stock = make_stock()
    role = f"clerk_{application.url.rpartition('_')[2].partition('?')[0]}"
    stock.run(f"CREATE ROLE {role}")
    try:
        stock.run(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        stock.run(f"GRANT USAGE ON SCHEMA public TO {role}")
        clerk = application.connect()
        clerk.execute(f"SET ROLE {role}")
        clerk.execute(HEADER)
        assert stock.seen() == {("transact", "t1"): seen(WRITE, "b", "n1")}
        assert stock.refusal("UPDATE transact SET store_ID = 'k'", connection=clerk) == (
            "store KAL is active on site 3, not here"
        )
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            clerk.execute("DELETE FROM msyncd.msyncd_change_log")
    finally:
        stock.run(f"DROP OWNED BY {role}")
        stock.run(f"DROP ROLE {role}")


def test_a_transaction_of_any_isolation_is_captured_and_guarded(make_stock: MakeStock) -> None:
    stock = make_stock()
    for level in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"):
        stock.run(f"BEGIN ISOLATION LEVEL {level}")
        stock.run(f"INSERT INTO transact VALUES ('{level}', 'b', 'n1', {len(level)}, 'nw')")
        stock.application.commit()
        assert stock.logged() == {("transact", level)}


def test_p33_the_fence_holds_against_snapshots(make_stock: MakeStock) -> None:
    """A REPEATABLE READ transaction that began before the fence must not write after it."""
    stock = make_stock()
    stock.run(HEADER)
    early = stock.application.connect()
    early.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    early.execute("SELECT * FROM transact")
    stock.renew(replace(FACTS, number=2, stores={**STORES, "b": StoreFact("b", "BUM", None, epoch=2)}))
    with pytest.raises(psycopg.Error):
        early.execute("UPDATE transact SET status = 'late'")
    early.rollback()
    assert stock.fetch("SELECT status FROM transact") == [("nw",)]
