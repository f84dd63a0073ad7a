"""The triggers log every record that may have changed, with every store and routing value that it had."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from msyncd.databases.sqlite.lineage import lineages
from msyncd.databases.sqlite.triggers import CapturedType, capture_statements, capture_tables
from msyncd.errors import RecordTypeStopped
from msyncd.model import RecordType, Table, Through
from tests.databases.sqlite.capturing import FACTS, LINE_NOTE, SCHEMA, TRANS_LINE, TRANSACT, Captured

JOURNALS = ["wal", "delete", "truncate", "memory"]
WRITE, DELETE = 1, 2

HEADER = "INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw')"
LINE = "INSERT INTO trans_line VALUES ('l1', 't1', NULL, 5)"
NOTE = "INSERT INTO line_note VALUES ('o1', 'l1', 'fragile')"


@pytest.fixture
def app(tmp_path: Path) -> Captured:
    return Captured(tmp_path / "store.db", guard=False)


def family(app: Captured) -> None:
    for statement in (HEADER, LINE, NOTE):
        app.run(statement)
    app.log()


@pytest.mark.parametrize("journal", JOURNALS)
@pytest.mark.parametrize("foreign_keys", [0, 1])
@pytest.mark.parametrize("recursive", [0, 1])
def test_insert_update_and_delete_are_logged(tmp_path: Path, journal: str, foreign_keys: int, recursive: int) -> None:
    pragmas: dict[str, str | int] = {
        "journal_mode": journal,
        "foreign_keys": foreign_keys,
        "recursive_triggers": recursive,
    }
    with Captured(tmp_path / "store.db", pragmas=pragmas) as app:
        app.run(HEADER)
        app.run(LINE)
        app.run("UPDATE transact SET status = 'cn'")
        app.run("DELETE FROM trans_line")
        assert app.fetch("PRAGMA journal_mode") == [(journal,)]
        assert app.log() == [
            ("transact", WRITE, "b", None, "n1", None, None, "t1"),
            ("trans_line", WRITE, "b", None, "n1", None, "t1", "l1"),
            ("transact", WRITE, "b", None, "n1", None, None, "t1"),
            ("trans_line", DELETE, "b", None, "n1", None, "t1", "l1"),
        ]


def test_origin_is_this_site_and_only_site_is_empty(app: Captured) -> None:
    app.run(HEADER)
    assert app.fetch("SELECT origin, only_site FROM msyncd_change_log") == [(2, None)]


def test_a_transaction_that_is_rolled_back_leaves_no_entry(app: Captured) -> None:
    app.run("BEGIN")
    app.run(HEADER)
    app.run("ROLLBACK")
    assert app.log() == []


def test_a_failed_statement_leaves_no_entry(app: Captured) -> None:
    app.run(HEADER)
    app.log()
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE constraint failed"):
        app.run(HEADER)
    assert app.log() == []


def test_the_application_sees_its_own_row_counts_and_row_ids(app: Captured) -> None:
    app.run(HEADER)
    done = app.connection.execute(LINE)
    assert (done.rowcount, done.lastrowid) == (1, 1)
    assert app.fetch("SELECT changes(), last_insert_rowid()") == [(1, 1)]


def test_numbers_are_never_reused(app: Captured) -> None:
    app.run(HEADER)
    (before,) = app.fetch("SELECT seq FROM msyncd_change_log")
    app.run("DELETE FROM msyncd_change_log")
    app.run(LINE)
    (after,) = app.fetch("SELECT seq FROM msyncd_change_log")
    assert before < after


def test_a_record_through_two_parents_has_the_root_s_store_and_route(app: Captured) -> None:
    family(app)
    app.run("UPDATE line_note SET note = 'cold'")
    assert app.log() == [("line_note", WRITE, "b", None, "n1", None, "l1", "o1")]


def test_a_move_between_stores_logs_both_and_every_record_through_it(app: Captured) -> None:
    family(app)
    app.run("UPDATE transact SET store_ID = 'h'")
    assert sorted(app.log()) == [
        ("line_note", WRITE, "h", "b", "n1", None, "l1", "o1"),
        ("trans_line", WRITE, "h", "b", "n1", None, "t1", "l1"),
        ("transact", WRITE, "h", "b", "n1", None, None, "t1"),
    ]


def test_a_changed_routing_column_logs_every_record_through_it(app: Captured) -> None:
    family(app)
    app.run("UPDATE transact SET name_ID = 'n2'")
    assert sorted(app.log()) == [
        ("line_note", WRITE, "b", None, "n2", "n1", "l1", "o1"),
        ("trans_line", WRITE, "b", None, "n2", "n1", "t1", "l1"),
        ("transact", WRITE, "b", None, "n2", "n1", None, "t1"),
    ]


def test_a_changed_parent_is_logged_with_both(app: Captured) -> None:
    family(app)
    app.run("INSERT INTO transact VALUES ('t2', 'h', 'n2', 1, 'nw')")
    app.log()
    app.run("UPDATE trans_line SET transaction_ID = 't2'")
    assert sorted(app.log(), key=str) == [
        ("line_note", WRITE, "h", "b", "n2", "n1", "l1", "o1"),
        ("trans_line", WRITE, "b", None, "n1", None, "t1", "l1"),
        ("trans_line", WRITE, "h", "b", "n2", "n1", "t2", "l1"),
    ]


def test_a_changed_key_is_a_delete_and_a_write_and_cascades_to_the_lines(app: Captured) -> None:
    family(app)
    app.run("UPDATE transact SET ID = 't9'")
    entries = app.log()
    assert ("transact", DELETE, "b", None, "n1", None, None, "t1") in entries
    assert ("transact", WRITE, "b", None, "n1", None, None, "t9") in entries
    assert ("trans_line", WRITE, "b", None, "n1", None, "t9", "l1") in entries
    assert [entry[1] for entry in entries if entry[0] == "transact"] == [DELETE, WRITE]


def test_a_deleted_parent_stands_in_the_log_before_its_cascades(app: Captured) -> None:
    family(app)
    app.run("DELETE FROM transact")
    assert app.log() == [
        ("transact", DELETE, "b", None, "n1", None, None, "t1"),
        ("trans_line", DELETE, None, None, None, None, "t1", "l1"),
        ("line_note", DELETE, None, None, None, None, "l1", "o1"),
    ]


def test_a_reference_set_null_by_a_cascade_is_logged(app: Captured) -> None:
    app.run("INSERT INTO item VALUES ('i1', 'amox', 'Amoxicillin', NULL)")
    app.run(HEADER)
    app.run("INSERT INTO trans_line VALUES ('l1', 't1', 'i1', 5)")
    app.log()
    app.run("DELETE FROM item")
    assert app.log() == [
        ("item", DELETE, None, None, None, None, None, "i1"),
        ("trans_line", WRITE, "b", None, "n1", None, "t1", "l1"),
    ]


def test_lines_may_come_before_their_header(tmp_path: Path) -> None:
    with Captured(tmp_path / "store.db", pragmas={"defer_foreign_keys": 0}) as app:
        app.run("BEGIN")
        app.run("PRAGMA defer_foreign_keys=1")
        app.run(LINE)
        app.run(HEADER)
        app.run("COMMIT")
        assert app.log() == [
            ("trans_line", WRITE, None, None, None, None, "t1", "l1"),
            ("transact", WRITE, "b", None, "n1", None, None, "t1"),
        ]


# --- excluded columns -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stands", "becomes", "logged"),
    [
        ("'a'", "'A'", True),
        ("'a'", "'a'", False),
        ("1", "1.0", True),
        ("NULL", "NULL", False),
        ("NULL", "''", True),
        ("x'61'", "'a'", True),
    ],
)
def test_only_a_change_of_what_travels_is_logged(tmp_path: Path, stands: str, becomes: str, logged: bool) -> None:
    schema = "CREATE TABLE note (ID TEXT PRIMARY KEY, body COLLATE NOCASE, local_note TEXT)"
    note = RecordType("note", "note", ("ID",), ("ID", "body"), "any_site", "every_site", excludes_columns=True)
    with Captured(tmp_path / "store.db", schema=schema, types=[note]) as app:
        app.run(f"INSERT INTO note VALUES ('1', {stands}, 'here')")
        app.log()
        app.run(f"UPDATE note SET body = {becomes}, local_note = 'there'")
        assert bool(app.log()) is logged


def test_without_excluded_columns_every_update_is_logged(app: Captured) -> None:
    family(app)
    app.run("UPDATE transact SET status = status")
    assert len(app.log()) == 1


# --- REPLACE --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recursive", [0, 1])
@pytest.mark.parametrize("foreign_keys", [0, 1])
def test_a_row_that_replace_removes_is_logged_with_what_cascades(
    tmp_path: Path, foreign_keys: int, recursive: int
) -> None:
    pragmas = {"foreign_keys": foreign_keys, "recursive_triggers": recursive}
    with Captured(tmp_path / "store.db", guard=False, pragmas=pragmas) as app:
        family(app)
        app.run("INSERT OR REPLACE INTO transact VALUES ('t2', 'b', 'n2', 1, 'nw')")
        assert app.fetch("SELECT ID FROM transact") == [("t2",)]
        entries = app.log()
        assert entries[0] == ("transact", DELETE, "b", None, "n1", None, None, "t1")
        assert entries[-1] == ("transact", WRITE, "b", None, "n2", None, None, "t2")
        # SQLite runs the foreign keys' actions for what REPLACE removes, and the lines' own triggers with them
        assert (("trans_line", DELETE, None, None, None, None, "t1", "l1") in entries) is bool(foreign_keys)
        assert len(app.fetch("SELECT * FROM trans_line")) == 1 - foreign_keys


@pytest.mark.parametrize("foreign_keys", [0, 1])
def test_a_row_replaced_under_its_own_key_keeps_its_old_store_in_the_log(tmp_path: Path, foreign_keys: int) -> None:
    with Captured(tmp_path / "store.db", guard=False, pragmas={"foreign_keys": foreign_keys}) as app:
        family(app)
        app.run("INSERT OR REPLACE INTO transact VALUES ('t1', 'h', 'n2', 1, 'nw')")
        entries = app.log()
        assert ("transact", DELETE, "b", None, "n1", None, None, "t1") in entries
        assert ("transact", WRITE, "h", None, "n2", None, None, "t1") in entries
        assert ("trans_line", WRITE, "h", "b", "n2", "n1", "t1", "l1") in entries
        assert ("line_note", WRITE, "h", "b", "n2", "n1", "l1", "o1") in entries


def test_a_row_that_update_or_replace_removes_is_logged(app: Captured) -> None:
    family(app)
    app.run("INSERT INTO transact VALUES ('t2', 'h', 'n2', 7, 'nw')")
    app.log()
    app.run("UPDATE OR REPLACE transact SET store_ID = 'h', number = 7 WHERE ID = 't1'")
    assert app.log()[0] == ("transact", DELETE, "h", None, "n2", None, None, "t2")
    # SQLite itself refuses the following where it enforces foreign keys, with or without triggers
    app.run("PRAGMA foreign_keys=0")
    app.run("INSERT INTO transact VALUES ('t3', 'x', 'n3', 7, 'nw')")
    app.log()
    app.run("UPDATE OR REPLACE transact SET ID = 't3' WHERE ID = 't1'")
    assert app.log()[0] == ("transact", DELETE, "x", None, "n3", None, None, "t3")


def test_an_update_that_leaves_its_unique_values_alone_logs_no_other_row(app: Captured) -> None:
    family(app)
    app.run("UPDATE transact SET store_ID = store_ID, number = number, status = 'cn'")
    assert [entry[-1] for entry in app.log()] == ["t1"]


def test_nulls_never_collide_and_the_column_s_collation_counts(tmp_path: Path) -> None:
    schema = "CREATE TABLE unit (ID TEXT PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE)"
    unit = RecordType("unit", "unit", ("ID",), ("ID", "name"), "any_site", "every_site")
    with Captured(tmp_path / "store.db", schema=schema, types=[unit]) as app:
        app.run("INSERT INTO unit VALUES ('1', NULL), ('2', NULL), ('3', 'ml')")
        assert len(app.log()) == 3
        app.run("INSERT OR REPLACE INTO unit VALUES ('4', 'ML')")
        assert [(entry[1], entry[-1]) for entry in app.log()] == [(DELETE, "3"), (WRITE, "4")]


def test_a_primary_key_that_is_not_the_record_type_s_key_is_looked_up_too(tmp_path: Path) -> None:
    schema = "CREATE TABLE unit (rank INTEGER PRIMARY KEY, ID TEXT NOT NULL UNIQUE)"
    unit = RecordType("unit", "unit", ("ID",), ("ID", "rank"), "any_site", "every_site")
    with Captured(tmp_path / "store.db", schema=schema, types=[unit]) as app:
        app.run("INSERT INTO unit VALUES (1, 'a')")
        app.log()
        app.run("INSERT OR REPLACE INTO unit VALUES (1, 'b')")
        assert [(entry[1], entry[-1]) for entry in app.log()] == [(DELETE, "a"), (WRITE, "b")]


def test_insert_or_ignore_and_upsert_do_what_they_did(tmp_path: Path) -> None:
    with Captured(tmp_path / "store.db") as app:
        family(app)
        app.run("INSERT OR IGNORE INTO transact VALUES ('t1', 'b', 'n1', 1, 'xx')")
        assert app.fetch("SELECT status FROM transact") == [("nw",)]
        upsert = "INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'fn') ON CONFLICT (ID) DO UPDATE SET status = 'fn'"
        app.run(upsert)
        assert app.fetch("SELECT status FROM transact") == [("fn",)]
        assert app.log() == [("transact", WRITE, "b", None, "n1", None, None, "t1")]


def test_nothing_looks_for_rows_in_the_way_where_none_can_be(tmp_path: Path) -> None:
    schema = "CREATE TABLE unit (ID TEXT PRIMARY KEY, name TEXT)"
    unit = RecordType("unit", "unit", ("ID",), ("ID", "name"), "any_site", "every_site")
    with Captured(tmp_path / "store.db", schema=schema, types=[unit]) as app:
        names = {statement.name for statement in app.statements if "refuse" not in statement.name}
        assert names == {"msyncd_1_log_insert", "msyncd_1_log_update", "msyncd_1_log_delete"}


# --- the applier ----------------------------------------------------------------------------------------------------


def test_the_applier_is_silent_for_the_record_type_that_it_writes_and_no_other(app: Captured) -> None:
    app.apply("transact", HEADER, LINE)
    assert [entry[0] for entry in app.log()] == ["trans_line"]
    app.apply("transact", "UPDATE transact SET store_ID = 'h', ID = 't2'", "DELETE FROM transact")
    assert "transact" not in {entry[0] for entry in app.log()}


def test_between_record_types_everything_is_logged(app: Captured) -> None:
    app.apply(None, HEADER, LINE)
    assert [entry[0] for entry in app.log()] == ["transact", "trans_line"]


def test_replace_by_the_applier_is_silent(app: Captured) -> None:
    app.apply(
        "transact", HEADER, "REPLACE INTO transact VALUES ('t2', 'b', NULL, 1, 'nw')", "UPDATE transact SET number = 2"
    )
    assert app.log() == []


def test_what_an_application_trigger_writes_during_apply_is_this_site_s_own(tmp_path: Path) -> None:
    own = """CREATE TRIGGER copy_status AFTER INSERT ON transact WHEN NEW.ID = 't1' BEGIN
      INSERT INTO transact VALUES ('t1-copy', NEW.store_ID, NULL, 99, 'auto');
      UPDATE item_line SET quantity = quantity - 1; END;"""
    with Captured(tmp_path / "store.db", guard=False, before=own, application_triggers=True) as app:
        app.run("INSERT INTO item_line VALUES ('s1', 'b', NULL, 10, NULL)")
        app.log()
        app.run("INSERT INTO msyncd_incoming (type, key1) VALUES (3, 't1')")
        app.apply("transact", HEADER)
        assert sorted((entry[0], entry[-1]) for entry in app.log()) == [("item_line", "s1"), ("transact", "t1-copy")]
        app.apply("transact", "UPDATE transact SET status = 'cn' WHERE ID = 't1'", "DELETE FROM transact")
        assert [(entry[0], entry[-1]) for entry in app.log()] == [("transact", "t1-copy")]
        app.apply("transact", HEADER, "UPDATE transact SET ID = 't7' WHERE ID = 't1'")
        assert ("transact", WRITE, "b", None, "n1", None, None, "t7") in app.log()


# --- kinds of tables and names --------------------------------------------------------------------------------------

ODD = """
CREATE TABLE "order ""of"" the day" ("group" TEXT, "Prüf-Nr." INTEGER, "select" TEXT, "it's" TEXT,
  PRIMARY KEY ("group", "Prüf-Nr."), UNIQUE ("select", "it's")) %s;
CREATE TABLE "values" ("key" INTEGER PRIMARY KEY, "group" TEXT, "Prüf-Nr." INTEGER, "order" TEXT,
  FOREIGN KEY ("group", "Prüf-Nr.") REFERENCES "order ""of"" the day" ON DELETE CASCADE ON UPDATE CASCADE) %s;
"""


@pytest.mark.parametrize("options", ["", "STRICT", "WITHOUT ROWID", "STRICT, WITHOUT ROWID"])
def test_odd_names_composite_keys_and_every_kind_of_table(tmp_path: Path, options: str) -> None:
    table = 'order "of" the day'
    columns = ("group", "Prüf-Nr.", "select", "it's")
    odd = RecordType("odd one's", table, columns[:2], columns, "active_site", "sites_of_store", store="it's")
    values = RecordType("values", "values", ("key",), ("key", "group", "Prüf-Nr.", "order"), "any_site", "every_site")
    with Captured(tmp_path / "store.db", schema=ODD % (options, options), types=[odd, values]) as app:
        app.run(f"INSERT INTO {app_name(table)} VALUES ('a', 1, 'x', 'b')")
        app.run("INSERT INTO \"values\" VALUES (7, 'a', 1, 'first')")
        app.run(f'UPDATE {app_name(table)} SET "Prüf-Nr." = 2')
        app.run(f"REPLACE INTO {app_name(table)} VALUES ('z', 9, 'x', 'b')")
        keys = app.fetch("SELECT type, operation, key1, key2 FROM msyncd_change_log ORDER BY seq")
        assert keys[:2] == [(1, WRITE, "a", 1), (2, WRITE, 7, None)]
        assert (1, DELETE, "a", 1) in keys
        assert (1, WRITE, "a", 2) in keys
        assert keys[-3:] == [(1, DELETE, "a", 2), (2, DELETE, 7, None), (1, WRITE, "z", 9)]
        with pytest.raises(
            sqlite3.IntegrityError, match=r"^odd one's names no store in it's, so it can be edited nowhere$"
        ):
            app.run(f"INSERT INTO {app_name(table)} VALUES ('q', 1, 'q', NULL)")


def app_name(table: str) -> str:
    return '"' + table.replace('"', '""') + '"'


def test_an_integer_key_that_sqlite_gives_is_logged(tmp_path: Path) -> None:
    schema = "CREATE TABLE visit (ID INTEGER PRIMARY KEY, store INTEGER, number UNIQUE)"
    visit = RecordType(
        "visit", "visit", ("ID",), ("ID", "store", "number"), "any_site", "sites_of_store", store="store"
    )
    with Captured(tmp_path / "store.db", schema=schema, types=[visit]) as app:
        app.run("INSERT INTO visit (store, number) VALUES (5, 1)")
        app.run("INSERT INTO visit (ID, store, number) VALUES (NULL, 5, 2)")
        assert [entry[1:] for entry in app.log()] == [
            (WRITE, "5", None, None, None, None, 1),
            (WRITE, "5", None, None, None, None, 2),
        ]


def test_a_record_type_s_own_routing_column_counts_where_its_root_has_none(tmp_path: Path) -> None:
    line = replace(TRANS_LINE, also_sent_to=TRANSACT.also_sent_to and replace(TRANSACT.also_sent_to, column="item_ID"))
    types = [replace(TRANSACT, also_sent_to=None), line]
    with Captured(tmp_path / "store.db", types=types, pragmas={"foreign_keys": 0}) as app:
        app.run(HEADER)
        app.run("INSERT INTO trans_line VALUES ('l1', 't1', 'i1', 5)")
        app.log()
        app.run("UPDATE trans_line SET item_ID = 'i2'")
        app.run("UPDATE transact SET store_ID = 'h'")
        assert sorted(app.log(), key=str) == [
            ("trans_line", WRITE, "b", None, "i2", "i1", "t1", "l1"),
            ("trans_line", WRITE, "h", "b", "i2", None, "t1", "l1"),
            ("transact", WRITE, "h", "b", None, None, None, "t1"),
        ]


def test_another_connection_that_was_open_before_is_captured_too(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    early = sqlite3.connect(path, isolation_level=None)
    early.executescript(SCHEMA)
    early.execute("SELECT * FROM transact").fetchall()
    with Captured(path, schema="") as app:
        early.execute(HEADER)
        with pytest.raises(sqlite3.IntegrityError, match="store KAL is active on site 3, not here"):
            early.execute("UPDATE transact SET store_ID = 'k'")
        assert len(app.log()) == 1
    early.close()


REBUILD = """
CREATE TABLE new_transact (ID TEXT PRIMARY KEY, store_ID TEXT, name_ID TEXT, number INTEGER, status TEXT, extra TEXT);
INSERT INTO new_transact SELECT *, NULL FROM transact;
DROP TABLE transact;
ALTER TABLE new_transact RENAME TO transact;
"""


def test_a_rebuilt_table_loses_its_triggers_and_the_others_go_on(tmp_path: Path) -> None:
    with Captured(tmp_path / "store.db", pragmas={"foreign_keys": 0, "legacy_alter_table": 1}) as app:
        family(app)
        app.connection.executescript(REBUILD)
        app.run("UPDATE transact SET status = 'fn'")
        app.run("UPDATE trans_line SET quantity = 2")
        assert [entry[0] for entry in app.log()] == ["trans_line"]


def test_without_legacy_alter_table_sqlite_refuses_to_rebuild_what_other_triggers_name(tmp_path: Path) -> None:
    # known and told to admins: such a migration needs the pragma, or msyncd taken away while it runs
    with Captured(tmp_path / "store.db", pragmas={"foreign_keys": 0}) as app:
        with pytest.raises(sqlite3.OperationalError, match=r"error in trigger msyncd_\d_\w+: no such table"):
            app.connection.executescript(f"BEGIN;{REBUILD}")
        app.run("ROLLBACK")
        app.run("ALTER TABLE transact RENAME COLUMN store_ID TO shop")
        app.run("ALTER TABLE transact RENAME TO invoice")
        app.run("INSERT INTO invoice VALUES ('t1', 'b', 'n1', 1, 'nw')")
        app.run(LINE)
        assert [entry[:3] for entry in app.log()] == [("transact", WRITE, "b"), ("trans_line", WRITE, "b")]


def test_a_column_s_collation_does_not_hide_a_move(tmp_path: Path) -> None:
    schema = SCHEMA.replace(
        "store_ID TEXT, name_ID TEXT,", "store_ID TEXT COLLATE NOCASE, name_ID TEXT COLLATE NOCASE,"
    )
    with Captured(tmp_path / "store.db", schema=schema, guard=False) as app:
        family(app)
        app.run("UPDATE transact SET store_ID = 'B', name_ID = 'N1'")
        assert ("trans_line", WRITE, "B", "b", "N1", "n1", "t1", "l1") in app.log()
        app.run("REPLACE INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw')")
        assert ("transact", DELETE, "B", None, "N1", None, None, "t1") in app.log()


# --- the texts ------------------------------------------------------------------------------------------------------


def test_sqlite_keeps_the_texts_as_they_are_and_they_are_always_the_same(app: Captured) -> None:
    stored = app.fetch("SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'view') ORDER BY name")
    assert stored == sorted((statement.name, statement.sql) for statement in app.statements)
    assert all(statement.name.startswith("msyncd_") for statement in app.statements)
    tables = [Table(one.table, (), ("ID",)) for one in app.types]
    captured = [CapturedType(n, one, table) for n, (one, table) in enumerate(zip(app.types, tables, strict=True), 1)]
    again = [capture_statements(2, captured, FACTS, application_triggers=False) for _ in range(2)]
    assert again[0] == again[1]


def test_key_columns_are_as_many_as_asked_but_never_less_than_two() -> None:
    assert ", key1, key2)" in capture_tables(1)[0]
    assert capture_tables(3)[0].endswith("parent, key1, key2, key3)")


@pytest.mark.parametrize(
    "types",
    [
        [TRANS_LINE],
        [LINE_NOTE, RecordType("trans_line", "t", ("a", "b"), ("a", "b"), "any_site", "every_site")],
        [RecordType("a", "a", ("ID",), ("ID",), "any_site", "every_site", store=Through("b", "a"))],
    ],
)
def test_a_parent_that_cannot_be_found_stops_the_record_type(types: list[RecordType]) -> None:
    captured = [CapturedType(number, one, Table(one.table, (), ("ID",))) for number, one in enumerate(types)]
    with pytest.raises(RecordTypeStopped, match="cannot be found through"):
        list(lineages(captured))
