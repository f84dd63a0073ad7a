"""The kinds of columns, and how a value of each is written so that it means the same in every database.

The canonical form of a value is None, or by the kind of its column:

    integer      int
    decimal      str in plain notation without exponent, with the digits that were written: "1.50"
    float        float
    text         str
    date         "YYYY-MM-DD"
    time         "HH:MM:SS", or with six digits of fraction if that is not zero: "12:00:00.500000"
    timestamp    "YYYY-MM-DD HH:MM:SS", the fraction likewise
    timestamptz  the same in UTC, with "+00:00"
    boolean      bool
    json         str, as it was written
    uuid         str, lower-case, with hyphens
    binary       bytes
    array        str that holds a JSON array
    any          whatever it is

A zero date ("0000-00-00") is canonical: it leaves a database that has it. So are the ends of time ("infinity"), years
before 1 ("0044-03-15 BC") and beyond 9999, as PostgreSQL writes them. Which of all that a column takes is its
database's own affair.

What is hot goes by column: `conform` gives back the very list if nothing in it needs another form.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import compress
from json import dumps
from typing import Any, Final, get_args

import msgspec

from msyncd.databases.forms import FORMS, MOST_DIGITS, parsed_json
from msyncd.databases.interface import RowRejected
from msyncd.databases.moments import is_zero_date
from msyncd.model import Kind, Value

__all__ = [
    "KINDS",
    "NotOfKind",
    "canonical",
    "common_kind",
    "conform",
    "digits_of",
    "is_zero_date",
    "normal",
    "rejected",
    "same",
]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class NotOfKind(ValueError):
    """A value that has no form in the kind of a column: `value`, and `why` in words that follow it in a sentence."""

    def __init__(self, value: Value, why: str) -> None:
        super().__init__(f"{shown(value)} {why}")
        self.value = value
        self.why = why


def canonical(kind: Kind, value: Value) -> Value:
    """The canonical form in `kind` of a value of any kind. Raises NotOfKind for one that it cannot say exactly."""
    if value is None:
        return None
    try:
        return FORMS[kind](value)
    except ValueError as error:
        raise NotOfKind(value, str(error)) from error


def conform(kind: Kind, values: Sequence[Value]) -> Sequence[Value]:
    """The canonical forms of a column's values: the very sequence if it holds nothing else. Raises NotOfKind."""
    types = set(map(type, values))
    given: Iterable[Any] = values
    if type(None) in types:
        types.discard(type(None))
        given = compress(values, [value is not None for value in values])
    if kind == "any" or not types or (types == {_TYPES[kind]} and _as_written(kind, given)):
        return values
    return [canonical(kind, value) for value in values]


def normal(kind: Kind, value: Value) -> Value:
    """One value for all that mean the same in a kind: what digests are made of. Never raises.

    Beyond the canonical form, trailing zeros, a zero's sign, the layout of JSON and the order of its names do not
    count, and a zero date is no date. A value that has no form in the kind stands for itself.
    """
    if value is None or (is_zero_date(value) and kind in _DATED):
        return None
    try:
        form = FORMS[kind](value)
        return _NORMAL[kind](form) if kind in _NORMAL else form
    except ValueError:
        return value


def same(kind: Kind, one: Value, other: Value) -> bool:
    """Whether two values mean the same in a kind."""
    return normal(kind, one) == normal(kind, other)


def common_kind(one: Kind, other: Kind) -> Kind:
    """The kind in which the values of two columns are compared; "any" if they have nothing in common."""
    if one == other:
        return one
    for loose in ("any", "text"):
        if loose in {one, other}:
            return other if one == loose else one
    return _COMMON.get(frozenset({one, other}), "any")


def digits_of(decimal: str) -> tuple[int, int]:
    """How many digits a canonical decimal needs before and behind its point, without needless zeros."""
    whole, _, fraction = decimal.lstrip("-").partition(".")
    return len(whole.lstrip("0")), len(fraction.rstrip("0"))


def rejected(table: str, column: str, value: Value, why: str) -> RowRejected:
    """What a writer raises before it writes a value that would not read back equal (P36)."""
    return RowRejected(
        f"{table}.{column}: {shown(value)} {why}", hint="correct it where it was written, or widen the column here"
    )


def shown(value: Value) -> str:
    """A value as messages show it: short, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


# --- what is canonical already --------------------------------------------------------------------------------------

_DATED: Final[frozenset[Kind]] = frozenset({"date", "timestamp", "timestamptz"})
_TYPES: Final[Mapping[Kind, type]] = dict.fromkeys(KINDS, str) | {
    "integer": int,
    "float": float,
    "boolean": bool,
    "binary": bytes,
}
_DAY, _CLOCK = r"\d{4}-\d\d-\d\d", r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.(?!000000)\d{6})?"
_DECIMAL = rf"(?!-[0.]*\Z)-?(?:0|[1-9]\d{{0,{MOST_DIGITS - 1}}})(?:\.\d{{1,{MOST_DIGITS}}})?"
_WRITTEN: Final[Mapping[Kind, re.Pattern[str]]] = {
    "decimal": re.compile(_DECIMAL, re.ASCII),
    "date": re.compile(_DAY, re.ASCII),
    "time": re.compile(_CLOCK, re.ASCII),
    "timestamp": re.compile(f"{_DAY} {_CLOCK}", re.ASCII),
    "timestamptz": re.compile(rf"{_DAY} {_CLOCK}\+00:00", re.ASCII),
    "uuid": re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}
_any_json = msgspec.json.Decoder().decode
_PARSED: Final[Mapping[Kind, Callable[[str], object]]] = {
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamptz": datetime.fromisoformat,
    "json": _any_json,
    "array": msgspec.json.Decoder(list[Any]).decode,
}


def _as_written(kind: Kind, values: Iterable[Any]) -> bool:
    """Whether all of these, of the kind's own type, are canonical. It may say no to what is: then it is read anew."""
    pattern, parse = _WRITTEN.get(kind), _PARSED.get(kind)
    if pattern is not None and parse is not None:
        values = list(values)
    if pattern is not None and not all(map(pattern.fullmatch, values)):
        return False
    if parse is not None:
        try:
            deque(map(parse, values), maxlen=0)  # only to see whether it raises
        except (ValueError, RecursionError):
            return False
    return True


# --- what means the same --------------------------------------------------------------------------------------------

_NUMBERS: Final[frozenset[Kind]] = frozenset({"boolean", "integer", "decimal", "float"})
_COMMON: Final[Mapping[frozenset[Kind], Kind]] = {
    frozenset({"boolean", "integer"}): "integer",
    frozenset({"boolean", "decimal"}): "decimal",
    frozenset({"integer", "decimal"}): "decimal",
    **{frozenset({one, "float"}): "float" for one in _NUMBERS - {"float"}},
    frozenset({"date", "timestamp"}): "timestamp",
    frozenset({"date", "timestamptz"}): "timestamptz",
    frozenset({"timestamp", "timestamptz"}): "timestamptz",
    frozenset({"json", "array"}): "json",
    frozenset({"uuid", "binary"}): "uuid",
}


def _plain_decimal(value: Any) -> Value:
    return str(value.rstrip("0").rstrip(".")) if "." in value else str(value)


def _plain_float(value: Any) -> Value:
    return "NaN" if value != value else value + 0.0  # -0.0 + 0.0 is 0.0; no NaN is equal to itself


def _plain_json(value: Any) -> Value:
    return _sorted_json(parsed_json(value, parse_float=Decimal, parse_int=Decimal))


def _sorted_json(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(name)}:{_sorted_json(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_sorted_json, value)) + "]"
    if isinstance(value, Decimal):
        sign, digits, exponent = value.as_tuple()
        written = "".join(map(str, digits)).lstrip("0")
        short = written.rstrip("0")
        assert isinstance(exponent, int)
        return f"{'-' * sign}{short}e{exponent + len(written) - len(short)}" if short else "0"
    return dumps(value)


def _plain_any(value: Any) -> Value:
    if isinstance(value, (bool, float)) and value == value and abs(value) < 2**53 and value == int(value):
        return int(value)
    return _plain_float(value) if isinstance(value, float) else value


_NORMAL: Final[Mapping[Kind, Callable[[Any], Value]]] = {
    "decimal": _plain_decimal,
    "float": _plain_float,
    "json": _plain_json,
    "array": _plain_json,
    "any": _plain_any,
}
