"""What SQLite says of the application's tables, in one value per table."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from msyncd.databases.sqlite.describe import declared_collations, describe
from msyncd.model import Column, ForeignKey


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    yield made
    made.close()


def test_columns_with_types_defaults_and_nulls(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE Item (ID TEXT NOT NULL PRIMARY KEY, price DECIMAL(10, 2) DEFAULT 0, anything,"
        " packs INTEGER NOT NULL DEFAULT 1, total GENERATED ALWAYS AS (price * packs) VIRTUAL, kept AS (packs) STORED)"
    )
    table = describe(connection)["item"]
    assert (table.name, table.kind, table.primary_key) == ("Item", "table", ("ID",))
    assert table.columns == (
        Column("ID", "TEXT", nullable=False, kind="text"),
        Column("price", "DECIMAL(10, 2)", has_default=True, kind="decimal"),
        Column("anything"),
        Column("packs", "INTEGER", nullable=False, has_default=True, kind="integer"),
        Column("total", generated=True),
        Column("kept", generated=True),
    )


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("", "any"),
        ("integer", "integer"),
        ("UNSIGNED BIG INT", "integer"),
        ("Boolean", "boolean"),
        ("tinyint(1)", "integer"),
        ("decimal(19, 4)", "decimal"),
        ("NUMERIC", "decimal"),
        ("DOUBLE PRECISION", "float"),
        ("float(24)", "float"),
        ("REAL", "float"),
        ("VARCHAR (40)", "text"),
        ("nvarchar(max)", "text"),
        ("LONGTEXT", "text"),
        ("ENUM('a', 'b')", "text"),
        ("DATE", "date"),
        ("TIME", "time"),
        ("DATETIME(6)", "timestamp"),
        ("timestamp", "timestamp"),
        ("TIMESTAMP(6)  WITH TIME ZONE", "timestamptz"),
        ("timestamptz", "timestamptz"),
        ("JSON", "json"),
        ("uuid", "uuid"),
        ("BLOB", "binary"),
        ("VARBINARY(16)", "binary"),
        ("INTEGER[]", "array"),
        ("text array", "array"),
        ("INTERVAL", "any"),
        ("GEOMETRY", "any"),
    ],
)
def test_what_a_column_is_meant_to_hold(connection: sqlite3.Connection, declared: str, expected: str) -> None:
    word = f'"{declared}"' if declared else ""
    connection.execute(f"CREATE TABLE t (c {word})")
    column = describe(connection)["t"].column("c")
    assert column is not None
    assert (column.declared.casefold(), column.kind) == (declared.casefold(), expected)


@pytest.mark.parametrize(
    ("definition", "key", "nullable", "has_default"),
    [
        ("n INTEGER PRIMARY KEY, t", ("n",), False, True),
        ("n INT PRIMARY KEY, t", ("n",), True, False),
        ("n INTEGER PRIMARY KEY DESC, t", ("n",), True, False),
        ("n INTEGER, t, PRIMARY KEY (n)", ("n",), False, True),
        ("n INTEGER, t, PRIMARY KEY (t, n)", ("t", "n"), True, False),
        ("n INTEGER, t", (), True, False),
        ("n INTEGER NOT NULL, t", (), False, False),
    ],
)
def test_a_row_id_under_another_name_fills_itself(
    connection: sqlite3.Connection, definition: str, key: tuple[str, ...], nullable: bool, has_default: bool
) -> None:
    connection.execute(f"CREATE TABLE visit ({definition})")
    table = describe(connection)["visit"]
    column = table.column("n")
    assert column is not None
    assert (table.primary_key, column.nullable, column.has_default) == (key, nullable, has_default)


def test_a_table_without_rowid(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE pref (a TEXT, b INTEGER, c, PRIMARY KEY (b, a), UNIQUE (c)) WITHOUT ROWID")
    table = describe(connection)["pref"]
    assert (table.primary_key, table.uniques) == (("b", "a"), (("c",),))
    assert [column.nullable for column in table.columns] == [False, False, True]


def test_uniques_are_those_that_always_hold(connection: sqlite3.Connection) -> None:
    connection.executescript("""
        CREATE TABLE unit (ID TEXT PRIMARY KEY, "the name" TEXT UNIQUE, a, b, c, UNIQUE (b, a));
        CREATE UNIQUE INDEX plain ON unit (c);
        CREATE UNIQUE INDEX partial ON unit (a) WHERE b IS NULL;
        CREATE UNIQUE INDEX expression ON unit (lower(a));
        CREATE UNIQUE INDEX half_expression ON unit (a, lower(b));
        CREATE INDEX not_unique ON unit (b);
    """)
    assert sorted(describe(connection)["unit"].uniques) == [("b", "a"), ("c",), ("the name",)]


def test_foreign_keys_are_grouped_and_spelt_as_the_parent_spells_them(connection: sqlite3.Connection) -> None:
    connection.executescript("""
        CREATE TABLE Transact (ID TEXT PRIMARY KEY, other TEXT UNIQUE);
        CREATE TABLE Pair (A, "b c", PRIMARY KEY ("b c", A));
        CREATE TABLE line (
          ID TEXT PRIMARY KEY, t REFERENCES transact ON DELETE CASCADE,
          o REFERENCES TRANSACT (OTHER) ON DELETE SET NULL, x, y,
          nowhere REFERENCES missing, nowhere2 REFERENCES missing (Col), up TEXT REFERENCES line ON DELETE RESTRICT,
          FOREIGN KEY (X, y) REFERENCES pair, FOREIGN KEY (x, y) REFERENCES pair (a, "B C"));
    """)
    assert describe(connection)["line"].foreign_keys == (
        ForeignKey(("t",), "Transact", ("ID",), "CASCADE"),
        ForeignKey(("o",), "Transact", ("other",), "SET NULL"),
        ForeignKey(("nowhere",), "missing", ()),
        ForeignKey(("nowhere2",), "missing", ("Col",)),
        ForeignKey(("up",), "line", ("ID",), "RESTRICT"),
        ForeignKey(("x", "y"), "Pair", ("b c", "A")),
        ForeignKey(("x", "y"), "Pair", ("A", "b c")),
    )


def test_triggers_are_the_application_s_own(connection: sqlite3.Connection) -> None:
    connection.executescript("""
        CREATE TABLE Item (ID TEXT PRIMARY KEY);
        CREATE VIEW items AS SELECT * FROM Item;
        CREATE TRIGGER zebra AFTER INSERT ON ITEM BEGIN SELECT 1; END;
        CREATE TRIGGER ant AFTER INSERT ON item BEGIN SELECT 1; END;
        CREATE TRIGGER MSYNCD_1_log_insert AFTER INSERT ON item BEGIN SELECT 1; END;
        CREATE TRIGGER through INSTEAD OF INSERT ON items BEGIN SELECT 1; END;
    """)
    tables = describe(connection)
    assert tables["item"].triggers == ("ant", "zebra")
    assert tables["items"].triggers == ("through",)


def test_views_and_virtual_tables_are_told_apart(connection: sqlite3.Connection) -> None:
    connection.executescript("""
        CREATE TABLE Item (ID INTEGER PRIMARY KEY AUTOINCREMENT, name);
        CREATE TABLE search_history (ID INTEGER PRIMARY KEY);
        CREATE TABLE msyncd_change_log (seq INTEGER PRIMARY KEY);
        CREATE VIEW names AS SELECT name AS "the name" FROM Item;
        CREATE VIRTUAL TABLE search USING fts5 (name);
        CREATE TABLE gone (a);
        CREATE VIEW broken AS SELECT a FROM gone;
        DROP TABLE gone;
        CREATE TEMP TABLE scratch (a);
    """)
    connection.execute("ATTACH ':memory:' AS other")
    connection.execute("CREATE TABLE other.elsewhere (a)")
    tables = describe(connection)
    kinds = {name: table.kind for name, table in tables.items()}
    assert kinds.pop("search") == "virtual"
    shadows = [name for name in kinds if name.startswith("search_") and name != "search_history"]
    assert {kinds.pop(name) for name in shadows} == {"virtual"}
    assert kinds == {"item": "table", "search_history": "table", "names": "view", "broken": "view"}
    assert tables["names"].columns == (Column("the name"),)
    assert tables["broken"].columns == ()


def test_names_in_any_script_and_strict_tables(connection: sqlite3.Connection) -> None:
    connection.execute('CREATE TABLE "ПРИХОД of ""today""" ("группа" TEXT PRIMARY KEY, "order" BLOB) STRICT')
    table = describe(connection)['приход of "today"']
    assert (table.primary_key, table.columns[1].declared) == (("группа",), "BLOB")


@pytest.mark.parametrize(
    ("definition", "collation"),
    [
        ("ID TEXT PRIMARY KEY", None),
        ("ID TEXT COLLATE BINARY PRIMARY KEY", None),
        ("ID TEXT COLLATE nocase PRIMARY KEY", "NOCASE"),
        ('ID TEXT PRIMARY KEY /* COLLATE BINARY */ COLLATE\n"NoCase"', "NOCASE"),
        ("ID TEXT -- COLLATE NOCASE\n PRIMARY KEY", None),
        ("other TEXT COLLATE NOCASE, ID TEXT PRIMARY KEY", None),
        ("ID TEXT PRIMARY KEY CHECK (ID COLLATE NOCASE <> 'a,b)') DEFAULT ' COLLATE NOCASE'", None),
        ("[ID] TEXT CHECK (length(ID) > 1), other, PRIMARY KEY (ID COLLATE RTRIM)", "RTRIM"),
        ("`ID` TEXT COLLATE RTRIM, other, PRIMARY KEY (ID)", "RTRIM"),
        ("'ID' DECIMAL(10, 2) COLLATE NOCASE, PRIMARY KEY (ID)", "NOCASE"),
    ],
)
@pytest.mark.parametrize("options", ["", "WITHOUT ROWID"])
def test_the_collation_by_which_the_key_compares(
    connection: sqlite3.Connection, definition: str, collation: str | None, options: str
) -> None:
    connection.execute(f"CREATE TABLE /* a (comment, */ item ({definition}) {options}")
    connection.execute("INSERT INTO item (ID) VALUES ('Ab')")
    column = describe(connection)["item"].column("ID")
    assert column is not None
    assert column.collation == collation
    same = connection.execute("SELECT count(*) FROM item WHERE ID = 'aB'").fetchone() == (1,)
    assert same is (collation == "NOCASE")


def test_collations_of_columns_added_and_made_by_select(connection: sqlite3.Connection) -> None:
    connection.execute('CREATE TABLE a (ID TEXT PRIMARY KEY, "x ""y" TEXT)')
    connection.execute('ALTER TABLE a ADD COLUMN "cöde" TEXT COLLATE NOCASE')
    connection.execute("CREATE TABLE b AS SELECT * FROM a")
    tables = describe(connection)
    assert [column.collation for column in tables["a"].columns] == [None, None, "NOCASE"]
    assert [column.collation for column in tables["b"].columns] == [None, None, None]


def test_collations_are_read_from_text_alone() -> None:
    sql = '''CREATE TABLE t("a ""1""" COLLATE [NoCase],b NUMERIC(1,2)COLLATE'rtrim',c AS (b COLLATE NOCASE) STORED,d)'''
    assert list(declared_collations(sql)) == [('a "1"', "NOCASE"), ("b", "RTRIM")]


@pytest.mark.parametrize("journal", ["wal", "delete", "truncate", "memory"])
def test_describing_writes_nothing_and_keeps_the_journal_mode(tmp_path: Path, journal: str) -> None:
    path = tmp_path / "store.db"
    made = sqlite3.connect(path, isolation_level=None)
    made.execute(f"PRAGMA journal_mode={journal}")
    made.execute("CREATE TABLE item (ID TEXT PRIMARY KEY)")
    looking = sqlite3.connect(path, isolation_level=None)
    looking.execute("PRAGMA query_only=1")
    made.execute("BEGIN")
    made.execute("INSERT INTO item VALUES ('1')")  # another program's open write does not stand in the way
    assert describe(looking)["item"].primary_key == ("ID",)
    assert looking.execute("PRAGMA journal_mode").fetchone() == ("wal" if journal == "wal" else "delete",)
    made.execute("COMMIT")
    looking.close()
    made.close()
