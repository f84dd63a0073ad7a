"""Canonical forms: what means the same everywhere, and what cannot be said exactly."""

import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msyncd.databases.interface import RowRejected
from msyncd.databases.kinds import (
    KINDS,
    NotOfKind,
    canonical,
    common_kind,
    conform,
    digits_of,
    is_zero_date,
    normal,
    rejected,
    same,
)
from msyncd.model import Kind, Value

CANONICAL: list[tuple[Kind, Value, Value]] = [
    ("integer", True, 1),
    ("integer", 2.0, 2),
    ("integer", "-9223372036854775808", -(2**63)),
    ("integer", "42.00", 42),
    ("decimal", "1.50", "1.50"),
    ("decimal", "007.50", "7.50"),
    ("decimal", "-0.00", "0.00"),
    ("decimal", "1e3", "1000"),
    ("decimal", 5e-324, "0." + "0" * 323 + "5"),
    ("decimal", 0.1, "0.1"),
    ("decimal", 12, "12"),
    ("decimal", ".5", "0.5"),
    ("decimal", "NaN", "NaN"),
    ("decimal", float("-inf"), "-Infinity"),
    ("float", "0.10", 0.1),
    ("float", 2**53, 2.0**53),
    ("float", "1e308", 1e308),
    ("float", "-Infinity", -math.inf),
    ("text", 42, "42"),
    ("text", True, "true"),
    ("text", b"caf\xc3\xa9", "café"),
    ("date", "2024-02-29", "2024-02-29"),
    ("date", "2024-02-29T00:00:00", "2024-02-29"),
    ("date", "2024-02-29 01:00:00+01:00", "2024-02-29"),
    ("date", "0044-03-15 BC", "0044-03-15 BC"),
    ("date", "12024-01-01", "12024-01-01"),
    ("date", "INFINITY", "infinity"),
    ("date", "0000-00-00 00:00:00", "0000-00-00"),
    ("time", "08:30", "08:30:00"),
    ("time", "08:30:00.120", "08:30:00.120000"),
    ("time", "24:00:00", "24:00:00"),
    ("time", "-838:59:59", "-838:59:59"),
    ("time", "-00:00:00", "00:00:00"),
    ("timestamp", "2024-01-31", "2024-01-31 00:00:00"),
    ("timestamp", "2024-01-31T23:59:59.5Z", "2024-01-31 23:59:59.500000"),
    ("timestamp", "2024-01-31 23:59:59.000", "2024-01-31 23:59:59"),
    ("timestamp", "2024-01-31T01:00:00+0200", "2024-01-30 23:00:00"),
    ("timestamp", "0000-00-00", "0000-00-00 00:00:00"),
    ("timestamp", "0044-03-15 12:00:00 BC", "0044-03-15 12:00:00 BC"),
    ("timestamptz", "2024-01-31 01:00:00-03:30", "2024-01-31 04:30:00+00:00"),
    ("timestamptz", "2024-01-31 01:00:00", "2024-01-31 01:00:00+00:00"),
    ("timestamptz", "12024-01-31 01:00:00+00", "12024-01-31 01:00:00+00:00"),
    ("boolean", 1, True),
    ("boolean", 0.0, False),
    ("boolean", "T", True),
    ("boolean", "off", False),
    ("json", '{"b" : 1.0}', '{"b" : 1.0}'),
    ("json", 7, "7"),
    ("json", False, "false"),
    ("uuid", "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("uuid", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("uuid", UUID(int=7).bytes, "00000000-0000-0000-0000-000000000007"),
    ("binary", "é", b"\xc3\xa9"),
    ("array", "[1, null]", "[1, null]"),
    ("any", 1.5, 1.5),
]


@pytest.mark.parametrize(("kind", "value", "expected"), CANONICAL)
def test_the_canonical_form(kind: Kind, value: Value, expected: Value) -> None:
    found = canonical(kind, value)
    assert (found, type(found)) == (expected, type(expected))
    assert canonical(kind, found) == found
    assert list(conform(kind, [value, None, expected])) == [expected, None, expected]


INEXACT: list[tuple[Kind, Value, str]] = [
    ("integer", 1.5, "1.5 is not a whole number"),
    ("integer", "twelve", "'twelve' is not a number"),
    ("integer", "NaN", "'NaN' is not a whole number"),
    ("decimal", "1,5", "'1,5' is not a number"),
    ("decimal", "1e999999999", "'1e999999999' is a number that no database holds"),
    ("decimal", "9" * 200_000, "is a number that no database holds"),
    ("float", 2**53 + 1, "9007199254740993 has more digits than a float holds"),
    ("float", "0.1000000000000000055511151231257827", "has more digits than a float holds"),
    ("float", "1e400", "'1e400' has more digits than a float holds"),
    ("float", 10**400, "is beyond what a float holds"),
    ("text", b"\xff", "b'\\xff' is not text"),
    ("date", "2023-02-29", "'2023-02-29' is a date that no calendar has"),
    ("date", "0000-01-01", "'0000-01-01' is a date that no calendar has"),
    ("date", "2024-00-10", "'2024-00-10' is a date that no calendar has"),
    ("date", "0005-02-29", "is a date that no calendar has"),
    ("date", "31/01/2024", "'31/01/2024' is not a date"),
    ("date", "2024-01-31 12:00", "has a time of day, where only a date goes"),
    ("date", 19_000, "19000 is a number, where a date or time goes"),
    ("time", "839:00:00", "'839:00:00' is a time that no clock shows"),
    ("time", "12:00:00.1234567", "'12:00:00.1234567' has more digits than microseconds"),
    ("time", "12:00:00+02", "'12:00:00+02' is not a time"),
    ("timestamp", "2024-01-31 24:00:00", "is a time that no clock shows"),
    ("timestamp", "2024-01-31 12:00:60", "is a time that no clock shows"),
    ("timestamptz", "0001-01-01 00:00:00+02:00", "is beyond the years 1 to 9999 with a zone other than UTC"),
    ("timestamptz", "2024-01-01 00:00:00+16", "has a zone that the earth has not"),
    ("boolean", 2, "2 is neither true nor false"),
    ("boolean", "maybe", "'maybe' is neither true nor false"),
    ("json", '{"a": NaN}', "is not JSON"),
    ("json", "{'a': 1}", "is not JSON"),
    ("json", "[" * 100_000, "is not JSON"),
    ("uuid", "a0eebc99", "'a0eebc99' is not a UUID"),
    ("uuid", b"\xff", "is not a UUID"),
    ("binary", "\ud800", "'\\ud800' is not text"),
    ("array", "{}", "'{}' is not an array"),
]


@pytest.mark.parametrize(("kind", "value", "expected"), INEXACT)
def test_what_cannot_be_said_exactly_is_named(kind: Kind, value: Value, expected: str) -> None:
    with pytest.raises(NotOfKind) as told:
        canonical(kind, value)
    assert expected in str(told.value)
    assert len(str(told.value)) < 150
    with pytest.raises(NotOfKind):
        conform(kind, [value])
    assert normal(kind, value) == value


@pytest.mark.parametrize("kind", KINDS)
def test_null_is_null_in_every_kind(kind: Kind) -> None:
    assert canonical(kind, None) is None
    assert conform(kind, [None, None]) == [None, None]
    assert same(kind, None, None)
    assert not same(kind, None, "")
    assert not same(kind, None, 0)


# --- properties: what a driver would give -----------------------------------------------------------------------------

zones = st.integers(-15 * 60, 15 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))  # noqa: DTZ001 - a zone is chosen apart
texts = st.text(st.characters(codec="utf-8"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(texts, below, max_size=4),
    max_leaves=12,
)
canonical_values: dict[Kind, st.SearchStrategy[Value]] = {
    "integer": st.integers(-(2**63), 2**64 - 1),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False, places=12).map(lambda one: format(abs(one), "f")),
    "float": st.floats(allow_nan=False),
    "text": texts,
    "date": st.dates().map(date.isoformat),
    "time": st.times().map(time.isoformat),
    "timestamp": moments.map(str),
    "timestamptz": moments.map(lambda one: str(one.replace(tzinfo=UTC))),
    "boolean": st.booleans(),
    "json": json_values.map(json.dumps),
    "uuid": st.uuids().map(str),
    "binary": st.binary(),
    "array": st.lists(json_values, max_size=4).map(json.dumps),
    "any": st.integers() | texts,
}


@given(st.data())
def test_a_column_of_canonical_values_stays_the_very_list(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    values: list[Value] = data.draw(st.lists(canonical_values[kind] | st.none(), max_size=5))
    found = conform(kind, values)
    if kind in {"json", "array"}:  # what msgspec cannot read, such as 1e400, is read anew
        assert list(found) == values
    else:
        assert found is values


@given(st.data())
def test_what_is_written_by_column_is_what_is_written_one_by_one(data: st.DataObject) -> None:
    kind, other = data.draw(st.sampled_from(KINDS)), data.draw(st.sampled_from(KINDS))
    values = data.draw(st.lists(canonical_values[other] | st.none(), max_size=5))
    assert _told(lambda: conform(kind, values)) == _told(lambda: [canonical(kind, one) for one in values])


def _told(work: Callable[[], Sequence[Value]]) -> list[str]:
    """What came of it, types included: values, or the one that has no form there."""
    try:
        return list(map(repr, work()))
    except NotOfKind as error:
        return [str(error)]


@given(st.data())
def test_what_another_kind_can_say_means_the_same_when_it_comes_back(data: st.DataObject) -> None:
    kind, other = data.draw(st.sampled_from(KINDS)), data.draw(st.sampled_from(KINDS))
    value = data.draw(canonical_values[kind])
    try:
        away = canonical(other, value)
    except NotOfKind:
        return
    if {kind, other} & {"any"} or (kind, other) in SAYS_LESS:
        return
    assert same(kind, canonical(kind, away), value)


SAYS_LESS: set[tuple[Kind, Kind]] = {
    ("text", one)
    for one in ("integer", "decimal", "float", "boolean", "uuid", "date", "time", "timestamp", "timestamptz")
} | {("binary", one) for one in KINDS if one != "text"}
"""Text of another kind's form, e.g. "007", is written anew there: who declares a column so means the number."""


@given(moments, zones)
def test_a_moment_in_any_zone_is_the_same_moment(moment: datetime, zone: timezone) -> None:
    written = moment.replace(tzinfo=zone)
    expected = str(written.astimezone(UTC))
    for text in (written.isoformat(), written.isoformat(" ")):
        assert canonical("timestamptz", text) == expected
        assert canonical("timestamp", text) == expected.removesuffix("+00:00")


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_decimals_keep_every_digit(number: Decimal) -> None:
    try:
        found = canonical("decimal", str(number))
    except NotOfKind:
        assert number.adjusted() > 131_072 or len(format(number, "f")) > 131_072
        return
    assert isinstance(found, str)
    assert Decimal(found) == number
    assert "e" not in found.lower()


@given(st.floats())
def test_floats_survive_as_text_and_as_decimals(number: float) -> None:
    for text in (canonical("text", number), canonical("decimal", number)):
        assert same("float", canonical("float", text), number)


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_survive_as_text_decimals_and_json(number: int) -> None:
    others: tuple[Kind, ...] = ("text", "decimal", "json", "any")
    assert [canonical("integer", canonical(other, number)) for other in others] == [number] * 4


# --- what means the same ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("decimal", "1.50", "1.5"),
        ("decimal", "100", "100.000"),
        ("decimal", 1.5, "1.50"),
        ("decimal", "0.00", "-0"),
        ("float", -0.0, 0.0),
        ("float", math.nan, math.nan),
        ("float", math.nan, "NaN"),
        ("integer", True, 1),
        ("boolean", 1, True),
        ("any", 1, 1.0),
        ("any", math.nan, math.nan),
        ("date", "0000-00-00", None),
        ("timestamp", None, "0000-00-00 00:00:00"),
        ("timestamptz", "2024-01-31T12:00:00+02:00", "2024-01-31 10:00:00+00:00"),
        ("json", '{"b":[1.0,100],"a":"\\u00e9"}', '{"a": "é", "b": [1, 1e2]}'),
        ("json", "0.0", "0e5"),
        ("json", "1e999999", "10e999998"),
        ("array", "[1,2]", "[1, 2.0]"),
        ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("text", b"abc", "abc"),
    ],
)
def test_the_same(kind: Kind, one: Value, other: Value) -> None:
    assert same(kind, one, other)
    assert same(kind, other, one)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("decimal", "1.50", "1.51"),
        ("decimal", "10", "1"),
        ("decimal", "99999999999999999999999999999999999998", "99999999999999999999999999999999999999"),
        ("integer", 2**53, 2**53 + 1),
        ("any", float(2**53), 2**53 + 1),
        ("float", 0.1, 0.1 + 2**-56),
        ("float", math.inf, -math.inf),
        ("text", "a", "A"),
        ("text", "é", "e\u0301"),
        ("text", "", None),
        ("text", "a", "a "),
        ("binary", b"", None),
        ("json", '{"a":1}', '{"a":2}'),
        ("json", '["1"]', "[1]"),
        ("json", "[1,2]", "[2,1]"),
        ("json", "100000000000000000000000000000000001", "100000000000000000000000000000000002"),
        ("timestamp", "2024-01-31 12:00:00", "2024-01-31 12:00:00.000001"),
        ("text", "0000-00-00", None),
    ],
)
def test_not_the_same(kind: Kind, one: Value, other: Value) -> None:
    assert not same(kind, one, other)
    assert not same(kind, other, one)


@pytest.mark.parametrize("one", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_two_columns_are_compared_in_one_kind_whichever_comes_first(one: Kind, other: Kind) -> None:
    assert common_kind(one, other) == common_kind(other, one)
    assert common_kind(one, one) == one
    assert common_kind("any", one) == one


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("text", "uuid", "uuid"),
        ("text", "any", "text"),
        ("boolean", "integer", "integer"),
        ("integer", "decimal", "decimal"),
        ("decimal", "float", "float"),
        ("date", "timestamp", "timestamp"),
        ("timestamp", "timestamptz", "timestamptz"),
        ("json", "array", "json"),
        ("boolean", "date", "any"),
    ],
)
def test_the_kind_in_which_two_are_compared(one: Kind, other: Kind, expected: Kind) -> None:
    assert common_kind(one, other) == expected


@pytest.mark.parametrize(
    ("decimal", "expected"),
    [("0", (0, 0)), ("1.50", (1, 1)), ("-0012.3400", (2, 2)), ("0.001", (0, 3)), ("1000", (4, 0))],
)
def test_the_digits_that_a_decimal_needs(decimal: str, expected: tuple[int, int]) -> None:
    assert digits_of(decimal) == expected


@pytest.mark.parametrize(
    "value", ["0000-00-00", "0000-00-00 00:00:00", "0000-00-00T00:00:00.000000Z", "0000-00-00 00:00:00+00:00"]
)
def test_zero_dates(value: str) -> None:
    assert is_zero_date(value)


@pytest.mark.parametrize("value", ["0000-00-00 00:00:01", "0000-01-00", "2024-00-00", "", None, 0, b"0000-00-00"])
def test_no_zero_dates(value: Value) -> None:
    assert not is_zero_date(value)


def test_a_refusal_names_column_and_value_and_stays_short() -> None:
    error = rejected("item", "note", "x" * 1000, "is longer than the 40 characters that the column holds")
    assert isinstance(error, RowRejected)
    assert str(error).startswith("item.note: 'xxxx")
    assert "is longer than the 40 characters" in str(error)
    assert len(str(error)) < 250
    assert error.hint
