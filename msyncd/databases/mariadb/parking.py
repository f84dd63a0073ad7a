"""Temporary values for a record whose unique values another is to take in the same transaction (P16)."""

from secrets import randbelow, token_bytes, token_hex
from typing import Final
from uuid import uuid4

from msyncd.databases.interface import RowRejected
from msyncd.databases.mariadb.details import INTEGERS, Detail
from msyncd.model import Value

_TOKEN: Final = 24


def placeholder(table: str, detail: Detail) -> Value:
    """A value that no other record holds, by all odds, and that the column takes. Raises RowRejected if none is."""
    if detail.nullable:
        return None
    if detail.type in INTEGERS:
        most = 2 ** (INTEGERS[detail.type] - (0 if detail.unsigned else 1)) - 1
        return int(most // 2) + randbelow(int(most // 2))
    if detail.kind == "uuid":
        return str(uuid4())
    if detail.kind == "text" and detail.type not in {"enum", "set", "inet4", "inet6"}:
        return f"{token_hex(_TOKEN // 2)} parked"[: detail.length or None]  # an index may look at the beginning alone
    if detail.kind == "binary" and detail.length:
        return token_bytes(detail.length if detail.type == "binary" else min(detail.length, _TOKEN))
    if detail.kind in {"date", "timestamp"}:
        day = f"{randbelow(9000) + 1000:04}-{randbelow(12) + 1:02}-{randbelow(28) + 1:02}"
        return day if detail.kind == "date" else f"{day} {randbelow(24):02}:{randbelow(60):02}:{randbelow(60):02}"
    if detail.kind == "decimal":
        whole = (detail.precision or 65) - (detail.scale or 0)
        return str(randbelow(int(10**whole)))
    if detail.kind == "float":
        return float(randbelow(2**24))
    raise RowRejected(f"{table}.{detail.name}: there is no temporary value of {detail.declared}")
