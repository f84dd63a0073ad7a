"""Capture where SQLite is particular: REPLACE, settings, kinds of tables; see also ../contract/test_capture.py."""

import sqlite3
from pathlib import Path

import pytest

from msyncd.databases.lineage import lineages
from msyncd.databases.sqlite.triggers import CapturedType, capture_statements, capture_tables
from msyncd.errors import RecordTypeStopped
from msyncd.model import RecordType, Table, Through
from tests.databases.contract.stock import FACTS, LINE_NOTE, TRANS_LINE
from tests.databases.sqlite.capturing import SCHEMA, Captured

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
        ("1", "1.0", True),
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
