"""Unique indexes of which the columns do not tell it all: partial, on expressions, collated (P5)."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from msyncd.databases.sqlite.describe import describe
from msyncd.databases.sqlite.triggers import DELETE, WRITE
from msyncd.databases.sqlite.uniques import in_the_way
from msyncd.model import RecordType, Table
from tests.databases.sqlite.capturing import Captured

TABLE = 'CREATE TABLE unit (ID TEXT PRIMARY KEY, store_ID TEXT, "the code" TEXT, shelf TEXT, live, price REAL);'
UNIT = RecordType(
    "unit", "unit", ("ID",), ("ID", "store_ID", "the code", "shelf", "live", "price"), "active_site", "sites_of_store",
    store="store_ID",
)  # fmt: skip
STANDS = "INSERT INTO unit VALUES ('1', '{store}', 'Ab', 'top', 1, 2.5), ('2', 'b', 'cd', 'low', 1, 3);"
# an index, what takes the place of record 1, and what does not
INDEXES = {
    'ON unit ("the code" COLLATE NOCASE)': ("'aB', 'x', 1, 9", "'A', 'top', 1, 2.5"),
    "ON unit (lower([the code]))": ("'aB', 'x', 1, 9", "'A', 'top', 1, 2.5"),
    "ON unit (`the code`) WHERE live": ("'Ab', 'x', 1, 9", "'Ab', 'top', 0, 2.5"),
    "ON unit(shelf DESC, \"the code\" collate nocase ASC) where live IS NOT NULL AND shelf <> 'a) (b'": (
        "'aB', 'top', 1, 9",
        "'aB', 'top', NULL, 2.5",
    ),
    "ON unit (shelf||'/'||\"the code\", -- a comment, with (a comma\n price * 2 > 4)": (
        "'Ab', 'top', 1, 9",
        "'Ab', 'top', 1, 1",
    ),
    "ON unit (json_extract(json_object('a', shelf), '$.a'), substr(\"the code\", 1, 1) /* , */ COLLATE RTRIM DESC)": (
        "'Ax', 'top', 1, 9",
        "'ab', 'top', 1, 2.5",
    ),
}


def columns(written: str) -> str:
    """A row for `unit`, of store b."""
    return f"('3', 'b', {written})"


@pytest.fixture(params=INDEXES)
def index(request: pytest.FixtureRequest) -> str:
    """What stands behind CREATE UNIQUE INDEX and a name."""
    return str(request.param)


@pytest.fixture
def free(tmp_path: Path, index: str) -> Iterator[Captured]:
    """Both records are of the store that is active here."""
    before = STANDS.format(store="b")
    schema = f"{TABLE} CREATE UNIQUE INDEX odd {index};"
    with Captured(tmp_path / "store.db", schema=schema, types=[UNIT], before=before) as made:
        yield made


def test_p05_what_replace_removes_by_any_unique_index_is_logged(free: Captured, index: str) -> None:
    takes, other = INDEXES[index]
    free.run(f"INSERT OR REPLACE INTO unit VALUES {columns(other)}")
    assert [(entry[1], entry[-1]) for entry in free.log()] == [(WRITE, "3")]
    free.run("DELETE FROM unit WHERE ID = '3'")
    free.log()
    free.run(f"INSERT OR REPLACE INTO unit VALUES {columns(takes)}")
    assert [(entry[1], entry[-1]) for entry in free.log()] == [(DELETE, "1"), (WRITE, "3")]
    assert free.fetch("SELECT ID FROM unit ORDER BY ID") == [("2",), ("3",)]
    free.run("INSERT INTO unit VALUES ('1', 'b', 'Zz', 'top', 0, 0)")
    free.log()
    free.run(
        'UPDATE OR REPLACE unit SET ("the code", shelf, live, price) ='
        " (SELECT \"the code\", shelf, live, price FROM unit WHERE ID = '3') WHERE ID = '1'"
    )
    assert {(entry[1], entry[-1]) for entry in free.log()} == {(DELETE, "3"), (WRITE, "1")}
    assert free.fetch("SELECT ID FROM unit ORDER BY ID") == [("1",), ("2",)]


def test_p05_what_replace_would_remove_by_any_unique_index_is_guarded(tmp_path: Path, index: str) -> None:
    before = STANDS.format(store="k")  # of a store that is active elsewhere
    schema = f"{TABLE} CREATE UNIQUE INDEX odd {index};"
    takes, other = INDEXES[index]
    with Captured(tmp_path / "store.db", schema=schema, types=[UNIT], before=before) as app:
        for sql in (
            f"REPLACE INTO unit VALUES {columns(takes)}",
            f"UPDATE OR REPLACE unit SET (\"the code\", shelf, live, price) = ({takes}) WHERE ID = '2'",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="store KAL is active on site 3, not here"):
                app.run(sql)
        app.run(f"REPLACE INTO unit VALUES {columns(other)}")
        assert app.fetch("SELECT ID FROM unit ORDER BY ID") == [("1",), ("2",), ("3",)]


def test_rows_in_the_way_are_found_by_the_index_itself(free: Captured) -> None:
    (unique,) = unit(free.connection).odd_uniques
    given = ", ".join(f'? AS "{column}"' for column in unique.columns)
    source, where = in_the_way("unit", unique, f"SELECT {given}")
    plan = free.connection.execute(
        f"EXPLAIN QUERY PLAN SELECT r.ID FROM {source} WHERE {where}", [None] * len(unique.columns)
    ).fetchall()
    assert [step for *_, step in plan if "USING INDEX odd" in step or "USING COVERING INDEX odd" in step], plan


def test_a_column_is_renamed_while_the_triggers_stand(free: Captured) -> None:
    free.run('ALTER TABLE unit RENAME COLUMN "the code" TO code')
    free.run("ALTER TABLE unit RENAME TO thing")
    free.run("INSERT INTO thing VALUES ('9', 'b', 'new', 'new', 1, 100)")
    assert [(entry[1], entry[-1]) for entry in free.log()] == [(WRITE, "9")]


def unit(connection: sqlite3.Connection) -> Table:
    return describe(connection)["unit"]


def test_a_plain_index_is_plain(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.executescript(
            "CREATE TABLE unit (ID TEXT PRIMARY KEY, a TEXT COLLATE NOCASE UNIQUE, b TEXT, UNIQUE (b COLLATE RTRIM));"
            "CREATE UNIQUE INDEX same ON unit (a COLLATE NOCASE, b DESC);"
            "CREATE UNIQUE INDEX bytes ON unit (a COLLATE BINARY);"
        )
        table = unit(connection)
        assert sorted(table.uniques) == [("a",), ("a", "b")]
        assert sorted((one.terms, one.where, one.columns, one.held) for one in table.odd_uniques) == [
            (('"a" COLLATE "BINARY"',), "", ("a",), ("a",)),
            (('"b" COLLATE "RTRIM"',), "", ("b",), ("b",)),
        ]


@pytest.mark.parametrize("index", ["(a) WHERE _rowid_ > 3", "(twice(a))"])
def test_an_index_that_cannot_be_asked_makes_its_table_unfit(tmp_path: Path, index: str) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.create_function("twice", 1, lambda value: value * 2, deterministic=True)
        connection.executescript("CREATE TABLE unit (ID TEXT PRIMARY KEY, a TEXT);")
        connection.execute(f"CREATE UNIQUE INDEX strange ON unit {index}")
    with sqlite3.connect(tmp_path / "a.db") as connection:  # where there is no such function
        table = unit(connection)
        assert (table.unfit, table.remedy) == (
            "has the unique index strange: msyncd cannot tell whom a REPLACE removes by it",
            "make it on columns, or on built-in functions of them",
        )
