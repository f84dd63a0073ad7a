"""Looking for many values at once, by statements of a few lengths only.

SQLite keeps every parameter of a prepared statement in memory (about 200 bytes each), and a statement of another length
is another statement: by the lengths that batches happen to have, the cache of prepared statements would fill with
hundreds of large ones.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from msyncd.databases.sqlite.names import quoted
from msyncd.model import Row, Value

LENGTHS = (1, 16, 256)
"""How many values a statement asks for; longer ones are not faster."""
SCANNED = (16, 1024)
"""The same where each statement may have to read through a table or a stretch of the change log."""


def portions(values: Collection[Any], filling: Any, lengths: Sequence[int] = LENGTHS) -> Iterator[list[Any]]:
    """The values in lists of these lengths; `filling` is put where there are too few: NULL, which equals nothing."""
    all_values = list(values)
    most = lengths[-1]
    for start in range(0, len(all_values), most):
        some = all_values[start : start + most]
        length = next(one for one in lengths if one >= len(some))
        yield some + [filling] * (length - len(some))


def rows_wanted(values: Collection[Row], width: int) -> Iterator[tuple[int, list[Value]]]:
    """How many tuples of `width` values are asked for, and all their values in one list of parameters."""
    for some in portions(values, (None,) * width):
        yield len(some), [value for row in some for value in row]


def matching(table: str, columns: Sequence[str], count: int, joins: str = "") -> str:
    """FROM and WHERE for the rows of a table (as `t`) that hold one of `count` tuples of values in these columns."""
    if len(columns) == 1:
        return f"FROM {quoted(table)} t{joins} WHERE t.{quoted(columns[0])} IN ({', '.join('?' * count)})"
    one = f"({', '.join('?' * len(columns))})"
    equal = " AND ".join(f"t.{quoted(name)} = wanted.column{at}" for at, name in enumerate(columns, 1))
    # "(a, b) IN (VALUES …)" would read the whole table: SQLite uses no index for it
    return f"FROM (VALUES {', '.join([one] * count)}) wanted CROSS JOIN {quoted(table)} t ON {equal}{joins}"


def holding(table: str, columns: Sequence[str], count: int) -> str:
    """The same, where `wanted.column1` says which tuple it is, from 0: a collation holds others to be the same."""
    marks = ", ".join("?" * len(columns))
    values = ", ".join(f"({place}, {marks})" for place in range(count))
    equal = " AND ".join(f"t.{quoted(name)} = wanted.column{at}" for at, name in enumerate(columns, 2))
    return f"FROM (VALUES {values}) wanted CROSS JOIN {quoted(table)} t ON {equal}"
