"""What the application wrote leaves in its canonical form; what arrives in another is turned into the column's."""

from collections.abc import Callable, Sequence

import pytest

from msyncd.databases import Database
from msyncd.databases.interface import RowRejected
from msyncd.databases.kinds import same
from msyncd.databases.values import Capture
from msyncd.model import RecordType, Value, ZeroDates
from tests.databases.contract.application import Application, spelled
from tests.databases.contract.stock import FACTS, MakeStock

MakeApplication = Callable[[str], Application]
OpenMsyncd = Callable[..., Database]
ONE = RecordType("one", "one", ("ID",), ("ID", "the_value"), "primary", "every_site")

NATIVE: dict[str, list[tuple[str, str, Value]]] = {
    "sqlite": [
        ("INTEGER", "7", 7),
        ("BOOLEAN", "TRUE", 1),
        ("REAL", "1.5", 1.5),
        ("TEXT", "'é'", "é"),
        ("DATE", "'2024-02-31'", "2024-02-31"),  # no such day: what stands there leaves as it is
        ("BLOB", "x'00ff'", b"\0\xff"),
        ("", "'anything'", "anything"),
    ],
    "postgresql": [
        ("SMALLINT", "7", 7),
        ("NUMERIC(10, 2)", "1.5", "1.50"),
        ("NUMERIC", "1e30", "1" + "0" * 30),
        ("NUMERIC", "'NaN'", "NaN"),
        ("NUMERIC", "-0.00001", "-0.00001"),
        ("REAL", "0.1", 0.1),
        ("DOUBLE PRECISION", "1e-320", 1e-320),
        ("CHAR(4)", "'ab'", "ab"),
        ("colour", "'red'", "red"),
        ("DATE", "'2024-02-29'", "2024-02-29"),
        ("DATE", "'0044-03-15 BC'", "0044-03-15 BC"),
        ("DATE", "'infinity'", "infinity"),
        ("TIME", "'12:00:00.5'", "12:00:00.500000"),
        ("TIMESTAMP", "'2024-01-01 12:00:00.5'", "2024-01-01 12:00:00.500000"),
        ("TIMESTAMPTZ", "'2024-01-01 12:00:00+05:30'", "2024-01-01 06:30:00+00:00"),
        ("TIMESTAMPTZ", "'0001-01-01 00:00:00+00'", "0001-01-01 00:00:00+00:00"),
        ("BOOLEAN", "'yes'", True),
        ("JSON", '\'{"b": 1, "a":2}\'', '{"b": 1, "a":2}'),
        ("UUID", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("BYTEA", "'\\x00ff'", b"\0\xff"),
        ("INTEGER[]", "'{1,NULL,3}'", "[1, null, 3]"),
        ("TEXT[]", "ARRAY['a,b', 'NULL', '\"', '']", '["a,b", "NULL", "\\"", ""]'),
    ],
    "mariadb": [
        ("TINYINT", "7", 7),
        ("BIGINT UNSIGNED", "18446744073709551615", 2**64 - 1),
        ("DECIMAL(10, 2)", "1.5", "1.50"),
        ("FLOAT", "0.1", 0.1),
        ("DOUBLE", "1e-320", 1e-320),
        ("CHAR(4)", "'ab'", "ab"),
        ("ENUM('red', 'green')", "2", "green"),
        ("SET('red', 'green')", "'red,green'", "red,green"),
        ("DATE", "'2024-02-29'", "2024-02-29"),
        ("TIME(6)", "'12:00:00.5'", "12:00:00.500000"),
        ("TIME", "'-100:30:00'", "-100:30:00"),
        ("DATETIME(3)", "'2024-01-01 12:00:00.5'", "2024-01-01 12:00:00.500000"),
        ("DATETIME(6)", "'2024-01-01 12:00:00'", "2024-01-01 12:00:00"),
        ("JSON", '\'{"b": 1, "a":2}\'', '{"b": 1, "a":2}'),
        ("UUID", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("BINARY(4)", "x'00ff'", b"\0\xff\0\0"),
        ("LONGBLOB", "x'00ff'", b"\0\xff"),
        ("BIT(8)", "b'101'", 5),
        ("YEAR", "2024", 2024),
    ],
}


def test_what_the_application_wrote_leaves_in_its_canonical_form(application: Application, database: Database) -> None:
    if application.kind == "postgresql":
        application.execute("CREATE TYPE colour AS ENUM ('red', 'green')")
    cases = NATIVE[application.kind]
    for number, (declared, written, _) in enumerate(cases):
        application.make(f"CREATE TABLE t{number} (ID INTEGER PRIMARY KEY, the_value {declared});")
        application.execute(f"INSERT INTO t{number} VALUES (1, {written})")
    tables = database.describe()
    types = [
        spelled(tables, RecordType(f"t{n}", f"t{n}", ("ID",), ("ID", "the_value"), "primary", "every_site"))
        for n in range(len(cases))
    ]
    database.install(Capture(2, tuple(types), FACTS))
    with database.read() as reader:
        told = [reader.rows(one, [(1,)])[(1,)][1] for one in types]
    expected = [value for _, _, value in cases]
    differ = [
        (declared, written, found)
        for (declared, written, value), found in zip(cases, told, strict=True)
        if repr(found) != repr(value) and not (declared.endswith("[]") and same("array", found, value))
    ]
    assert differ == [], expected


COLUMNS: dict[str, dict[str, str]] = {
    "integer": dict.fromkeys(("sqlite", "postgresql", "mariadb"), "BIGINT"),
    "boolean": dict.fromkeys(("sqlite", "postgresql", "mariadb"), "BOOLEAN"),
    "decimal": dict.fromkeys(("sqlite", "postgresql", "mariadb"), "DECIMAL(20, 4)"),
    "float": {"sqlite": "DOUBLE", "postgresql": "DOUBLE PRECISION", "mariadb": "DOUBLE"},
    "text": {"sqlite": "TEXT", "postgresql": "TEXT", "mariadb": "LONGTEXT"},
    "date": dict.fromkeys(("sqlite", "postgresql", "mariadb"), "DATE"),
    "timestamp": {"sqlite": "DATETIME", "postgresql": "TIMESTAMP", "mariadb": "DATETIME(6)"},
    "timestamptz": {"sqlite": "TIMESTAMPTZ", "postgresql": "TIMESTAMPTZ", "mariadb": "TIMESTAMP(6) NULL"},
    "uuid": dict.fromkeys(("sqlite", "postgresql", "mariadb"), "UUID"),
    "json": {"sqlite": "JSON", "postgresql": "JSONB", "mariadb": "JSON"},
    "binary": {"sqlite": "BLOB", "postgresql": "BYTEA", "mariadb": "LONGBLOB"},
}
ARRIVING: list[tuple[str, Sequence[Value]]] = [
    ("integer", [True, 3.0, "42", "42.00", None]),
    ("boolean", [0, 1, "true", "f", 1.0, None]),
    ("decimal", [7, 1.5, "1.5000", "1e3", True, None]),
    ("float", [7, "1.5", "1e308", True, None]),
    ("text", [7, 1.5, True, "2024-01-01", b"caf\xc3\xa9", 0.1 + 0.2, None]),
    ("date", ["2024-01-31T00:00:00", "2024-01-31 00:00:00+00:00", None]),
    ("timestamp", ["2024-01-31", "2024-01-31T12:00:00", "2024-01-31T12:00:00.5+02:00", None]),
    ("timestamptz", ["2024-01-31", "2024-01-31T12:00:00Z", "2024-01-31 12:00:00.25-03:30", None]),
    ("uuid", ["a0eebc999c0b4ef8bb6d6bb9bd380a11", bytes(range(16)), None]),
    ("json", [7, True, "[1]", None]),
    ("binary", ["text", "é", None]),
]


def test_p36_values_of_another_kind_are_turned_into_the_column_s(
    application: Application, make_stock: MakeStock
) -> None:
    schema = "".join(
        f"CREATE TABLE t_{kind} (ID INTEGER PRIMARY KEY, the_value {declared[application.kind]});\n"
        for kind, declared in COLUMNS.items()
    )
    types = [RecordType(kind, f"t_{kind}", ("ID",), ("ID", "the_value"), "primary", "every_site") for kind in COLUMNS]
    stock = make_stock(schema=schema, types=types)
    differ = []
    for kind, values in ARRIVING:
        stock.apply(kind, *enumerate(values))
        column = stock.database.describe()[f"t_{kind}"].column("the_value")
        assert column is not None
        with stock.database.read() as reader:
            found = reader.rows(stock.types[kind], [(number,) for number in range(len(values))])
        differ += [
            (kind, value, found[number,][1])
            for number, value in enumerate(values)
            if not same(column.kind, found[number,][1], value)
        ]
    assert differ == []


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", "twelve"), ("integer", 1.5), ("integer", b"\0"), ("boolean", "maybe"), ("decimal", "12,5"),
        ("date", "2024-02-30"), ("date", "31/01/2024"), ("date", "2024-01-31 12:00:00"), ("date", 45000),
        ("date", ""),
        ("timestamp", "2024-01-31 25:00:00"), ("timestamp", "soon"), ("uuid", "a0eebc99"), ("json", "{'a': 1}"),
        ("json", ""),
        ("float", "0.1234567890123456789"), ("text", b"\xff\xfe"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"], indirect=True)
def test_p36_what_means_nothing_in_the_column_is_refused_by_name(
    application: Application, make_stock: MakeStock, kind: str, value: Value
) -> None:
    """SQLite holds it as it is."""
    declared = COLUMNS[kind][application.kind]
    stock = make_stock(schema=f"CREATE TABLE one (ID INTEGER PRIMARY KEY, the_value {declared});", types=[ONE])
    with pytest.raises(RowRejected, match="the_value"):
        stock.apply("one", (1, value), (2, None))
    assert stock.fetch("SELECT ID FROM one") == []


# --- zero dates -------------------------------------------------------------------------------------------------------

DATED = "CREATE TABLE one (ID INTEGER PRIMARY KEY, the_value {date}, needed DATE NOT NULL);"
ZERO = {"DATE": "0000-00-00", "TIMESTAMP": "0000-00-00 00:00:00", "DATETIME": "0000-00-00 00:00:00"}


def dated(
    application: Application, open_msyncd: OpenMsyncd, declared: str, zero_dates: ZeroDates
) -> tuple[Database, RecordType]:
    """A database with a column of dates, opened with that setting."""
    application.make(DATED.replace("{date}", declared))
    database = open_msyncd(application.url, zero_dates=zero_dates)
    declaration = RecordType("one", "one", ("ID",), ("ID", "the_value", "needed"), "any_site", "every_site")
    one = spelled(database.describe(), declaration)
    database.install(Capture(2, (one,), FACTS))
    return database, one


def write(database: Database, one: RecordType, *rows: tuple[Value, ...]) -> None:
    with database.write() as writer:
        writer.begin_applying(1)
        writer.upsert(one, one.columns, rows)
        writer.end_applying()


@pytest.mark.parametrize("declared", ["DATE", "TIMESTAMP"])
def test_a_zero_date_becomes_null_where_the_database_has_none_and_is_counted(
    application: Application, open_msyncd: OpenMsyncd, declared: str
) -> None:
    declared = "DATETIME" if application.kind == "mariadb" and declared == "TIMESTAMP" else declared
    database, one = dated(application, open_msyncd, declared, "null")
    write(
        database, one, (1, "0000-00-00", "2024-01-01"), (2, "2024-01-01", "2024-01-01"), (3, "0000-00-00", "2024-01-01")
    )
    with database.read() as reader:
        stands = {key: row[1] for (key,), row in reader.rows(one, [(1,), (2,), (3,)]).items()}
    if application.kind == "postgresql":
        assert (stands[1], stands[3]) == (None, None)
        assert dict(database.emptied) == {(one.table, one.columns[1]): 2}
    else:
        assert same("date", stands[1], "0000-00-00")
        assert stands[1] is not None
        assert not database.emptied


def test_a_zero_date_that_may_not_be_null_is_refused(application: Application, open_msyncd: OpenMsyncd) -> None:
    if application.kind != "postgresql":
        pytest.skip("it has zero dates")
    database, one = dated(application, open_msyncd, "DATE", "null")
    with pytest.raises(RowRejected, match="needed"):
        write(database, one, (1, "2024-01-01", "0000-00-00"))
    assert not database.emptied
    assert application.execute("SELECT * FROM one") == []


def test_a_zero_date_is_refused_if_so_chosen(application: Application, open_msyncd: OpenMsyncd) -> None:
    if application.kind != "postgresql":
        pytest.skip("it has zero dates")
    database, one = dated(application, open_msyncd, "DATE", "refuse")
    with pytest.raises(RowRejected, match=r"the_value.*0000-00-00"):
        write(database, one, (1, "0000-00-00", "2024-01-01"))
    assert application.execute("SELECT * FROM one") == []


@pytest.mark.parametrize("database_kind", ["mariadb"], indirect=True)
@pytest.mark.parametrize("declared", ["DATE", "DATETIME"])
def test_a_zero_date_leaves_a_database_that_has_it_as_it_is(
    application: Application, open_msyncd: OpenMsyncd, declared: str
) -> None:
    database, one = dated(application, open_msyncd, declared, "refuse")
    application.execute("INSERT INTO one VALUES (1, '0000-00-00', '0000-00-00')")
    with database.read() as reader:
        assert reader.rows(one, [(1,)]) == {(1,): (1, ZERO[declared], "0000-00-00")}
