"""The guard refuses the application's own write of what this site may not edit, in the same words everywhere."""

from dataclasses import replace

import pytest

from msyncd.databases.fence import ASKING
from msyncd.model import Facts, HandOver, RecordType, StoreFact
from tests.databases.contract.stock import FACTS, STORES, TYPES, MakeStock, Stock

PRIMARY_ONLY = "item is edited on the primary (sync ID 1) only"
NOT_HERE = "store KAL is active on site 3, not here"
NOT_ON_THE_PRIMARY = "store BUM is active on site 2, not here"
NOWHERE = "store OLD is active on no site, so its records can be edited nowhere"
UNKNOWN = "this store is not known to msyncd here, so its records can be edited nowhere"
NO_STORE = "transact names no store in store_ID, so it can be edited nowhere"

# what stood here before the guard, and what the applier brings
STANDS = """
INSERT INTO item VALUES ('i1', 'amox', 'Amoxicillin', NULL);
INSERT INTO item_line VALUES ('s1', 'b', 'i1', 10, NULL), ('s2', 'k', 'i1', 10, 'kalo');
INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw'), ('t2', 'k', 'n1', 1, 'nw'), ('t3', NULL, 'n1', 3, 'nw');
INSERT INTO trans_line VALUES ('l1', 't1', 'i1', 5), ('l2', 't2', NULL, 5), ('l3', 't3', NULL, 5);
INSERT INTO line_note VALUES ('o1', 'l1', 'a'), ('o2', 'l2', 'b'), ('o3', 'l3', 'c');
"""


@pytest.fixture
def make(make_stock: MakeStock) -> MakeStock:
    """Makes the stock of a site on which rows stand already."""
    return lambda **how: make_stock(**{"before": STANDS, **how})


@pytest.fixture
def stock(make: MakeStock) -> Stock:
    """Site 2, where stores b and h are active."""
    return make()


REFUSED = [
    ("INSERT INTO item VALUES ('i2', 'para', 'Paracetamol', NULL)", PRIMARY_ONLY),
    ("UPDATE item SET item_name = 'x'", PRIMARY_ONLY),
    ("DELETE FROM item", PRIMARY_ONLY),
    ("INSERT INTO transact VALUES ('t9', 'k', 'n1', 9, 'nw')", NOT_HERE),
    ("INSERT INTO transact VALUES ('t8', 'b', 'n1', 8, 'nw'), ('t9', 'k', 'n1', 9, 'nw')", NOT_HERE),
    ("UPDATE transact SET status = 'fn' WHERE ID = 't2'", NOT_HERE),
    ("UPDATE transact SET status = 'fn' WHERE ID IN ('t1', 't2')", NOT_HERE),
    ("DELETE FROM transact WHERE ID = 't2'", NOT_HERE),
    ("INSERT INTO transact VALUES ('t9', 'x', 'n1', 9, 'nw')", NOWHERE),
    ("INSERT INTO transact VALUES ('t9', 'never heard of', 'n1', 9, 'nw')", UNKNOWN),
    ("INSERT INTO transact VALUES ('t9', 'B', 'n1', 9, 'nw')", UNKNOWN),
    ("INSERT INTO transact VALUES ('t9', 'b ', 'n1', 9, 'nw')", UNKNOWN),
    ("INSERT INTO transact VALUES ('t9', NULL, 'n1', 9, 'nw')", NO_STORE),
    ("UPDATE transact SET store_ID = NULL WHERE ID = 't1'", NO_STORE),
    ("UPDATE transact SET store_ID = 'b' WHERE ID = 't3'", NO_STORE),
    ("DELETE FROM transact WHERE ID = 't3'", NO_STORE),
    # a move, either way
    ("UPDATE transact SET store_ID = 'k', number = 7 WHERE ID = 't1'", NOT_HERE),
    ("UPDATE transact SET store_ID = 'b', number = 7 WHERE ID = 't2'", NOT_HERE),
    ("UPDATE trans_line SET transaction_ID = 't2' WHERE ID = 'l1'", NOT_HERE),
    ("UPDATE trans_line SET transaction_ID = 't1' WHERE ID = 'l2'", NOT_HERE),
    # another key
    ("UPDATE transact SET ID = 't7' WHERE ID = 't2'", NOT_HERE),
    # through one and through two parents
    ("INSERT INTO trans_line VALUES ('l9', 't2', NULL, 1)", NOT_HERE),
    ("DELETE FROM trans_line WHERE ID = 'l2'", NOT_HERE),
    ("UPDATE line_note SET note = 'z' WHERE ID = 'o2'", NOT_HERE),
    ("INSERT INTO line_note VALUES ('o9', 'l2', 'z')", NOT_HERE),
    ("DELETE FROM line_note WHERE ID = 'o2'", NOT_HERE),
    ("UPDATE line_note SET note = 'z' WHERE ID = 'o3'", NO_STORE),
]
OF_ITS_KIND = {
    "sqlite": [
        ("INSERT OR IGNORE INTO item VALUES ('i2', 'para', 'Paracetamol', NULL)", PRIMARY_ONLY),
        ("REPLACE INTO item VALUES ('i2', 'amox', 'x', NULL)", PRIMARY_ONLY),
        ("INSERT OR IGNORE INTO transact VALUES ('t9', 'k', 'n1', 9, 'nw')", NOT_HERE),
        ("INSERT OR REPLACE INTO transact VALUES ('t9', 'k', 'n1', 9, 'nw')", NOT_HERE),
        ("UPDATE OR IGNORE transact SET status = 'fn' WHERE ID = 't2'", NOT_HERE),
        ("INSERT INTO transact VALUES ('t2', 'b', '', 9, '') ON CONFLICT (ID) DO UPDATE SET status = 'x'", NOT_HERE),
        # rows that REPLACE would remove
        ("REPLACE INTO transact VALUES ('t2', 'b', 'n1', 9, 'nw')", NOT_HERE),
        ("REPLACE INTO item_line VALUES ('s9', 'b', 'i1', 1, 'kalo')", NOT_HERE),
        ("UPDATE OR REPLACE item_line SET local_note = 'kalo' WHERE ID = 's1'", NOT_HERE),
        ("UPDATE OR REPLACE transact SET ID = 't2' WHERE ID = 't1'", NOT_HERE),
        ("REPLACE INTO trans_line VALUES ('l2', 't1', NULL, 1)", NOT_HERE),
    ],
    "postgresql": [
        ("INSERT INTO transact VALUES ('t2', 'b', '', 9, '') ON CONFLICT (ID) DO UPDATE SET status = 'x'", NOT_HERE),
        ("INSERT INTO transact VALUES ('t9', 'k', '', 9, '') ON CONFLICT DO NOTHING", NOT_HERE),
        ("TRUNCATE item, item_line, trans_line, line_note", PRIMARY_ONLY),
        ("WITH gone AS (DELETE FROM line_note WHERE ID = 'o2' RETURNING *) SELECT * FROM gone", NOT_HERE),
        ("UPDATE trans_line l SET quantity = 1 FROM transact t WHERE transaction_ID = t.ID AND t.ID = 't2'", NOT_HERE),
    ],
    "mariadb": [
        ("REPLACE INTO item VALUES ('i2', 'amox', 'x', NULL)", PRIMARY_ONLY),
        ("REPLACE INTO transact VALUES ('t2', 'b', 'n1', 9, 'nw')", NOT_HERE),
        ("REPLACE INTO item_line VALUES ('s9', 'b', 'i1', 1, 'kalo')", NOT_HERE),
        ("REPLACE INTO trans_line VALUES ('l2', 't1', NULL, 1)", NOT_HERE),
        ("INSERT INTO transact VALUES ('t2', 'b', '', 9, '') ON DUPLICATE KEY UPDATE status = 'x'", NOT_HERE),
        ("INSERT INTO transact VALUES ('t9', 'k', '', 9, '') ON DUPLICATE KEY UPDATE status = 'x'", NOT_HERE),
        ("UPDATE trans_line l JOIN transact t ON t.ID = transaction_ID SET quantity = 1 WHERE t.ID = 't2'", NOT_HERE),
        ("DELETE l, n FROM trans_line l JOIN line_note n ON n.line_ID = l.ID WHERE l.ID = 'l2'", NOT_HERE),
    ],
}  # fmt: skip


def test_a_write_that_this_site_may_not_make_is_refused_and_undone(stock: Stock) -> None:
    expected = dict((*REFUSED, *OF_ITS_KIND[stock.application.kind]))
    told = {sql: stock.refusal(sql) for sql in expected}
    # the column is named as this database spells it
    column = stock.types["transact"].store_column or ""
    assert told == {sql: message.replace("store_ID", column) for sql, message in expected.items()}


def test_a_refused_write_can_be_left_out_of_its_transaction(stock: Stock) -> None:
    """The application goes on after a refusal as after any other error of its database."""
    connection = stock.application.connection
    stock.application.begin()
    stock.run("UPDATE transact SET status = 'cn' WHERE ID = 't1'")
    stock.run("SAVEPOINT before_it")
    with pytest.raises(connection.errors) as refused:
        stock.run("UPDATE transact SET status = 'cn' WHERE ID IN ('t1', 't2')")
    assert connection.message(refused.value) == NOT_HERE
    stock.run("ROLLBACK TO SAVEPOINT before_it")
    stock.application.commit()
    assert stock.fetch("SELECT status FROM transact ORDER BY ID") == [("cn",), ("nw",), ("nw",)]
    assert stock.logged() == {("transact", "t1")}


def test_what_this_site_may_edit_passes(stock: Stock) -> None:
    stock.run("INSERT INTO transact VALUES ('t9', 'b', 'n1', 9, 'nw')")
    stock.run("INSERT INTO trans_line VALUES ('l9', 't9', 'i1', 1)")
    stock.run("INSERT INTO line_note VALUES ('o9', 'l9', 'z')")
    stock.run("UPDATE transact SET store_ID = 'h' WHERE ID = 't9'")
    stock.run("UPDATE trans_line SET transaction_ID = 't1' WHERE ID = 'l9'")
    stock.run("UPDATE transact SET ID = 't8' WHERE ID = 't9'")
    stock.run("DELETE FROM line_note WHERE ID = 'o9'")
    stock.run("DELETE FROM trans_line WHERE ID = 'l9'")
    stock.run("DELETE FROM transact WHERE store_ID IN ('b', 'h')")
    assert stock.fetch("SELECT ID FROM transact ORDER BY ID") == [("t2",), ("t3",)]


def test_excluded_columns_are_this_site_s_own(stock: Stock) -> None:
    stock.run("UPDATE item SET local_note = 'behind the door'")
    stock.run("UPDATE item_line SET local_note = NULL, quantity = quantity WHERE ID = 's2'")
    assert stock.entries() == []
    assert stock.refusal("UPDATE item_line SET local_note = 'x', quantity = 11 WHERE ID = 's2'") == NOT_HERE


def test_the_primary_edits_central_records_and_not_those_of_a_store_elsewhere(make: MakeStock) -> None:
    stock = make(site=1)
    stock.run("UPDATE item SET item_name = 'x'")
    assert stock.logged() == {("item", "i1")}
    assert stock.refusal("UPDATE transact SET status = 'fn' WHERE ID = 't1'") == NOT_ON_THE_PRIMARY


def fence(stock: Stock, asking: str) -> None:
    """Close the fence of a restored primary, or open it with ""."""
    with stock.database.write() as writer:
        writer.put("msyncd_meta", {"name": ASKING}, {"value": asking})


def test_p35_a_restored_primary_s_fence_refuses_what_its_satellites_may_know_better(make: MakeStock) -> None:
    stock = make(site=1)
    fence(stock, "")
    stock.run("INSERT INTO item VALUES ('i9', 'nine', 'Nine', NULL)")
    stock.forget()
    fence(stock, "asks")
    words = "item is being taken back from the satellites after a restore"
    for sql in (
        "INSERT INTO item VALUES ('i2', 'para', 'Paracetamol', NULL)",
        "UPDATE item SET item_name = 'y'",
        "UPDATE item SET ID = 'i3' WHERE ID = 'i9'",
        "DELETE FROM item WHERE ID = 'i9'",
    ):
        assert stock.refusal(sql) == words
    stock.run("UPDATE item SET local_note = 'behind the door'")
    stock.run("UPDATE item SET item_name = 'y' WHERE ID = 'none'")
    assert stock.logged() == set()
    taken_back = StoreFact("b", "BUM", 1, hand_over=HandOver(1, 1))
    stock.renew(replace(FACTS, number=2, stores={**STORES, "b": taken_back}))
    assert stock.refusal("UPDATE transact SET status = 'fn' WHERE ID = 't1'") == (
        "store BUM is being taken back from the satellites after a restore"
    )
    fence(stock, "")
    stock.run("UPDATE item SET item_name = 'z'")


def test_p22_a_delete_never_cascades_into_records_that_this_site_may_not_edit(make: MakeStock) -> None:
    stock = make(site=1)
    assert stock.refusal("DELETE FROM item") == NOT_ON_THE_PRIMARY
    stock.take_away("item_line", ("s1",), ("s2",))
    # the line's reference is set to NULL: that is an edit of the line
    assert stock.refusal("DELETE FROM item") == NOT_ON_THE_PRIMARY
    stock.apply("trans_line", ("l1", "t1", None, 5.0))
    stock.run("DELETE FROM item")
    assert stock.fetch("SELECT * FROM item") == []


def test_a_new_key_never_cascades_into_records_that_this_site_may_not_edit(make: MakeStock) -> None:
    stock = make(site=1)
    stock.apply("trans_line", ("l1", "t1", None, 5.0))  # whose reference alone would forbid the new key
    assert stock.refusal("UPDATE item SET ID = 'i9'") == NOT_ON_THE_PRIMARY


def test_a_header_s_delete_takes_its_lines_along(stock: Stock) -> None:
    stock.run("DELETE FROM transact WHERE ID = 't1'")
    assert stock.fetch("SELECT ID FROM trans_line ORDER BY ID") == [("l2",), ("l3",)]
    assert stock.fetch("SELECT ID FROM line_note ORDER BY ID") == [("o2",), ("o3",)]


def test_guard_off_captures_only(make: MakeStock) -> None:
    stock = make(types=[replace(one, guard=one.name != "transact") for one in TYPES])
    stock.run("UPDATE transact SET status = 'fn' WHERE ID = 't2'")
    assert stock.logged() == {("transact", "t2")}
    assert stock.refusal("UPDATE trans_line SET quantity = 1 WHERE ID = 'l2'") == NOT_HERE


def test_what_any_site_may_edit_has_no_guard(make: MakeStock) -> None:
    stock = make(types=[replace(one, edited_on="any_site") for one in TYPES])
    stock.run("UPDATE transact SET status = 'fn'")
    assert stock.logged() == {("transact", "t1"), ("transact", "t2"), ("transact", "t3")}


def test_a_line_whose_header_is_missing_passes(make: MakeStock) -> None:
    """Where no foreign key holds the order, lines may come first; the header's own guard then says no."""
    schema = """CREATE TABLE transact (ID VARCHAR(40) PRIMARY KEY, store_ID VARCHAR(40), name_ID VARCHAR(40),
      number INTEGER, status VARCHAR(8));
    CREATE TABLE trans_line (ID VARCHAR(40) PRIMARY KEY, transaction_ID VARCHAR(40), item_ID VARCHAR(40),
      quantity {double});"""
    stock = make(schema=schema, types=TYPES[2:4], before="")
    stock.run("INSERT INTO trans_line VALUES ('l9', 't9', NULL, 1)")
    assert stock.refusal("INSERT INTO transact VALUES ('t9', 'k', NULL, 9, 'nw')") == NOT_HERE
    stock.run("INSERT INTO transact VALUES ('t9', 'b', NULL, 9, 'nw')")


def test_changed_facts_change_the_guard_and_its_words(stock: Stock) -> None:
    nowhere = {**STORES, "b": StoreFact("b", "BUM", None), "k": StoreFact("k", "KAL", 2)}
    stock.renew(replace(FACTS, number=2, stores=nowhere))
    message = "store BUM is active on no site, so its records can be edited nowhere"
    assert stock.refusal("DELETE FROM transact WHERE ID = 't1'") == message
    stock.run("DELETE FROM transact WHERE ID = 't2'")
    renamed = {**STORES, "k": StoreFact("k", "KALO", 4)}
    stock.renew(replace(FACTS, number=3, stores=renamed))
    message = "store KALO is active on site 4, not here"
    assert stock.refusal("INSERT INTO transact VALUES ('t9', 'k', NULL, 9, 'nw')") == message


def test_p31_a_store_on_its_way_can_be_edited_at_neither_end_and_the_guard_says_where_it_goes(stock: Stock) -> None:
    leaving = StoreFact("b", "BUM", 2, 1, hand_over=HandOver(2, 3))
    stock.renew(replace(FACTS, number=2, stores={**STORES, "b": leaving}))
    message = "store BUM is being handed over to site 3"
    assert stock.refusal("DELETE FROM transact WHERE ID = 't1'") == message
    stock.renew(replace(FACTS, number=2, stores={**STORES, "b": StoreFact("b", "BUM", 2, hand_over=HandOver(2, 2))}))
    assert stock.refusal("DELETE FROM transact WHERE ID = 't1'") == (
        "store BUM is being taken back from the primary after a restore"
    )
    coming = StoreFact("k", "KAL", None, 2, hand_over=HandOver(3, 2, "filling"))
    stock.renew(replace(FACTS, number=3, stores={**STORES, "k": coming}))
    assert stock.refusal("DELETE FROM transact WHERE ID = 't2'") == "store KAL is being handed over to site 2"
    stock.run("DELETE FROM transact WHERE ID = 't1'")
    stock.renew(replace(FACTS, number=4, stores={**STORES, "k": StoreFact("k", "KAL", 2, 2)}))
    stock.run("DELETE FROM transact WHERE ID = 't2'")


def test_facts_that_are_undone_were_never_there(stock: Stock) -> None:
    changed = replace(FACTS, number=2, stores={**STORES, "k": StoreFact("k", "KAL", 2)})
    with pytest.raises(InterruptedError):
        _renew_and_fail(stock, changed)
    assert stock.refusal("DELETE FROM transact WHERE ID = 't2'") == NOT_HERE


def _renew_and_fail(stock: Stock, facts: Facts) -> None:
    with stock.database.write() as writer:
        stock.database.renew_guard(facts, writer, 2)
        raise InterruptedError


def test_stores_known_by_numbers(make: MakeStock) -> None:
    schema = "CREATE TABLE visit (ID INTEGER PRIMARY KEY, store INTEGER);"
    visit = RecordType("visit", "visit", ("ID",), ("ID", "store"), "active_site", "sites_of_store", store="store")
    facts = Facts(1, {"7": StoreFact("7", "BUM", 2), "8": StoreFact("8", "KAL", 3)}, {})
    stock = make(schema=schema, types=[visit], facts=facts, before="")
    stock.run("INSERT INTO visit VALUES (1, 7)")
    assert [entry[3] for entry in stock.entries()] == ["7"]
    assert stock.refusal("INSERT INTO visit VALUES (2, 8)") == NOT_HERE


def test_thousands_of_stores_with_any_code(make: MakeStock) -> None:
    stores = {f"s'{n}": StoreFact(f"s'{n}", f"Dr. O'Neil's \"{n}\" \\ % ✚", n % 60 + 3) for n in range(3000)}
    facts = Facts(1, {**stores, "b": STORES["b"]}, {})
    stock = make(facts=facts, before="INSERT INTO item_line VALUES ('s1', 's''2999', NULL, 1, NULL);")
    stock.run("INSERT INTO item_line VALUES ('s2', 'b', NULL, 1, NULL)")
    assert stock.refusal("DELETE FROM item_line") == "store Dr. O'Neil's \"2999\" \\ % ✚ is active on site 62, not here"


def test_without_any_store_nothing_of_a_store_can_be_edited(make: MakeStock) -> None:
    stock = make(facts=Facts(0, {}, {}))
    assert stock.refusal("DELETE FROM transact WHERE ID = 't1'") == UNKNOWN


def test_the_guard_does_not_depend_on_the_session_that_writes(stock: Stock) -> None:
    """Another search path, SQL mode or time zone of the application changes nothing."""
    odd = {
        "sqlite": ["PRAGMA recursive_triggers=ON", "PRAGMA case_sensitive_like=ON"],
        "postgresql": [
            "SET search_path = pg_catalog",
            "SET standard_conforming_strings = off",
            "SET TIME ZONE 'Asia/Tokyo'",
        ],
        "mariadb": [
            "SET sql_mode = 'ANSI,ORACLE,NO_BACKSLASH_ESCAPES'",
            "SET names latin1",
            "SET time_zone = '+09:00'",
        ],
    }
    for statement in odd[stock.application.kind]:
        stock.run(statement)
    name = "public.transact" if stock.application.kind == "postgresql" else "transact"
    other = stock.application.connection
    stock.application.connection = stock.application.connect()
    assert stock.refusal(f"DELETE FROM {name} WHERE ID = 't2'", connection=other) == NOT_HERE
    other.execute(f"UPDATE {name} SET status = 'cn' WHERE ID = 't1'")
    assert stock.logged() == {("transact", "t1")}
