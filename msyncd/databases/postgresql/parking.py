"""Temporary unique values (P16): what a column holds for a moment, so that another record may take the value it had."""

from datetime import date, timedelta
from secrets import choice, randbelow, token_bytes
from uuid import uuid4

from msyncd.databases.interface import RowRejected
from msyncd.databases.postgresql.catalog import ColumnEntry
from msyncd.databases.postgresql.expressions import kind_of
from msyncd.model import Value

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_BOUNDS = {"int2": 2**15, "int4": 2**31, "int8": 2**63}


def parked(column: ColumnEntry) -> Value:
    """A value of a column that hardly any row holds. Raises RowRejected where the type has none to spare."""
    if not column.not_null:
        return None
    kind = kind_of(column.type)
    if kind == "integer":
        return -randbelow(_BOUNDS.get(column.type.name, 2**31)) - 1
    if kind == "text" and column.type.kind != "e":
        most = column.type.modifier - 4 if column.type.modifier >= 4 else 32
        return "".join(choice(_LETTERS) for _ in range(min(most, 32)))
    if kind == "decimal":
        return _decimal(column.type.modifier)
    if kind == "uuid":
        return str(uuid4())
    if kind == "binary":
        return token_bytes(16)
    if kind == "float":
        return -float(randbelow(2**24))
    clock = f"{randbelow(24):02}:{randbelow(60):02}:{randbelow(60):02}"
    day = (date(4000, 1, 1) + timedelta(days=randbelow(1_000_000))).isoformat()
    if kind in {"date", "time", "timestamp", "timestamptz"}:
        return {"date": day, "time": clock, "timestamp": f"{day} {clock}", "timestamptz": f"{day} {clock}+00:00"}[kind]
    raise RowRejected(f"{column.name}: a unique {column.declared} has no value to spare for a swap")


def _decimal(modifier: int) -> str:
    if modifier < 4:
        return str(-randbelow(10**18) - 1)
    precision, scale = (modifier - 4) >> 16 & 0xFFFF, modifier - 4 & 0x7FF
    whole = precision - scale
    if scale >= 1024 or whole < 1:
        return f"-0.{randbelow(10**precision):0{precision}}" if scale < 1024 else "0"
    return str(-randbelow(10**whole))
