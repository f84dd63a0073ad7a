"""What a column of SQLite makes of a value, looked at before it is written (P36).

SQLite holds nearly anything as it is. But a column that is declared to hold numbers turns text that looks like one into
a float, a column of floats turns integers into floats, a column of text turns floats into text of fifteen digits, and a
NaN becomes NULL. Where that alters a value, the row is refused by the column's name. Whole columns are looked at by
the types of their values, so that a batch of ordinary rows costs next to nothing.
"""

import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from msyncd.databases.interface import RowRejected
from msyncd.databases.kinds import canonical, rejected, same
from msyncd.databases.sqlite.declared import Affinity, affinity_of
from msyncd.model import Column, Kind, Row, Table, Value

LARGEST: Final = 2**63 - 1
EXACT: Final = 2**53
"""Up to here every integer is a float."""

_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*", re.IGNORECASE | re.ASCII)
# a quicker one that finds more, for many texts at once
_NUMBER_LINE: Final = re.compile(
    r"^[ \t\v\f\r]*+[+-]?+\.?+[0-9][0-9.]*+(?:[eE][+-]?+[0-9]++)?+[ \t\v\f\r]*+$", re.MULTILINE
)
_OF_NUMBERS: Final[frozenset[Kind]] = frozenset({"integer", "decimal", "float", "any"})
_PLAIN: Final[dict[Affinity, frozenset[type]]] = {
    "integer": frozenset({int, bytes}),
    "numeric": frozenset({int, bytes}),
    "real": frozenset({bytes}),
    "text": frozenset({str, bytes, int}),
    "blob": frozenset({str, bytes, int}),
}
"""Types whose values SQLite keeps as they are, or turns into what means the same."""


def taken(table: Table, columns: Sequence[str], rows: Sequence[Row]) -> Sequence[Row]:
    """The rows as SQLite is to be given them: mostly the very same. Raises RowRejected for what it would alter."""
    changed: dict[int, list[Value]] = {}
    by_column = list(zip(*rows, strict=True))
    for at, name in enumerate(columns):
        column = table.column(name)
        if column is None:
            continue
        affinity, values = affinity_of(column.declared), by_column[at]
        types = set(map(type, values)) - {type(None)}
        if not types <= _PLAIN[affinity] and not _stays(column, affinity, types, values):
            given = [_given(table, column, affinity, value) for value in values]
            if any(map(_other, given, values)):
                changed[at] = given
    if not changed:
        return rows
    return list(zip(*(changed.get(at, by_column[at]) for at in range(len(columns))), strict=True))


def blame(table: Table, columns: Sequence[str], rows: Iterable[Row], error: Exception) -> RowRejected:
    """The refusal of the value that the driver could not take, which does not say which one that was."""
    for row in rows:
        for name, value in zip(columns, row, strict=True):
            if isinstance(value, int) and not -LARGEST - 1 <= value <= LARGEST:
                return rejected(table.name, name, value, "is beyond the 64 bits of an integer")
            if isinstance(value, str) and not _encodes(value):
                return rejected(table.name, name, value, "is not text")
    return RowRejected(str(error))


def _other(given: Value, value: Value) -> bool:
    return given is not value


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _stays(column: Column, affinity: Affinity, types: set[type], values: Sequence[Any]) -> bool:
    """Whether a column's values are plainly kept: text that is no number, numbers that are exact."""
    if affinity == "text":
        return False
    given = filter(None, values)  # neither NULL nor a zero is ever altered
    if types <= {int, float}:
        if (affinity == "real" and int in types) or column.kind not in _OF_NUMBERS:
            return False
        return not math.isnan(sum(given))
    # one look at all of them: a line that is a number, be it a part of a text
    return types == {str} and _NUMBER_LINE.search("\n".join(given)) is None


def _given(table: Table, column: Column, affinity: Affinity, value: Value) -> Value:
    if isinstance(value, float) and math.isnan(value):
        raise rejected(table.name, column.name, value, "would become NULL")
    if isinstance(value, bool):  # SQLite has none: a number, or the word where a number means something else
        return value if same(column.kind, int(value), value) else canonical("text", value)
    if affinity == "text":
        return canonical("text", value) if isinstance(value, float) else value
    stands = _as_number(affinity, value)
    # a number for a column that is not meant to hold one: what it would have meant is in the text alone
    kind = "decimal" if column.kind == "any" else column.kind
    if stands is not value and not same(kind, stands, value):
        raise rejected(table.name, column.name, value, f"would become {stands!r}")
    return value


def _as_number(affinity: Affinity, value: Value) -> Value:
    """What SQLite turns a value into where numbers are declared."""
    if affinity == "blob":
        return value
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return value
        exact = Decimal(value)
        whole = -LARGEST - 1 <= exact <= LARGEST and exact == exact.to_integral_value()
        return int(exact) if whole and affinity != "real" else float(exact)
    if isinstance(value, int) and affinity == "real" and abs(value) > EXACT:
        return float(value)
    if isinstance(value, float) and affinity != "real" and value.is_integer() and abs(value) <= LARGEST:
        return int(value)
    return value
