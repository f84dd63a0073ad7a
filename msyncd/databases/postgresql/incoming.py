"""Values on their way into a table: each in its column's own form, or refused by name before it is written (P36)."""

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from typing import Any, Final

from msyncd.databases.kinds import NotOfKind, conform, digits_of, is_zero_date, rejected
from msyncd.databases.postgresql.catalog import ColumnEntry, TypeName
from msyncd.databases.postgresql.expressions import kind_of
from msyncd.databases.postgresql.nested import array
from msyncd.model import Kind, Row, Value, ZeroDates

_RANGES: Final = {"int2": 2**15, "int4": 2**31, "int8": 2**63}
_MOST_FRACTION: Final = 16_383
_DATED: Final[frozenset[Kind]] = frozenset({"date", "timestamp", "timestamptz"})
_CLOCKED: Final[frozenset[Kind]] = frozenset({"time", "timestamp", "timestamptz"})

Check = Callable[[Any], str]
"""Why a value would not read back equal, in words that follow it; "" if it would."""


class Incoming:
    """What takes rows into some columns of a table. `emptied` counts zero dates that were written as no date."""

    def __init__(
        self, table: str, columns: Sequence[ColumnEntry], zero_dates: ZeroDates, emptied: Counter[tuple[str, str]]
    ) -> None:
        self._table, self._columns = table, columns
        self._zero_dates, self._emptied = zero_dates, emptied

    def by_column(self, rows: Sequence[Row], keys: int = 0) -> list[Sequence[Value]]:
        """The values of these rows, column by column; the first `keys` columns are the key.

        Raises RowRejected that names column and value.
        """
        given = list(zip(*rows, strict=True))
        taken = [*map(self._taken, self._columns, given)]
        for at in range(keys):
            self._same_key(self._columns[at], given[at], taken[at])
        return taken

    def _same_key(self, entry: ColumnEntry, given: Sequence[Value], taken: Sequence[Value]) -> None:
        """Keys compare byte for byte: one that would read back in another form would be another record elsewhere."""
        scale = scale_of(entry.type.modifier) if kind_of(entry.type) == "decimal" else None
        if given is taken and scale is None:
            return
        for value, form in zip(given, taken, strict=True):
            if scale is not None and isinstance(form, str):
                whole, _, fraction = form.partition(".")
                form = f"{whole}.{fraction:0<{scale}}" if scale else whole
            if value != form or type(value) is not type(form):
                raise rejected(self._table, entry.name, value, f"would be {form!r} here, and so another key")

    def _taken(self, entry: ColumnEntry, values: Sequence[Value]) -> Sequence[Value]:
        kind = kind_of(entry.type)
        try:
            taken = conform(kind, values)
        except NotOfKind as error:
            raise rejected(self._table, entry.name, error.value, error.why) from error
        if kind in _DATED and taken is not values:  # what is conformed as it stands holds no zero date
            taken = self._dated(entry, taken)
        given = taken if None not in taken else list(compress(taken, [value is not None for value in taken]))
        if given:
            self._check(entry, kind, given)
        if kind == "array":
            of = kind_of(TypeName(entry.type.name.removeprefix("_"), -1, "b", ""))
            return [None if value is None else self._array(entry, of, str(value)) for value in taken]
        return taken

    def _array(self, entry: ColumnEntry, of: Kind, text: str) -> str:
        try:
            return array(of, text)
        except ValueError as error:
            raise rejected(self._table, entry.name, text, str(error)) from error

    def _dated(self, entry: ColumnEntry, values: Sequence[Value]) -> Sequence[Value]:
        zeros = sum(map(is_zero_date, values))
        if not zeros:
            return values
        if self._zero_dates == "refuse":
            zero = next(value for value in values if is_zero_date(value))
            raise rejected(self._table, entry.name, zero, "is no date that PostgreSQL has")
        self._emptied[self._table, entry.name] += zeros
        return [None if is_zero_date(value) else value for value in values]

    def _check(self, entry: ColumnEntry, kind: Kind, values: Sequence[Any]) -> None:
        if kind not in {"integer", "float", "boolean", "binary"}:
            texts: Iterable[str] = map(str, values) if kind == "any" else values
            if "\0" in "".join(texts):
                self._refuse(
                    entry, values, lambda value: "holds a NUL, which PostgreSQL has not" if "\0" in value else ""
                )
        if kind == "integer":
            bound = _RANGES.get(entry.type.name, 2**32)
            if max(values) >= bound or min(values) < -bound:
                self._refuse(entry, values, lambda value: "" if -bound <= value < bound else "is out of range")
            return
        check = _limit(entry, kind)
        if check is not None:
            self._refuse(entry, values, check)

    def _refuse(self, entry: ColumnEntry, values: Sequence[Any], check: Check) -> None:
        for value in values:
            if why := check(value):
                raise rejected(self._table, entry.name, value, why)


def _limit(entry: ColumnEntry, kind: Kind) -> Check | None:
    """What a column's declaration allows less than its kind; None if nothing."""
    name, modifier = entry.type.name, entry.type.modifier
    if name in {"varchar", "bpchar"}:
        most = modifier - 4 if modifier >= 4 else None
        return lambda value: _text(value, most, padded=name == "bpchar")
    if name == "name":
        return lambda value: "is longer than 63 bytes" if len(value.encode()) > 63 else ""
    if kind == "decimal":
        return _decimal(modifier)
    if name == "float4":
        return lambda value: "" if _fits_float4(value) else "has more digits than the column holds"
    if kind in _CLOCKED and 0 <= modifier < 6:
        return lambda value: _fraction(value, modifier)
    return None


def _text(value: str, most: int | None, *, padded: bool) -> str:
    if most is not None and len(value) > most:
        return f"is longer than {most} characters"
    return "ends with a blank, which the column does not keep" if padded and value.endswith(" ") else ""


def _decimal(modifier: int) -> Check:
    if modifier < 4:
        return lambda value: "" if value[-1:].isalpha() or digits_of(value)[1] <= _MOST_FRACTION else _TOO_FINE
    precision, scale = (modifier - 4) >> 16 & 0xFFFF, scale_of(modifier) or 0

    def check(value: str) -> str:
        if value[-1:].isalpha():  # NaN, Infinity: the server says whether it takes them
            return ""
        whole, fraction = digits_of(value)
        if fraction > max(scale, 0):
            return _TOO_FINE
        return "is too large for the column" if whole > precision - scale else ""

    return check


def scale_of(modifier: int) -> int | None:
    """How many digits a numeric has behind its point; None where that is not declared."""
    if modifier < 4:
        return None
    scale = modifier - 4 & 0x7FF
    return (scale ^ 1024) - 1024  # eleven bits with a sign, since version 15


_TOO_FINE: Final = "has more digits than the column holds"


def _fits_float4(value: float) -> bool:
    try:
        held = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return False
    # the server writes the shortest text that means the same in four bytes
    for digits in range(6, 10):
        text = f"{held:.{digits}g}"
        if struct.pack("f", float(text)) == struct.pack("f", held):
            return float(text) == value or value != value
    return held == value or value != value


def _fraction(value: str, digits: int) -> str:
    _, point, rest = value.partition(".")
    fraction = rest[:6] if point else ""
    return _TOO_FINE if fraction[digits:].strip("0") else ""
