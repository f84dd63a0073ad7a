"""What SQLite would make of a value is told before it is written: what passes reads back equal, and only that."""

import math
import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from msyncd.databases.interface import RowRejected
from msyncd.databases.kinds import same
from msyncd.databases.sqlite.declared import kind_of
from msyncd.databases.sqlite.taking import blame, taken
from msyncd.model import Column, Row, Table, Value

DECLARED = [
    "",
    "TEXT",
    "VARCHAR(40)",
    "INTEGER",
    "REAL",
    "DECIMAL(38, 10)",
    "BLOB",
    "DATE",
    "JSON",
    "BOOLEAN",
    "STRING",
]
TABLE = Table(
    "t", tuple(Column(f"c{n}", declared, kind=kind_of(declared)) for n, declared in enumerate(DECLARED)), ("c0",)
)
NAMES = [column.name for column in TABLE.columns]

integers = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**53 + 1, -(2**53) - 1, 2**62 + 1])
number_texts = st.decimals(allow_nan=False, allow_infinity=False).map(str) | integers.map(str)
texts = st.text(st.characters(codec="utf-8"), max_size=6) | number_texts
values = st.none() | st.booleans() | integers | st.floats() | texts | st.binary(max_size=6)


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.execute(f"CREATE TABLE t ({', '.join(f'c{n} {declared}' for n, declared in enumerate(DECLARED))})")
    yield made
    made.close()


def stored(connection: sqlite3.Connection, at: int, value: Value) -> Value:
    """What SQLite makes of a value that is written as it is."""
    connection.execute("DELETE FROM t")
    connection.execute(f"INSERT INTO t (c{at}) VALUES (?)", (value,))
    found: Value = connection.execute(f"SELECT c{at} FROM t").fetchone()[0]
    return found


@settings(max_examples=600, deadline=None)
@given(st.integers(0, len(DECLARED) - 1), values)
@example(NAMES.index("c3"), "12345678901234567890")
@example(NAMES.index("c5"), "0.1000000000000000000001")
@example(NAMES.index("c7"), "1e5")
@example(NAMES.index("c8"), "1e400")
@example(NAMES.index("c10"), "007")
@example(NAMES.index("c10"), " 7\n")
@example(NAMES.index("c4"), 2**53 + 1)
@example(NAMES.index("c1"), 0.1 + 0.2)
@example(NAMES.index("c4"), math.nan)
def test_what_passes_reads_back_equal_and_what_does_not_would_have_been_altered(
    connection: sqlite3.Connection, at: int, value: Value
) -> None:
    column = TABLE.columns[at]
    kind = "decimal" if column.kind == "any" else column.kind
    # a large float in a column of numbers is kept as that integer, whose digits are not those of its shortest text
    assume(column.kind in {"decimal", "float", "integer", "any"} or not isinstance(value, float) or abs(value) < 2**53)
    given_value = _taken(column, value)
    if isinstance(given_value, RowRejected):
        event("refused")
        assert column.name in str(given_value)
        assert not same(kind, stored(connection, at, value), value)
    else:
        assert same(column.kind, stored(connection, at, given_value), value)


def _taken(column: Column, value: Value) -> Value | RowRejected:
    try:
        ((given_value,),) = taken(TABLE, [column.name], [(value,)])
    except RowRejected as error:
        return error
    return given_value


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(*[values] * 4), min_size=1, max_size=6), st.permutations(range(len(DECLARED))))
def test_a_batch_is_taken_as_its_rows_are(rows: list[Row], order: list[int]) -> None:
    columns = [NAMES[at] for at in order[:4]]

    def told(some: list[Row]) -> list[str] | None:
        try:
            return list(map(repr, taken(TABLE, columns, some)))
        except RowRejected:
            return None

    by_row = [told([row]) for row in rows]
    assert told(rows) == (None if None in by_row else [one[0] for one in by_row if one])


def test_ordinary_rows_are_the_very_same() -> None:
    rows: list[Row] = [("k", "text", "", 5, 1.5, 2.5, b"", "2026-01-01", "{}", 1, "x"), (None,) * len(DECLARED)]
    assert taken(TABLE, NAMES, rows) is rows


@pytest.mark.parametrize(
    ("value", "message"),
    [(2**63, r"^t\.c1: 9223372036854775808 is beyond the 64 bits"), ("\ud800", r"^t\.c1: '\\ud800' is not text")],
)
def test_what_the_driver_cannot_take_is_named(value: Value, message: str) -> None:
    error = blame(TABLE, ["c0", "c1"], [("fine", 1), ("bad", value)], OverflowError("too large"))
    with pytest.raises(RowRejected, match=message):
        raise error
    assert str(blame(TABLE, ["c0"], [("fine",)], OverflowError("too large"))) == "too large"
