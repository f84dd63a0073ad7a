"""SQL text: names, values, and the portable SQL of the ledger as MariaDB takes it."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final

from pymysql import converters

from msyncd.databases.spelling import Spelling
from msyncd.model import Value

_TOKEN: Final = re.compile(
    r"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|--[^\n]*|/\*.*?\*/|\?|\bkey\b", re.DOTALL
)

EXACT: Final = "utf8mb4_nopad_bin"
"""The collation that compares text byte for byte; utf8mb4_bin does not tell 'a' from 'a '."""


class MariaDBSpelling(Spelling):
    """MariaDB's, with ANSI_QUOTES in the connection's sql_mode."""

    def text(self, expression: str) -> str:
        return f"CAST({expression} AS CHAR CHARACTER SET utf8mb4)"


SPELLING: Final = MariaDBSpelling()
quoted = SPELLING.name
listed = SPELLING.listed


@lru_cache(512)
def pieces(sql: str) -> tuple[str, ...]:
    """Portable SQL, cut at its placeholders.

    The ledger has columns named key, which is a reserved word here: in a statement on its tables the bare word, in
    small letters, is quoted.
    """
    ledger = "msyncd_" in sql
    parts, start, now = [], 0, ""
    for found in _TOKEN.finditer(sql):
        if found[0] == "?":
            parts.append(now + sql[start : found.start()])
            start, now = found.end(), ""
        elif found[0] == "key" and ledger:
            now += sql[start : found.start()] + '"key"'
            start = found.end()
    parts.append(now + sql[start:])
    return tuple(parts)


def filled(sql: str, parameters: Sequence[Value]) -> str:
    """Portable SQL with its values. Raises ValueError if there are more or fewer than placeholders."""
    parts = pieces(sql)
    if len(parts) != len(parameters) + 1:
        raise ValueError(f"{len(parts) - 1} placeholders and {len(parameters)} values: {sql}")
    if len(parts) == 1:
        return parts[0]
    text = [parts[0]]
    for value, part in zip(parameters, parts[1:], strict=True):
        text += (literal(value), part)
    return "".join(text)


def literal(value: Value) -> str:
    """A value in SQL. The connections' sql_mode has no NO_BACKSLASH_ESCAPES."""
    return _WRITTEN[type(value)](value)


def literals(values: Iterable[Value]) -> list[str]:
    """A column of values in SQL; the hot one: no call of ours for a value."""
    values = list(values)
    types = set(map(type, values))
    if len(types) == 1:
        return list(map(_WRITTEN[types.pop()], values))
    return [_WRITTEN[type(value)](value) for value in values]


def tuples(columns: Sequence[Sequence[str]]) -> list[str]:
    """Columns of SQL values as rows in parentheses."""
    return [f"({row})" for row in map(",".join, zip(*columns, strict=True))]


def among(columns: Sequence[str], rows: Sequence[str], prefix: str = "") -> str:
    """A condition that a tuple of columns is one of these, as `literals`, or for several columns `tuples`, gave."""
    if not rows:
        return "FALSE"
    left = f"{prefix}{quoted(columns[0])}" if len(columns) == 1 else f"({listed(columns, prefix)})"
    return f"{left} IN ({','.join(rows)})"


_WRITTEN: Final[dict[type, Callable[..., str]]] = {
    type(None): converters.escape_None,
    bool: converters.escape_bool,
    int: converters.escape_int,
    float: converters.escape_float,
    str: converters.escape_str,
    bytes: converters.escape_bytes,
}
