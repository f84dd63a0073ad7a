"""The guard where SQLite is particular: REPLACE, IGNORE, settings; see also ../contract/test_guard.py."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from msyncd.databases.sqlite.triggers import guard_words
from msyncd.model import Facts, RecordType, StoreFact
from tests.databases.contract.stock import FACTS, ITEM_LINE, STORES, TRANSACT, TYPES
from tests.databases.sqlite.capturing import Captured

PRIMARY_ONLY = "item is edited on the primary (sync ID 1) only"
NOT_HERE = "store KAL is active on site 3, not here"

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


OF_SQLITE = {
    "INSERT OR IGNORE INTO item VALUES ('i2', 'para', 'Paracetamol', NULL)": PRIMARY_ONLY,
    "REPLACE INTO item VALUES ('i2', 'amox', 'x', NULL)": PRIMARY_ONLY,
    "INSERT OR IGNORE INTO transact VALUES ('t9', 'k', 'n1', 9, 'nw')": NOT_HERE,
    "INSERT OR REPLACE INTO transact VALUES ('t9', 'k', 'n1', 9, 'nw')": NOT_HERE,
    "UPDATE OR IGNORE transact SET status = 'fn' WHERE ID = 't2'": NOT_HERE,
    # rows that REPLACE would remove
    "REPLACE INTO transact VALUES ('t2', 'b', 'n1', 9, 'nw')": NOT_HERE,
    "REPLACE INTO item_line VALUES ('s9', 'b', 'i1', 1, 'kalo')": NOT_HERE,
    "UPDATE OR REPLACE item_line SET local_note = 'kalo' WHERE ID = 's1'": NOT_HERE,
    "UPDATE OR REPLACE transact SET ID = 't2' WHERE ID = 't1'": NOT_HERE,
    "REPLACE INTO trans_line VALUES ('l2', 't1', NULL, 1)": NOT_HERE,
}


def test_a_write_that_this_site_may_not_make_is_refused_in_every_journal_mode(app: Captured) -> None:
    assert {sql: refusal(app, sql) for sql in OF_SQLITE} == OF_SQLITE


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


def test_a_unique_excluded_column_does_not_let_replace_remove_a_guarded_row(tmp_path: Path) -> None:
    schema = "CREATE TABLE item (ID TEXT PRIMARY KEY, shelf TEXT UNIQUE)"
    item = RecordType("item", "item", ("ID",), ("ID",), "primary", "every_site", excludes_columns=True)
    before = "INSERT INTO item VALUES ('i1', 'a'), ('i2', 'b')"
    with Captured(tmp_path / "store.db", schema=schema, types=[item], before=before) as app:
        app.run("UPDATE item SET shelf = 'c' WHERE ID = 'i1'")
        with pytest.raises(sqlite3.IntegrityError, match=r"^item is edited on the primary \(sync ID 1\) only$"):
            app.run("UPDATE OR REPLACE item SET shelf = 'b' WHERE ID = 'i1'")


def test_replace_never_cascades_into_records_that_this_site_may_not_edit(tmp_path: Path) -> None:
    with Captured(tmp_path / "store.db", before=STANDS, site=1) as app:
        assert (
            refusal(app, "REPLACE INTO item VALUES ('i1', 'amox', 'x', NULL)")
            == "store BUM is active on site 2, not here"
        )


def test_the_applier_passes_for_the_record_type_that_it_writes_and_no_other(wal: Captured) -> None:
    wal.apply("item", "UPDATE item SET item_name = 'x'", "REPLACE INTO item VALUES ('i2', 'para', 'x', NULL)")
    wal.apply("transact", "UPDATE transact SET store_ID = 'h' WHERE ID = 't2'", "DELETE FROM transact WHERE ID = 't3'")
    with pytest.raises(sqlite3.IntegrityError, match="is edited on the primary"):
        wal.apply("transact", "UPDATE item SET item_name = 'y'")
    wal.run("ROLLBACK")
    with pytest.raises(sqlite3.IntegrityError, match="is edited on the primary"):
        wal.apply(None, "UPDATE item SET item_name = 'y'")


def test_any_site_has_no_guard(tmp_path: Path) -> None:
    types = [replace(one, edited_on="any_site") for one in TYPES]
    with Captured(tmp_path / "store.db", before=STANDS, types=types) as app:
        refusing = [one.name for one in app.statements if "RAISE" in one.sql or "INTO msyncd_refuse" in one.sql]
        assert refusing == ["msyncd_refuse_store_words"]
        assert not [one.name for one in app.statements if "guard" in one.name]
        app.run("UPDATE transact SET status = 'fn'")
        assert len(app.log()) == 3


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


def test_thousands_of_stores_with_any_code(tmp_path: Path) -> None:
    stores = {f"s'{n}": StoreFact(f"s'{n}", f"Dr. O'Neil's \"{n}\" ✚", n % 60 + 3) for n in range(3000)}
    before = "INSERT INTO item_line (ID, store_ID) VALUES ('s1', 's''2999')"
    facts = Facts(1, {**stores, "b": STORES["b"], "nul\0": StoreFact("nul\0", "nul\0", 3)}, {})
    with Captured(tmp_path / "store.db", types=[ITEM_LINE, TRANSACT], facts=facts, before=before) as app:
        app.run("INSERT INTO item_line (ID, store_ID) VALUES ('s2', 'b')")
        with pytest.raises(sqlite3.IntegrityError) as refused:
            app.run("DELETE FROM item_line")
        assert str(refused.value) == "store Dr. O'Neil's \"2999\" ✚ is active on site 62, not here"
