"""The guard against snapshots, and what InnoDB, its collations and its cascades make of a write."""

import threading
from dataclasses import replace

import pytest

from msyncd.databases.mariadb.database import MariaDBDatabase
from msyncd.databases.values import DELETE, WRITE
from msyncd.errors import DatabaseUnavailable
from msyncd.model import AlsoSentTo, Facts, RecordType, StoreFact, Through
from tests.databases.contract.stock import FACTS, HEADER, LINE, STORES, MakeStock, Stock, seen

MOVED = replace(FACTS, number=2, stores={**STORES, "b": StoreFact("b", "BUM", 3, 2)})


def test_p33_the_fence_waits_for_whoever_writes_and_holds_against_older_snapshots(make_stock: MakeStock) -> None:
    stock = make_stock()
    stock.run(HEADER)
    writing, reading = stock.application.connect(), stock.application.connect()
    reading.begin()
    reading.execute("SELECT * FROM transact")  # its snapshot is from before the fence
    writing.begin()
    writing.execute("UPDATE transact SET status = 'cn'")
    with pytest.raises(DatabaseUnavailable):
        stock.renew(MOVED)
    writing.commit()
    stock.renew(MOVED)
    assert stock.refusal("UPDATE transact SET status = 'fn'", connection=reading) == (
        "store BUM is active on site 3, not here"
    )
    reading.rollback()
    assert stock.fetch("SELECT status FROM transact") == [("cn",)]


def test_facts_that_did_not_change_wait_for_nobody(make_stock: MakeStock) -> None:
    stock = make_stock()
    stock.application.begin()
    stock.run(HEADER)  # holds the row of its store
    stock.renew(replace(FACTS, stores={**STORES, "n": StoreFact("n", "NEW", 3)}))
    stock.renew(FACTS)
    stock.application.commit()
    assert stock.fetch("SELECT store FROM msyncd_store ORDER BY store") == [(store,) for store in sorted(STORES)]


def test_a_header_that_is_moved_takes_the_lines_of_older_snapshots_along(make_stock: MakeStock) -> None:
    """A line is inserted by a transaction whose snapshot still shows the header in its old store."""
    stock = make_stock(guard=False)
    stock.run(HEADER)
    late = stock.application.connect()
    late.begin()
    late.execute("SELECT * FROM transact")
    stock.run("UPDATE transact SET store_ID = 'h'")
    late.execute(LINE)
    late.commit()
    assert stock.seen()["trans_line", "l1"].stores == frozenset({"h"})


def test_the_longest_code_fits_the_message(make_stock: MakeStock) -> None:
    code = "Dépôt régional " * 20
    stock = make_stock(facts=replace(FACTS, stores={"k": StoreFact("k", code, 3)}))
    words = stock.refusal("INSERT INTO transact VALUES ('t1', 'k', NULL, 1, 'nw')")
    assert words == f"store {code[:60]} is active on site 3, not here"


def test_the_application_sees_its_own_numbers_and_warnings(make_stock: MakeStock) -> None:
    schema = "CREATE TABLE visit (ID INT AUTO_INCREMENT PRIMARY KEY, store VARCHAR(9), n INT);"
    visit = RecordType("visit", "visit", ("ID",), ("ID", "store", "n"), "active_site", "sites_of_store", store="store")
    stock = make_stock(schema=schema, types=[visit])
    driver = stock.application.connection.driver
    with driver.cursor() as cursor:
        assert cursor.execute("INSERT INTO visit (store, n) VALUES ('b', 1), ('b', 2), ('h', 3)") == 3
        assert (cursor.lastrowid, driver.insert_id()) == (1, 1)
        assert cursor.execute("UPDATE visit SET n = 7 WHERE store = 'b'") == 2
        cursor.execute("SELECT LAST_INSERT_ID(), ROW_COUNT()")
        assert cursor.fetchone()[0] == 1
        cursor.execute("SHOW WARNINGS")
        assert cursor.fetchall() == ()
        assert cursor.execute("DELETE FROM visit") == 3


LATIN = """
CREATE TABLE head (ID VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_bin PRIMARY KEY,
  store VARCHAR(20) CHARACTER SET latin1, status VARCHAR(9)) ENGINE=InnoDB;
CREATE TABLE tail (ID BIGINT UNSIGNED PRIMARY KEY, head VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_bin);
"""
HEAD = RecordType("head", "head", ("ID",), ("ID", "store", "status"), "active_site", "sites_of_store", store="store")
TAIL = RecordType(
    "tail", "tail", ("ID",), ("ID", "head"), "active_site", "sites_of_store", store=Through("head", "head")
)


def test_a_database_of_an_older_character_set_is_captured_and_read_as_any(make_stock: MakeStock) -> None:
    facts = Facts(1, {"dépôt": StoreFact("dépôt", "D", 2)}, {})
    stock = make_stock(schema=LATIN, types=[HEAD, TAIL], facts=facts)
    stock.run("INSERT INTO head VALUES ('é1', 'dépôt', 'nw')")
    stock.run("INSERT INTO tail VALUES (18446744073709551615, 'é1')")
    assert stock.seen() == {("head", "é1"): seen(WRITE, "dépôt"), ("tail", 2**64 - 1): seen(WRITE, "dépôt")}
    stock.apply("head", ("é1", "dépôt", "fn"), ("É1", "dépôt", "fn"))
    stock.apply("tail", (2**64 - 1, "É1"), (5, "é1"))
    with stock.database.read() as reader:
        head, tail = stock.types["head"], stock.types["tail"]
        assert reader.rows(head, [("é1",), ("É1",), ("e1",)]).keys() == {("é1",), ("É1",)}
        assert reader.stores_of(tail, [(5,)]) == {(5,): ("dépôt", None)}
        assert reader.existing("head", ("ID",), {("é1",), ("漢",)}) == {("é1",)}
        assert [row[0] for row in reader.children_of(tail, ["é1", "É1"])] == [5, 2**64 - 1]


PADDED = "CREATE TABLE item (ID VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY, code VARCHAR(20) UNIQUE);"
ITEM = RecordType("item", "item", ("ID",), ("ID", "code"), "any_site", "every_site")


def test_p36_keys_that_a_collation_holds_alike_are_not_taken_for_each_other(make_stock: MakeStock) -> None:
    stock = make_stock(schema=PADDED, types=[ITEM])
    stock.run("INSERT INTO item VALUES ('a ', 'x'), ('b', 'y')")
    item = stock.types["item"]
    with stock.database.read() as reader:
        assert reader.rows(item, [("a",), ("b",)]).keys() == {("b",)}
        assert reader.rows(item, [("a ",)]).keys() == {("a ",)}
    stock.take_away("item", ("a",), ("b ",))
    assert stock.fetch("SELECT ID FROM item ORDER BY ID") == [("a ",), ("b",)]
    with pytest.raises(Exception, match=r"Duplicate entry 'a'"):
        stock.apply("item", ("a", "z"))
    stock.apply("item", ("a ", "z"))
    assert stock.fetch("SELECT code FROM item ORDER BY ID") == [("z",), ("y",)]


def test_p36_check_refuses_what_cannot_be_a_key_or_cannot_be_captured(
    maria: MariaDBDatabase, make_stock: MakeStock
) -> None:
    stock = make_stock(schema="CREATE TABLE item (ID VARCHAR(20) PRIMARY KEY, code VARCHAR(20));", types=[ITEM])
    stock.application.make(
        """CREATE TABLE folded (ID VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY);
        CREATE TABLE floating (ID FLOAT PRIMARY KEY);
        CREATE TABLE long_one (ID VARCHAR(700) PRIMARY KEY);
        CREATE TABLE zoned (ID TIMESTAMP PRIMARY KEY);
        CREATE TABLE mine (ID INT PRIMARY KEY) ENGINE=MyISAM;
        CREATE TABLE one (ID INT PRIMARY KEY, other INT);
        CREATE TABLE other (ID INT PRIMARY KEY, one INT REFERENCES one (ID) ON DELETE CASCADE);
        ALTER TABLE one ADD FOREIGN KEY (other) REFERENCES other (ID) ON DELETE CASCADE;"""
    )
    tables = maria.describe()
    assert tables["folded"].columns[0].collation == "utf8mb4_general_ci"
    assert {name: tables[name].columns[0].unfit_key for name in ("floating", "long_one", "zoned")} == {
        "floating": "is of type float, whose values are not told apart exactly",
        "long_one": "may hold 700 characters, and a key may have 550",
        "zoned": "is of type timestamp, whose values are not told apart exactly",
    }
    assert tables["mine"].unfit == "is kept by MyISAM, which has no transactions"
    assert tables["one"].unfit.startswith("goes by ON DELETE CASCADE in a circle")
    assert not tables["item"].unfit
    assert not tables["item"].columns[0].unfit_key


DEEP = """
CREATE TABLE vendor (ID INT PRIMARY KEY);
CREATE TABLE brand (ID INT PRIMARY KEY, vendor INT REFERENCES vendor (ID) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE transact (ID VARCHAR(40) PRIMARY KEY, store_ID VARCHAR(40), name_ID INT, note VARCHAR(9),
  FOREIGN KEY (name_ID) REFERENCES brand (ID) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE trans_line (ID VARCHAR(40) PRIMARY KEY, transaction_ID VARCHAR(40), brand INT,
  FOREIGN KEY (transaction_ID) REFERENCES transact (ID) ON DELETE CASCADE,
  FOREIGN KEY (brand) REFERENCES brand (ID) ON DELETE CASCADE);
"""
DEEP_TYPES = (
    RecordType(
        "transact", "transact", ("ID",), ("ID", "store_ID", "name_ID"), "active_site", "sites_of_store",
        store="store_ID", also_sent_to=AlsoSentTo("store_of_name", "name_ID"), excludes_columns=True,
    ),
    RecordType(
        "trans_line", "trans_line", ("ID",), ("ID", "transaction_ID", "brand"), "active_site", "sites_of_store",
        store=Through("transaction_ID", "transact"),
    ),
)  # fmt: skip
STANDS = """
INSERT INTO vendor VALUES (1), (2);
INSERT INTO brand VALUES (11, 1), (21, 2);
INSERT INTO transact VALUES ('t1', 'b', 11, NULL), ('t2', 'b', 21, NULL), ('t3', 'k', 21, NULL);
INSERT INTO trans_line VALUES ('l1', 't1', 21), ('l2', 't1', NULL), ('l3', 't2', 11), ('l4', 't3', NULL);
"""


@pytest.fixture
def deep(make_stock: MakeStock) -> Stock:
    """Tables that are no record types take records along, or alter them."""
    stock: Stock = make_stock(schema=DEEP, types=DEEP_TYPES, before=STANDS)
    return stock


def test_p05_a_table_that_is_no_record_type_takes_records_along_which_are_logged(deep: Stock) -> None:
    deep.run("DELETE FROM vendor WHERE ID = 1")
    # brand 11 went; transact t1 lost its name, which was its route, and so did its lines; line l3 went
    told = deep.seen()
    assert told["transact", "t1"].routes == frozenset({11})
    assert told["trans_line", "l3"].operations == frozenset({DELETE})
    assert told["trans_line", "l3"].stores == frozenset({"b"})
    assert told.keys() == {("transact", "t1"), ("trans_line", "l1"), ("trans_line", "l2"), ("trans_line", "l3")}
    assert deep.fetch("SELECT name_ID FROM transact WHERE ID = 't1'") == [(None,)]


def test_p05_what_it_would_alter_of_others_it_may_not_touch(deep: Stock) -> None:
    assert deep.refusal("DELETE FROM vendor WHERE ID = 2") == "store KAL is active on site 3, not here"
    assert deep.refusal("DELETE FROM vendor") == "store KAL is active on site 3, not here"
    assert deep.refusal("UPDATE brand SET ID = 22 WHERE ID = 21") == "store KAL is active on site 3, not here"


def test_p05_a_changed_key_alters_what_refers_to_it(deep: Stock) -> None:
    deep.run("DELETE FROM trans_line WHERE ID = 'l3'")
    deep.forget()
    deep.run("UPDATE brand SET ID = 12 WHERE ID = 11")
    told = deep.seen()
    assert told["transact", "t1"].routes == frozenset({11, 12})
    assert told["trans_line", "l1"].routes == told["trans_line", "l2"].routes == frozenset({11, 12})
    assert deep.fetch("SELECT name_ID FROM transact WHERE ID = 't1'") == [(12,)]


def test_without_foreign_key_checks_nothing_cascades_and_nothing_is_guarded(deep: Stock) -> None:
    deep.run("SET foreign_key_checks = 0")
    deep.run("DELETE FROM vendor")
    assert deep.entries() == []
    deep.run("SET foreign_key_checks = 1")


def test_p05_truncate_is_not_seen(make_stock: MakeStock) -> None:
    """Known, and told to admins: `msyncd compare` finds it."""
    stock = make_stock(guard=False)
    stock.run("INSERT INTO item_line VALUES ('s1', 'b', NULL, 1, NULL)")
    stock.forget()
    stock.run("TRUNCATE item_line")
    assert stock.entries() == []


def test_rows_of_a_partitioned_table_are_captured_as_any(make_stock: MakeStock) -> None:
    schema = """CREATE TABLE visit (ID INT, year INT, n INT, PRIMARY KEY (ID, year))
      PARTITION BY RANGE (year) (PARTITION old VALUES LESS THAN (2025), PARTITION new VALUES LESS THAN MAXVALUE);"""
    visit = RecordType("visit", "visit", ("ID", "year"), ("ID", "year", "n"), "any_site", "every_site")
    stock = make_stock(schema=schema, types=[visit])
    stock.run("INSERT INTO visit VALUES (1, 2024, 1), (1, 2026, 1)")
    stock.run("UPDATE visit SET year = 2027 WHERE year = 2024")
    assert stock.logged() == {("visit", (1, 2024)), ("visit", (1, 2026)), ("visit", (1, 2027))}
    stock.apply("visit", (2, 2020, 5), (1, 2027, 9))
    assert stock.fetch("SELECT * FROM visit ORDER BY ID, year") == [(1, 2026, 1), (1, 2027, 9), (2, 2020, 5)]


def test_what_is_loaded_in_bulk_is_captured(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    stock.run("INSERT INTO transact SELECT seq, 'b', NULL, seq, 'nw' FROM seq_1_to_500")
    assert len(stock.entries()) == 500


def test_many_write_lines_of_one_header_at_a_time(make_stock: MakeStock) -> None:
    """A line's trigger holds its header as a reference does: others may insert theirs meanwhile."""
    stock = make_stock()
    stock.run(HEADER)
    first, second = stock.application.connect(), stock.application.connect()
    first.begin()
    first.execute("INSERT INTO trans_line VALUES ('l1', 't1', NULL, 1)")
    done = threading.Event()

    def other() -> None:
        second.execute("INSERT INTO trans_line VALUES ('l2', 't1', NULL, 2)")
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    assert done.wait(30)
    thread.join()
    first.commit()
    assert stock.logged() == {("transact", "t1"), ("trans_line", "l1"), ("trans_line", "l2")}
