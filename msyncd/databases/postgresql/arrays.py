"""Many values as one parameter: an array in PostgreSQL's own notation, made without a call for each value."""

from collections.abc import Collection, Sequence
from typing import Final

from msyncd.databases.kinds import NotOfKind, canonical, conform, is_zero_date
from msyncd.databases.postgresql.catalog import ColumnEntry
from msyncd.databases.postgresql.expressions import kind_of
from msyncd.model import Kind, Row, Value

_BASE: Final = {"varchar": "text", "int2": "int8", "int4": "int8", "oid": "int8", "float4": "float4"}
"""What values are compared as, where it is not the column's own type: none of these narrows or keeps from an index."""
_DATED: Final = frozenset({"date", "timestamp", "timestamptz"})
_LEAST, _MOST = -(2**63), 2**63 - 1


def compared_as(column: ColumnEntry) -> str:
    """The type as which values that are looked for are sent: the column's own, without its length."""
    if column.type.kind in {"e", "c"} or column.type.name == "citext" or kind_of(column.type) in {"any", "array"}:
        return column.declared
    return f"pg_catalog.{_BASE.get(column.type.name, column.type.name)}"


def literal(texts: Sequence[str | None]) -> str:
    """An array of texts; None stands for NULL."""
    if not texts:
        return "{}"
    if None in texts:
        return "{" + ",".join(["NULL" if text is None else f'"{_escaped(text)}"' for text in texts]) + "}"
    joined = '","'.join(texts)  # type: ignore[arg-type]  # none is None
    if "\\" in joined or joined.count('"') != 2 * (len(texts) - 1):
        joined = '","'.join(map(_escaped, texts))  # type: ignore[arg-type]  # none is None
    return f'{{"{joined}"}}'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def texts_of(kind: Kind, values: Sequence[Value]) -> Sequence[str | None]:
    """Canonical values as PostgreSQL reads them."""
    if kind == "binary":
        return [None if value is None else "\\x" + value.hex() for value in values]  # type: ignore[union-attr]  # bytes
    if kind in {"integer", "float", "boolean", "any"}:
        return [None if value is None else str(value) for value in values]
    return values  # type: ignore[return-value]  # text


class Wanted:
    """Values that are looked for in columns of a table: what cannot stand there is left out, and never found.

    `arrays` are the parameters, one for each column; `asked` gives back what was asked for in another form than it has.
    """

    def __init__(self, columns: Sequence[ColumnEntry], values: Collection[Row]) -> None:
        self.columns = columns
        kinds = [kind_of(column.type) for column in columns]
        rows, self._asked = _canonical(kinds, values)
        self._forms = rows
        self.count = len(rows)
        by_column = zip(*rows, strict=True) if rows else [()] * len(columns)
        self.arrays = [literal(texts_of(kind, column)) for kind, column in zip(kinds, by_column, strict=True)]

    def condition(self, names: Sequence[str], prefix: str = "") -> str:
        """SQL that a row holds one of the values; its parameters are `arrays`."""
        types = [compared_as(column) for column in self.columns]
        if len(names) == 1:
            return f"{prefix}{names[0]} = ANY (%s::{types[0]}[])"
        arrays = ", ".join(f"%s::{one}[]" for one in types)
        return f"({', '.join(prefix + name for name in names)}) IN (SELECT * FROM unnest({arrays}))"

    def numbered(self, names: Sequence[str], prefix: str) -> str:
        """The same as a join; `w.n` then says which of `asked_for` a row holds, from 1. Its parameters are `arrays`."""
        arrays = ", ".join(f"%s::{compared_as(column)}[]" for column in self.columns)
        given = [f"c{place}" for place in range(1, len(names) + 1)]
        same = " AND ".join(f"{prefix}{name} = w.{one}" for name, one in zip(names, given, strict=True))
        return f" JOIN unnest({arrays}) WITH ORDINALITY AS w ({', '.join([*given, 'n'])}) ON {same}"

    @property
    def asked_for(self) -> list[Row]:
        """The values that may stand there, as they were asked for."""
        return [self.as_asked(form) for form in self._forms]

    def as_asked(self, value: Row) -> Row:
        """A value that was found, as it was asked for."""
        return self._asked.get(value, value) if self._asked else value

    @property
    def same(self) -> bool:
        """Whether every value was asked for in the form that it has."""
        return not self._asked


def _canonical(kinds: Sequence[Kind], values: Collection[Row]) -> tuple[list[Row], dict[Row, Row]]:
    rows = list(values)
    if not rows or all(map(_as_they_are, kinds, zip(*rows, strict=True))):
        return rows, {}
    found: list[Row] = []
    asked: dict[Row, Row] = {}
    for row in rows:
        try:
            form = tuple(map(canonical, kinds, row))
        except NotOfKind:
            continue
        if all(map(_can_stand, kinds, form)):
            found.append(form)
            if form != row or [*map(type, form)] != [*map(type, row)]:
                asked[form] = row
    return found, asked


def _as_they_are(kind: Kind, values: Sequence[Value]) -> bool:
    """Whether the values of a column need no second look. It may say no where none is needed."""
    try:
        if conform(kind, values) is not values:
            return False
    except NotOfKind:
        return False
    if kind == "integer":
        return None not in values and min(values) >= _LEAST and max(values) <= _MOST  # type: ignore[type-var,operator]  # int
    if kind in {"float", "boolean", "binary"}:
        return None not in values
    return kind not in _DATED and None not in values and "\0" not in "".join(values)  # type: ignore[arg-type]  # text


def _can_stand(kind: Kind, value: Value) -> bool:
    if isinstance(value, str):
        return "\0" not in value and not (kind in _DATED and is_zero_date(value))
    return value is not None and (kind != "integer" or _LEAST <= value <= _MOST)  # type: ignore[operator]  # int
