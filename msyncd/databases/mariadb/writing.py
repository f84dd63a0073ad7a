"""Values enter MariaDB: taken to what their column holds, or refused by name if they would not read back equal (P36).

The server refuses much by itself in strict mode. What it would cut off, round or fill in without a word is found here.
"""

import re
import sys
from collections.abc import Callable, Sequence
from math import isfinite
from operator import methodcaller
from typing import Any, Final, NamedTuple

from msyncd.databases.kinds import NotOfKind, conform, rejected
from msyncd.databases.mariadb.details import INTEGERS, Detail
from msyncd.databases.mariadb.reading import shortest, single
from msyncd.databases.mariadb.sql import literals
from msyncd.model import Row, Value

Given = Sequence[Any]

_CODECS: Final = {
    "ascii": "ascii", "latin1": "cp1252", "latin2": "iso8859_2", "latin5": "iso8859_9", "latin7": "iso8859_13",
    "cp1250": "cp1250", "cp1251": "cp1251", "cp1256": "cp1256", "cp1257": "cp1257", "cp850": "cp850", "cp852": "cp852",
    "cp866": "cp866", "greek": "iso8859_7", "hebrew": "iso8859_8", "koi8r": "koi8_r", "koi8u": "koi8_u",
    "tis620": "tis_620", "big5": "big5", "gbk": "gbk", "gb2312": "gb2312", "sjis": "shift_jis", "cp932": "cp932",
    "euckr": "euc_kr", "ujis": "euc_jp", "eucjpms": "euc_jp",
}  # fmt: skip
"""Character sets that do not have every character, as Python knows them."""
_BEYOND_BMP: Final = re.compile(r"[^\x00-\uffff]")


class Fit(NamedTuple):
    """What must hold of the values of a column. `all_fit` looks at them together, as nearly every time all do.

    Neither is given None; `misfit` says why one value does not fit, empty if it does.
    """

    all_fit: Callable[[Given], object]
    misfit: Callable[[Any], str]


class WritePlan:
    """How rows of some columns of a table are written. Raises RowRejected for what does not fit, naming it."""

    def __init__(self, table: str, details: Sequence[Detail]) -> None:
        self._table = table
        self._columns = [(one, _fit(one)) for one in details]

    def columns(self, rows: Sequence[Row]) -> list[list[str]]:
        """The rows' values as SQL, by column."""
        return [
            self._one(detail, fit, values)
            for (detail, fit), values in zip(self._columns, zip(*rows, strict=True), strict=True)
        ]

    def _one(self, detail: Detail, fit: Fit | None, values: Given) -> list[str]:
        if None in values and not detail.nullable:
            # some columns would take the present time, or the next number, instead
            raise rejected(self._table, detail.name, None, "where the column must have a value")
        try:
            given = _taken(detail, values)
        except NotOfKind as error:
            raise rejected(self._table, detail.name, error.value, error.why) from None
        if fit is not None:
            present = [value for value in given if value is not None] if None in given else given
            if present and not fit.all_fit(present):
                for value in present:
                    if why := fit.misfit(value):
                        raise rejected(self._table, detail.name, value, why)
        if detail.kind == "timestamptz":
            given = [None if value is None else value.removesuffix("+00:00") for value in given]
        return literals(given)


def _taken(detail: Detail, values: Given) -> Given:
    """The values in the form of the column's kind. Raises NotOfKind."""
    if detail.kind == "boolean" and set(map(type, values)) <= {bool, int, type(None)}:
        return values  # TINYINT(1) takes small numbers too
    return conform(detail.kind, values)


def _fit(detail: Detail) -> Fit | None:
    """What is looked for in the values of a column; None where the server refuses by itself what does not fit."""
    if detail.type in INTEGERS or detail.type in {"bit", "year"}:
        return _range(detail)
    make = _BY_KIND.get(detail.kind)
    return make(detail) if make else None


def _range(detail: Detail) -> Fit:
    if detail.type == "year":
        years = {0, *range(1901, 2156)}
        return Fit(lambda values: set(values) <= years, lambda value: "" if value in years else "is no year of YEAR")
    bits = INTEGERS.get(detail.type) or detail.precision or 1
    positive = detail.unsigned or detail.type == "bit"
    least, most = (0, 2**bits - 1) if positive else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return Fit(
        lambda values: least <= min(values) and max(values) <= most,
        lambda value: "" if least <= value <= most else f"is not between {least:,} and {most:,}",
    )


def _matching(pattern: str, why: str) -> Fit:
    fits = re.compile(pattern, re.ASCII).fullmatch
    return Fit(lambda values: all(map(fits, values)), lambda value: "" if fits(value) else why)


def _decimal(detail: Detail) -> Fit:
    whole, fraction = (detail.precision or 65) - (detail.scale or 0), detail.scale or 0
    sign = "" if detail.unsigned else "-?"
    return _matching(rf"{sign}0*\d{{0,{whole}}}(?:\.\d{{0,{fraction}}}0*)?", f"does not fit {detail.declared}")


def _float(detail: Detail) -> Fit:
    def misfit(value: float) -> str:
        if not isfinite(value):
            return "is no finite number, and the column has no other"
        if value < 0 and detail.unsigned:
            return f"does not fit {detail.declared}"
        if detail.scale is not None and round(value, detail.scale) != value:
            return f"has more digits than {detail.declared} keeps"
        if detail.type == "float":
            kept = single(value)
            if kept is None or value not in {kept, shortest(kept)}:
                return "has more digits than FLOAT keeps"
        return ""

    if detail.type == "float" or detail.scale is not None or detail.unsigned:
        return Fit(lambda values: not any(map(misfit, values)), misfit)
    return Fit(lambda values: all(map(isfinite, values)), misfit)


def _text(detail: Detail) -> Fit | None:
    if detail.type in {"enum", "set"}:
        return _word(detail)
    most = detail.length if detail.type in {"char", "varchar"} else None
    cut, narrow = detail.type == "char", detail.charset == "utf8mb3"
    if most is None and not narrow:
        return None
    longest = sys.maxsize if most is None else most

    def all_fit(values: Given) -> bool:
        return (
            max(map(len, values)) <= longest
            and not (cut and any(map(_ends_in_space, values)))
            and not (narrow and _BEYOND_BMP.search("".join(values)))
        )

    def misfit(value: str) -> str:
        if len(value) > longest:
            return f"is longer than {longest} characters"
        if cut and _ends_in_space(value):
            return "ends in a space, which CHAR does not keep"
        return "has a character that utf8mb3 does not have" if narrow and _BEYOND_BMP.search(value) else ""

    return Fit(all_fit, misfit)


def _word(detail: Detail) -> Fit:
    words = detail.words

    def misfit(value: str) -> str:
        given = [value] if detail.type == "enum" else value.split(",") if value else []
        # the server compares without regard to case, and puts a SET in its own order
        return "" if [word for word in words if word in given] == given else f"is not one of {', '.join(words)}"

    return Fit(lambda values: not any(map(misfit, set(values))), misfit)


def _moment(detail: Detail) -> Fit:
    day = "" if detail.kind == "time" else r"\d{4}-\d\d-\d\d"
    clock = "" if detail.kind == "date" else rf"[ \d:-]+(?:\.\d{{0,{detail.fraction}}}0*)?(?:\+00:00)?"
    return _matching(day + clock, f"does not fit {detail.declared}")


def _binary(detail: Detail) -> Fit | None:
    if detail.type != "binary":
        return None
    return Fit(
        lambda values: set(map(len, values)) == {detail.length},
        lambda value: "" if len(value) == detail.length else f"would be filled up to {detail.length} bytes",
    )


_ends_in_space: Final = methodcaller("endswith", " ")
_BY_KIND: Final[dict[str, Callable[[Detail], Fit | None]]] = {
    "decimal": _decimal,
    "float": _float,
    "text": _text,
    "date": _moment,
    "time": _moment,
    "timestamp": _moment,
    "timestamptz": _moment,
    "binary": _binary,
}


def sql_of(detail: Detail, values: Sequence[Value]) -> Sequence[str | None]:
    """Values to compare with a column, as SQL; None for one that the column cannot hold, and so does not."""
    try:
        return _compared(detail, conform(detail.kind, values))
    except NotOfKind:
        return [one for value in values for one in _compared_or_none(detail, value)]


def _compared(detail: Detail, values: Sequence[Any]) -> Sequence[str | None]:
    if detail.charset in _CODECS:  # what the character set lacks makes the whole comparison an error
        return [
            one if _has(value, _CODECS[detail.charset]) else None
            for one, value in zip(literals(values), values, strict=True)
        ]
    if detail.kind == "decimal":  # in quotes it would be compared as a DOUBLE
        return [value if value is not None and value[-1:].isdigit() else None for value in values]
    return literals(values)


def _has(value: str | None, codec: str) -> bool:
    try:
        return value is None or bool(value.encode(codec)) or not value
    except UnicodeEncodeError:
        return False


def _compared_or_none(detail: Detail, value: Value) -> Sequence[str | None]:
    try:
        return _compared(detail, conform(detail.kind, [value]))
    except NotOfKind:
        return [None]
