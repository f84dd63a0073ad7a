"""The guard refuses the application's own write of what this site may not edit, in words that a person understands."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from msyncd.databases.sqlite.triggers import guard_words
from msyncd.model import Facts, RecordType, StoreFact
from tests.databases.sqlite.capturing import FACTS, ITEM_LINE, STORES, TRANSACT, TYPES, Captured

PRIMARY_ONLY = "item is edited on the primary (sync ID 1) only"
NOT_HERE = "store KAL is active on site 3, not here"
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


@pytest.fixture(params=["wal", "delete", "truncate", "memory"])
def app(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Captured]:
    with Captured(tmp_path / "store.db", before=STANDS, pragmas={"journal_mode": request.param}) as made:
        yield made


@pytest.fixture
def wal(tmp_path: Path) -> Iterator[Captured]:
    with Captured(tmp_path / "store.db", before=STANDS, pragmas={"journal_mode": "wal"}) as made:
        yield made


def refusal(app: Captured, sql: str) -> str:
    """The message with which a statement is refused. It must be undone, with everything that it logged."""
    tables = "item", "item_line", "transact", "trans_line", "line_note", "msyncd_change_log"
    before = [app.fetch(f"SELECT * FROM {table}") for table in tables]
    with pytest.raises(sqlite3.IntegrityError, match=r"\w") as refused:
        app.run(sql)
    assert [app.fetch(f"SELECT * FROM {table}") for table in tables] == before
    return str(refused.value)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("INSERT INTO item VALUES ('i2', 'para', 'Paracetamol', NULL)", PRIMARY_ONLY),
        ("INSERT OR IGNORE INTO item VALUES ('i2', 'para', 'Paracetamol', NULL)", PRIMARY_ONLY),
        ("UPDATE item SET item_name = 'x'", PRIMARY_ONLY),
        ("DELETE FROM item", PRIMARY_ONLY),
        ("REPLACE INTO item VALUES ('i2', 'amox', 'x', NULL)", PRIMARY_ONLY),
        ("INSERT INTO transact VALUES ('t9', 'k', 'n1', 9, 'nw')", NOT_HERE),
        ("INSERT OR IGNORE INTO transact VALUES ('t9', 'k', 'n1', 9, 'nw')", NOT_HERE),
        ("INSERT OR REPLACE INTO transact VALUES ('t9', 'k', 'n1', 9, 'nw')", NOT_HERE),
        ("UPDATE transact SET status = 'fn' WHERE ID = 't2'", NOT_HERE),
        ("UPDATE OR IGNORE transact SET status = 'fn' WHERE ID = 't2'", NOT_HERE),
        ("DELETE FROM transact WHERE ID = 't2'", NOT_HERE),
        ("INSERT INTO transact VALUES ('t9', 'x', 'n1', 9, 'nw')", NOWHERE),
        ("INSERT INTO transact VALUES ('t9', 'never heard of', 'n1', 9, 'nw')", UNKNOWN),
        ("INSERT INTO transact VALUES ('t9', NULL, 'n1', 9, 'nw')", NO_STORE),
        ("UPDATE transact SET store_ID = NULL WHERE ID = 't1'", NO_STORE),
        ("UPDATE transact SET store_ID = 'b' WHERE ID = 't3'", NO_STORE),
        ("DELETE FROM transact WHERE ID = 't3'", NO_STORE),
        # a move, either way
        ("UPDATE transact SET store_ID = 'k' WHERE ID = 't1'", NOT_HERE),
        ("UPDATE transact SET store_ID = 'b', number = 4 WHERE ID = 't2'", NOT_HERE),
        ("UPDATE trans_line SET transaction_ID = 't2' WHERE ID = 'l1'", NOT_HERE),
        ("UPDATE trans_line SET transaction_ID = 't1' WHERE ID = 'l2'", NOT_HERE),
        # through one and through two parents
        ("INSERT INTO trans_line VALUES ('l9', 't2', NULL, 1)", NOT_HERE),
        ("DELETE FROM trans_line WHERE ID = 'l2'", NOT_HERE),
        ("UPDATE line_note SET note = 'z' WHERE ID = 'o2'", NOT_HERE),
        ("INSERT INTO line_note VALUES ('o9', 'l2', 'z')", NOT_HERE),
        ("DELETE FROM line_note WHERE ID = 'o2'", NOT_HERE),
        ("UPDATE line_note SET note = 'z' WHERE ID = 'o3'", NO_STORE),
        # rows that REPLACE would remove
        ("REPLACE INTO transact VALUES ('t2', 'b', 'n1', 9, 'nw')", NOT_HERE),
        ("REPLACE INTO item_line VALUES ('s9', 'b', 'i1', 1, 'kalo')", NOT_HERE),
        ("UPDATE OR REPLACE item_line SET local_note = 'kalo' WHERE ID = 's1'", NOT_HERE),
        ("UPDATE OR REPLACE transact SET ID = 't2' WHERE ID = 't1'", NOT_HERE),
        ("REPLACE INTO trans_line VALUES ('l2', 't1', NULL, 1)", NOT_HERE),
    ],
)
def test_a_write_that_this_site_may_not_make_is_refused_and_undone(app: Captured, sql: str, message: str) -> None:
    assert refusal(app, sql) == message


def test_a_refused_statement_leaves_the_transaction_open(wal: Captured) -> None:
    wal.run("BEGIN")
    wal.run("UPDATE transact SET status = 'cn' WHERE ID = 't1'")
    assert refusal(wal, "UPDATE transact SET status = 'cn'") == NOT_HERE
    wal.run("COMMIT")
    assert wal.fetch("SELECT status FROM transact ORDER BY ID") == [("cn",), ("nw",), ("nw",)]
    assert [entry[-1] for entry in wal.log()] == ["t1"]


@pytest.mark.parametrize("foreign_keys", [0, 1])
@pytest.mark.parametrize("recursive", [0, 1])
def test_what_this_site_may_edit_passes(tmp_path: Path, foreign_keys: int, recursive: int) -> None:
    pragmas = {"foreign_keys": foreign_keys, "recursive_triggers": recursive}
    with Captured(tmp_path / "store.db", before=STANDS, pragmas=pragmas) as app:
        app.run("INSERT INTO transact VALUES ('t9', 'b', 'n1', 9, 'nw')")
        app.run("INSERT INTO trans_line VALUES ('l9', 't9', 'i1', 1)")
        app.run("INSERT INTO line_note VALUES ('o9', 'l9', 'z')")
        app.run("UPDATE transact SET store_ID = 'h' WHERE ID = 't9'")
        app.run("UPDATE trans_line SET transaction_ID = 't1' WHERE ID = 'l9'")
        app.run("INSERT INTO transact VALUES ('t9', 'b', 'n1', 9, 'nw') ON CONFLICT DO UPDATE SET status = 'fn'")
        app.run("INSERT OR IGNORE INTO transact VALUES ('t9', 'b', 'n1', 9, 'nw')")
        app.run("INSERT OR REPLACE INTO transact VALUES ('t8', 'h', 'n1', 9, 'nw')")
        app.run("DELETE FROM line_note WHERE ID = 'o9'")
        app.run("DELETE FROM trans_line WHERE ID = 'l9'")
        app.run("DELETE FROM transact WHERE store_ID IN ('b', 'h')")
        assert app.fetch("SELECT ID FROM transact ORDER BY ID") == [("t2",), ("t3",)]


def test_excluded_columns_are_this_site_s_own(wal: Captured) -> None:
    wal.run("UPDATE item SET local_note = 'behind the door'")
    wal.run("UPDATE item_line SET local_note = NULL, quantity = quantity WHERE ID = 's2'")
    assert wal.log() == []
    assert refusal(wal, "UPDATE item_line SET local_note = 'x', quantity = 11 WHERE ID = 's2'") == NOT_HERE


def test_a_unique_excluded_column_does_not_let_replace_remove_a_guarded_row(tmp_path: Path) -> None:
    schema = "CREATE TABLE item (ID TEXT PRIMARY KEY, shelf TEXT UNIQUE)"
    item = RecordType("item", "item", ("ID",), ("ID",), "primary", "every_site", excludes_columns=True)
    before = "INSERT INTO item VALUES ('i1', 'a'), ('i2', 'b')"
    with Captured(tmp_path / "store.db", schema=schema, types=[item], before=before) as app:
        app.run("UPDATE item SET shelf = 'c' WHERE ID = 'i1'")
        with pytest.raises(sqlite3.IntegrityError, match=r"^item is edited on the primary \(sync ID 1\) only$"):
            app.run("UPDATE OR REPLACE item SET shelf = 'b' WHERE ID = 'i1'")


def test_the_primary_edits_central_records_and_not_those_of_a_store_elsewhere(tmp_path: Path) -> None:
    with Captured(tmp_path / "store.db", before=STANDS, site=1) as app:
        app.run("UPDATE item SET item_name = 'x'")
        assert app.log()[0][0] == "item"
        assert (
            refusal(app, "UPDATE transact SET status = 'fn' WHERE ID = 't1'")
            == "store BUM is active on site 2, not here"
        )


def test_a_delete_never_cascades_into_records_that_this_site_may_not_edit(tmp_path: Path) -> None:
    with Captured(tmp_path / "store.db", before=STANDS, site=1) as app:
        assert refusal(app, "DELETE FROM item") == "store BUM is active on site 2, not here"
        app.apply("item_line", "DELETE FROM item_line")
        # trans_line's reference is set to NULL: that is an edit of the line
        assert refusal(app, "DELETE FROM item") == "store BUM is active on site 2, not here"
        app.apply("trans_line", "UPDATE trans_line SET item_ID = NULL")
        app.run("DELETE FROM item")
        assert app.fetch("SELECT * FROM item") == []


def test_replace_never_cascades_into_records_that_this_site_may_not_edit(tmp_path: Path) -> None:
    with Captured(tmp_path / "store.db", before=STANDS, site=1) as app:
        assert (
            refusal(app, "REPLACE INTO item VALUES ('i1', 'amox', 'x', NULL)")
            == "store BUM is active on site 2, not here"
        )


def test_a_header_s_delete_takes_its_lines_along(wal: Captured) -> None:
    wal.run("DELETE FROM transact WHERE ID = 't1'")
    assert wal.fetch("SELECT ID FROM trans_line ORDER BY ID") == [("l2",), ("l3",)]


def test_the_applier_passes_for_the_record_type_that_it_writes_and_no_other(wal: Captured) -> None:
    wal.apply("item", "UPDATE item SET item_name = 'x'", "REPLACE INTO item VALUES ('i2', 'para', 'x', NULL)")
    wal.apply("transact", "UPDATE transact SET store_ID = 'h' WHERE ID = 't2'", "DELETE FROM transact WHERE ID = 't3'")
    with pytest.raises(sqlite3.IntegrityError, match="is edited on the primary"):
        wal.apply("transact", "UPDATE item SET item_name = 'y'")
    wal.run("ROLLBACK")
    with pytest.raises(sqlite3.IntegrityError, match="is edited on the primary"):
        wal.apply(None, "UPDATE item SET item_name = 'y'")


def test_what_an_application_trigger_writes_during_apply_is_guarded(tmp_path: Path) -> None:
    own = (
        STANDS
        + """CREATE TRIGGER stock AFTER UPDATE ON transact BEGIN
      UPDATE item_line SET quantity = 0 WHERE store_ID = NEW.store_ID; END;
      CREATE TRIGGER twin AFTER UPDATE ON item BEGIN UPDATE item SET code = 'twin' WHERE ID = 'i2'; END;"""
    )
    with Captured(tmp_path / "store.db", before=own, application_triggers=True) as app:
        app.run("INSERT INTO msyncd_incoming (type, key1) VALUES (3, 't1'), (3, 't2'), (1, 'i1'), (1, 'i3')")
        app.apply("item", "INSERT INTO item VALUES ('i3', 'ibu', 'Ibuprofen', NULL)")
        app.apply("transact", "UPDATE transact SET status = 'fn' WHERE ID = 't1'")
        with pytest.raises(sqlite3.IntegrityError, match=NOT_HERE):
            app.apply("transact", "UPDATE transact SET status = 'fn' WHERE ID = 't2'")
        app.run("ROLLBACK")
        app.run("DELETE FROM msyncd_incoming WHERE key1 = 'i3'")
        with pytest.raises(sqlite3.IntegrityError, match="is edited on the primary"):
            app.apply("item", "UPDATE item SET item_name = 'x' WHERE ID = 'i3'")


def test_guard_off_captures_only(tmp_path: Path) -> None:
    types = [replace(one, guard=one.name != "transact") for one in TYPES]
    with Captured(tmp_path / "store.db", before=STANDS, types=types) as app:
        app.run("UPDATE transact SET status = 'fn' WHERE ID = 't2'")
        assert [entry[-1] for entry in app.log()] == ["t2"]
        assert refusal(app, "UPDATE trans_line SET quantity = 1 WHERE ID = 'l2'") == NOT_HERE


def test_any_site_has_no_guard(tmp_path: Path) -> None:
    types = [replace(one, edited_on="any_site") for one in TYPES]
    with Captured(tmp_path / "store.db", before=STANDS, types=types) as app:
        refusing = [one.name for one in app.statements if "RAISE" in one.sql or "INTO msyncd_refuse" in one.sql]
        assert refusing == ["msyncd_refuse_store_words"]
        assert not [one.name for one in app.statements if "guard" in one.name]
        app.run("UPDATE transact SET status = 'fn'")
        assert len(app.log()) == 3


@pytest.mark.parametrize("foreign_keys", [0, 1])
def test_a_line_whose_header_is_missing_passes(tmp_path: Path, foreign_keys: int) -> None:
    with Captured(tmp_path / "store.db", before=STANDS, pragmas={"foreign_keys": foreign_keys}) as app:
        app.run("BEGIN")
        app.run("PRAGMA defer_foreign_keys=1")
        app.run("INSERT INTO trans_line VALUES ('l9', 't9', NULL, 1)")
        app.run("INSERT INTO line_note VALUES ('o9', 'l9', 'z')")
        assert refusal(app, "INSERT INTO transact VALUES ('t9', 'k', NULL, 9, 'nw')") == NOT_HERE
        app.run("INSERT INTO transact VALUES ('t9', 'b', NULL, 9, 'nw')")
        app.run("COMMIT")


def test_changed_facts_change_the_guard_at_once_and_the_words_when_they_are_made_anew(wal: Captured) -> None:
    wal.run("UPDATE msyncd_store SET active_site = NULL WHERE store = 'b'")
    assert refusal(wal, "DELETE FROM transact WHERE ID = 't1'") == "store BUM is not active here now"
    words = guard_words(replace(FACTS, stores={**STORES, "b": StoreFact("b", "BUM", None)}), 2)
    wal.run(f"DROP TRIGGER {words.name}")
    wal.run(words.sql)
    message = "store BUM is active on no site, so its records can be edited nowhere"
    assert refusal(wal, "DELETE FROM transact WHERE ID = 't1'") == message
    wal.run("UPDATE msyncd_store SET active_site = 2 WHERE store = 'k'")
    wal.run("DELETE FROM transact WHERE ID = 't2'")


def test_stores_known_by_numbers(tmp_path: Path) -> None:
    schema = "CREATE TABLE visit (ID INTEGER PRIMARY KEY, store INTEGER)"
    visit = RecordType("visit", "visit", ("ID",), ("ID", "store"), "active_site", "sites_of_store", store="store")
    facts = Facts(1, {"7": StoreFact("7", "BUM", 2), "8": StoreFact("8", "KAL", 3)}, {})
    with Captured(tmp_path / "store.db", schema=schema, types=[visit], facts=facts) as app:
        app.run("INSERT INTO visit (store) VALUES (7)")
        with pytest.raises(sqlite3.IntegrityError, match=f"^{NOT_HERE}$"):
            app.run("INSERT INTO visit (store) VALUES (8)")


def test_thousands_of_stores_with_any_code(tmp_path: Path) -> None:
    stores = {f"s'{n}": StoreFact(f"s'{n}", f"Dr. O'Neil's \"{n}\" ✚", n % 60 + 3) for n in range(3000)}
    before = "INSERT INTO item_line (ID, store_ID) VALUES ('s1', 's''2999')"
    facts = Facts(1, {**stores, "b": STORES["b"], "nul\0": StoreFact("nul\0", "nul\0", 3)}, {})
    with Captured(tmp_path / "store.db", types=[ITEM_LINE, TRANSACT], facts=facts, before=before) as app:
        app.run("INSERT INTO item_line (ID, store_ID) VALUES ('s2', 'b')")
        with pytest.raises(sqlite3.IntegrityError) as refused:
            app.run("DELETE FROM item_line")
        assert str(refused.value) == "store Dr. O'Neil's \"2999\" ✚ is active on site 62, not here"


def test_without_any_store_nothing_of_a_store_can_be_edited(tmp_path: Path) -> None:
    with Captured(tmp_path / "store.db", facts=Facts(0, {}, {}), before=STANDS) as app:
        assert refusal(app, "DELETE FROM transact WHERE ID = 't1'") == UNKNOWN
