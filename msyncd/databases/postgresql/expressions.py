"""The canonical form of a column's values in SQL: as they leave a Reader, and as text in the change log.

The expressions count on the settings that `connection` makes; a trigger runs with the application's, so its function
brings its own where a form depends on them (see SETTINGS).
"""

from collections.abc import Callable, Mapping
from typing import Final

from msyncd.databases.postgresql.catalog import ColumnEntry, TypeName
from msyncd.model import Kind, Value

_KINDS: Final[Mapping[str, Kind]] = {
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "oid": "integer",
    "numeric": "decimal",
    "float4": "float",
    "float8": "float",
    "text": "text",
    "varchar": "text",
    "bpchar": "text",
    "name": "text",
    "citext": "text",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "bool": "boolean",
    "json": "json",
    "jsonb": "json",
    "uuid": "uuid",
    "bytea": "binary",
}
_AS_THEY_ARE: Final = frozenset(
    [
        "int2",
        "int4",
        "int8",
        "oid",
        "numeric",
        "float4",
        "float8",
        "text",
        "varchar",
        "name",
        "citext",
        "date",
        "bool",
        "json",
        "uuid",
        "bytea",
    ]
)
"""Base types whose values the driver gives in canonical form by itself."""

_ISO: Final = "datestyle TO 'ISO, YMD'"
SETTINGS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "date": (_ISO,),
    "timestamp": (_ISO,),
    "timestamptz": (_ISO, "timezone TO 'UTC'"),
    "float": ("extra_float_digits TO 1",),
    "any": (_ISO, "intervalstyle TO postgres", "extra_float_digits TO 1"),
}
"""What the text of a kind depends on."""


def kind_of(type_name: TypeName) -> Kind:
    """The kind of a column of this type."""
    if type_name.kind == "e":
        return "text"
    if type_name.category == "A" and type_name.name.startswith("_"):
        return "array"
    return _KINDS.get(type_name.name, "any")


def canonical(column: ColumnEntry, expression: str) -> str:
    """SQL for the canonical form of a value of a column."""
    name = column.type.name
    if name in _AS_THEY_ARE or column.type.kind == "e":
        return expression
    text = f"({expression})::pg_catalog.text"
    kind = kind_of(column.type)
    if kind == "array":
        return f"pg_catalog.array_to_json({expression})::pg_catalog.text"
    if kind == "time":
        fine = f"pg_catalog.to_char({expression}, 'US')"
        return f"CASE {fine} WHEN '000000' THEN {text} ELSE pg_catalog.to_char({expression}, 'HH24:MI:SS.US') END"
    if kind in {"timestamp", "timestamptz"}:
        fine = f"'.' || pg_catalog.to_char({expression}, 'US')"
        text = (
            f"CASE WHEN {expression} = pg_catalog.date_trunc('second', {expression}) THEN {text}"
            f" ELSE pg_catalog.regexp_replace({text}, '\\.[0-9]+', {fine}) END"
        )
        return f"pg_catalog.replace({text}, '+00', '+00:00')" if kind == "timestamptz" else text
    return text


def logged(column: ColumnEntry, expression: str) -> str:
    """SQL for the text under which a value of a column stands in the change log."""
    kind = kind_of(column.type)
    if kind == "binary":
        return f"pg_catalog.encode({expression}, 'hex')"
    form = canonical(column, expression)
    return form if form != expression else f"({expression})::pg_catalog.text"


def compared(column: ColumnEntry, expression: str) -> str:
    """SQL for what differs whenever the canonical form of a value does."""
    natively = kind_of(column.type) in {"integer", "boolean", "uuid", "date", "timestamp", "timestamptz", "binary"}
    if natively or (column.type.name in {"text", "varchar"} and column.loose is None):
        return expression
    return f"({expression})::pg_catalog.text"


def in_byte_order(column: ColumnEntry, expression: str) -> str:
    """SQL for what sorts as the canonical form's bytes do: the ranges of a fill must be the same in every database.

    An index serves it where the column sorts so by itself; see the check of slow fills.
    """
    if column.type.name == "bpchar" or column.type.kind == "e":
        return f'({expression})::pg_catalog.text COLLATE "C"'
    if column.type.name in {"text", "varchar", "citext"} and not column.bytewise:
        return f'{expression} COLLATE "C"'
    return expression


def as_logged(value: Value) -> str | None:
    """A key, store or routing value as the change log has it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    text = str(value)
    return text.removesuffix(".0") if isinstance(value, float) else text


FROM_LOG: Final[Mapping[Kind, Callable[[str], Value]]] = {
    "integer": int,
    "float": float,
    "boolean": "true".__eq__,
    "binary": bytes.fromhex,
}
"""By kind, what makes a value of the log's text; kinds that are not here are text themselves."""
