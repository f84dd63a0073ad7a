"""What a database says of the application's tables: the same of the same, whatever it is."""

import pytest

from msyncd.databases import Database
from msyncd.model import ForeignKey, Kind
from tests.databases.contract.application import Application

SCHEMA = """
CREATE TABLE item (
  ID VARCHAR(40) NOT NULL PRIMARY KEY, code VARCHAR(40) NOT NULL UNIQUE, packs INTEGER DEFAULT 1, price DECIMAL(10, 2),
  shelf VARCHAR(20), bin VARCHAR(20), UNIQUE (bin, shelf));
CREATE TABLE pair (b INTEGER NOT NULL, a VARCHAR(40) NOT NULL, note VARCHAR(40), PRIMARY KEY (a, b));
CREATE TABLE line (
  ID VARCHAR(40) NOT NULL PRIMARY KEY,
  item_ID VARCHAR(40) NOT NULL REFERENCES item (ID),
  twin VARCHAR(40) REFERENCES line (ID) ON DELETE SET NULL,
  a VARCHAR(40), b INTEGER, FOREIGN KEY (a, b) REFERENCES pair (a, b) ON DELETE CASCADE);
CREATE TABLE loose (number INTEGER);
CREATE VIEW overview AS SELECT ID, code FROM item;
"""


@pytest.fixture
def described(application: Application, database: Database) -> Database:
    application.make(SCHEMA)
    return database


def test_tables_by_casefolded_name(described: Database) -> None:
    tables = described.describe()
    assert set(tables) == {"item", "pair", "line", "loose", "overview"}
    assert {name: one.kind for name, one in tables.items()} == {
        "item": "table", "pair": "table", "line": "table", "loose": "table", "overview": "view",
    }  # fmt: skip
    assert all(one.name.casefold() == name for name, one in tables.items())


def test_columns(described: Database) -> None:
    item = described.describe()["item"]
    told = [(one.name.casefold(), one.nullable, one.has_default, one.generated, one.kind) for one in item.columns]
    assert told == [
        ("id", False, False, False, "text"),
        ("code", False, False, False, "text"),
        ("packs", True, True, False, "integer"),
        ("price", True, False, False, "decimal"),
        ("shelf", True, False, False, "text"),
        ("bin", True, False, False, "text"),
    ]
    assert all(one.declared for one in item.columns)
    assert item.column("SHELF") == item.columns[4]
    # keys compare byte for byte (P36): no collation, or one that does just that
    assert item.columns[0].collation is None


def test_keys_and_unique_values(described: Database) -> None:
    tables = described.describe()
    folded = {name: tuple(map(str.casefold, one.primary_key)) for name, one in tables.items()}
    assert folded == {"item": ("id",), "pair": ("a", "b"), "line": ("id",), "loose": (), "overview": ()}
    assert {tuple(map(str.casefold, one)) for one in tables["item"].uniques} == {("code",), ("bin", "shelf")}
    assert tables["pair"].uniques == ()


def _folded(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(str.casefold, names))


def test_foreign_keys(described: Database) -> None:
    tables = described.describe()
    told = {
        (
            tuple(map(str.casefold, one.columns)),
            one.parent.casefold(),
            tuple(map(str.casefold, one.parent_columns)),
        ): one
        for one in tables["line"].foreign_keys
    }
    actions = {columns: one.on_delete for (columns, _, _), one in told.items()}
    # RESTRICT and NO ACTION are one thing in MariaDB
    assert actions.pop(("item_id",)) in ("NO ACTION", "RESTRICT")
    assert actions == {("twin",): "SET NULL", ("a", "b"): "CASCADE"}
    assert set(told) == {
        (("item_id",), "item", ("id",)),
        (("twin",), "line", ("id",)),
        (("a", "b"), "pair", ("a", "b")),
    }
    assert tables["item"].foreign_keys == ()
    assert isinstance(next(iter(told.values())), ForeignKey)


DEFERRABLE = """
CREATE TABLE head (ID VARCHAR(40) PRIMARY KEY);
CREATE TABLE one (ID VARCHAR(40) PRIMARY KEY, head_ID VARCHAR(40) REFERENCES head (ID) {deferrable});
CREATE TABLE other (ID VARCHAR(40) PRIMARY KEY, head_ID VARCHAR(40) REFERENCES head (ID));
"""


def test_p16_whether_a_reference_can_be_put_off(application: Application, database: Database) -> None:
    application.make(DEFERRABLE)
    tables = database.describe()
    told = [tables[name].foreign_keys[0].deferrable for name in ("one", "other")]
    assert told == {"sqlite": [True, True], "postgresql": [True, False], "mariadb": [False, False]}[application.kind]


def test_a_key_that_does_not_compare_byte_for_byte_names_its_collation(
    application: Application, database: Database
) -> None:
    declared = {
        "sqlite": "TEXT COLLATE NOCASE",
        "postgresql": "VARCHAR(40) COLLATE blind",
        "mariadb": "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
    }[application.kind]
    if application.kind == "postgresql":
        application.execute(
            "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
    application.make(f"CREATE TABLE odd (ID {declared} PRIMARY KEY);")
    column = database.describe()["odd"].column("id")
    assert column is not None
    assert column.collation


def test_generated_columns(application: Application, database: Database) -> None:
    application.make(
        """CREATE TABLE item (ID VARCHAR(40) PRIMARY KEY, packs INTEGER, size INTEGER,
        total INTEGER GENERATED ALWAYS AS (packs * size) STORED);"""
    )
    told = {one.name.casefold(): one.generated for one in database.describe()["item"].columns}
    assert told == {"id": False, "packs": False, "size": False, "total": True}


def test_a_key_that_the_database_fills_in_has_a_default(application: Application, database: Database) -> None:
    declared = {
        "sqlite": ["INTEGER PRIMARY KEY"],
        "postgresql": [
            "SERIAL PRIMARY KEY",
            "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        ],
        "mariadb": ["INTEGER AUTO_INCREMENT PRIMARY KEY"],
    }[application.kind]
    for number, one in enumerate(declared):
        application.make(f"CREATE TABLE visit{number} (ID {one}, note VARCHAR(40));")
        column = database.describe()[f"visit{number}"].column("id")
        assert column is not None
        assert (column.has_default, column.nullable, column.generated) == (True, False, False)


KINDS: dict[str, dict[str, Kind]] = {
    "sqlite": {},  # tests/databases/sqlite/test_describe.py: its types are names, and any name will do
    "postgresql": {
        "SMALLINT": "integer", "INTEGER": "integer", "BIGINT": "integer",
        "NUMERIC": "decimal", "NUMERIC(38, 10)": "decimal",
        "REAL": "float", "DOUBLE PRECISION": "float",
        "TEXT": "text", "VARCHAR(40)": "text", "CHAR(4)": "text",
        "DATE": "date", "TIME": "time", "TIMESTAMP": "timestamp", "TIMESTAMP(3)": "timestamp",
        "TIMESTAMPTZ": "timestamptz",
        "BOOLEAN": "boolean", "JSON": "json", "JSONB": "json", "UUID": "uuid", "BYTEA": "binary",
        "INTEGER[]": "array", "TEXT[]": "array", "NUMERIC(10, 2)[]": "array",
        "colour": "text", "positive": "integer",
    },
    "mariadb": {
        "TINYINT": "integer", "SMALLINT": "integer", "MEDIUMINT": "integer", "INT": "integer", "BIGINT": "integer",
        "BIGINT UNSIGNED": "integer", "DECIMAL(38, 10)": "decimal", "FLOAT": "float", "DOUBLE": "float",
        "VARCHAR(40)": "text", "CHAR(4)": "text", "TEXT": "text", "LONGTEXT": "text", "ENUM('red', 'green')": "text",
        "SET('red', 'green')": "text",
        "DATE": "date", "TIME(6)": "time", "DATETIME": "timestamp", "DATETIME(6)": "timestamp",
        "TIMESTAMP(6) NULL": "timestamptz",
        "JSON": "json", "UUID": "uuid", "BINARY(16)": "binary", "VARBINARY(40)": "binary", "LONGBLOB": "binary",
        "YEAR": "integer",
    },
}  # fmt: skip


def test_the_kinds_of_columns(application: Application, database: Database) -> None:
    expected = KINDS[application.kind]
    if application.kind == "postgresql":
        application.execute("CREATE TYPE colour AS ENUM ('red', 'green')")
        application.execute("CREATE DOMAIN positive AS INTEGER CHECK (VALUE > 0)")
    for number, declared in enumerate(expected):
        application.make(f"CREATE TABLE t{number} (c {declared});")
    tables = database.describe()
    told = {declared: tables[f"t{number}"].columns[0].kind for number, declared in enumerate(expected)}
    assert told == expected


def test_many_tables_are_described_in_few_questions(application: Application, database: Database) -> None:
    """Whatever the number of tables: a schema of hundreds is looked at each time the configuration is."""
    for number in range(120):
        application.make(
            f"CREATE TABLE t{number} (ID INTEGER PRIMARY KEY, up INTEGER REFERENCES t{max(number - 1, 0)} (ID));"
        )
    tables = database.describe()
    assert len(tables) == 120
    assert tables["t119"].foreign_keys[0].parent == "t118"
