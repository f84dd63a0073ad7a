"""How values leave MariaDB in their canonical form (databases/kinds.py): decided once per table, done by column."""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msyncd.databases.kinds import canonical
from msyncd.databases.mariadb.details import Detail
from msyncd.model import Kind, Row, Value

Column = Sequence[Any]
Make = Callable[[Column], Column]

_BOOLEANS: Final[Mapping[Any, Any]] = {0: False, 1: True, "0": False, "1": True}


class ReadPlan:
    """Which expressions to select for some columns, and what is still to be done to their values."""

    def __init__(self, details: Sequence[Detail], prefix: str = "") -> None:
        self.select = ", ".join(one.read(prefix) for one in details)
        self._made = [(at, make) for at, one in enumerate(details) if (make := _made(one)) is not None]

    def rows(self, rows: list[Row]) -> list[Row]:
        """The rows in canonical form; further columns behind those of the plan are left as they are."""
        if not self._made or not rows:
            return rows
        columns: list[Column] = list(zip(*rows, strict=True))
        for at, make in self._made:
            columns[at] = make(columns[at])
        return list(zip(*columns, strict=True))


def _made(detail: Detail) -> Make | None:
    """What the values of a column need; None for nothing."""
    if detail.kind == "boolean":
        # TINYINT(1) may hold more than 0 and 1: what is neither leaves as the number that it is
        return lambda column: [_BOOLEANS.get(value, value) for value in column]
    if detail.type == "float" and detail.scale is None:
        return lambda column: [shortest(value) for value in column]
    if detail.kind in {"time", "timestamp"} and detail.fraction:
        return lambda column: [moment(value) for value in column]
    if detail.kind == "timestamptz" and detail.fraction:
        return lambda column: [moment(value, "+00:00") for value in column]
    if detail.kind == "decimal" and "zerofill" in detail.declared:
        return lambda column: [canonical("decimal", value) for value in column]
    return None


def moment(value: str | None, zone: str = "") -> str | None:
    """A time as the server writes it, with six digits of fraction or none."""
    if value is None:
        return None
    whole, _, fraction = value.partition(".")
    return f"{whole}.{fraction:0<6}{zone}" if fraction.strip("0") else whole + zone


def shortest(value: float | None) -> float | None:
    """The shortest number that a FLOAT, of 24 bits, cannot tell from this one: 0.1 and not 0.10000000149011612."""
    if value is None:
        return None
    for digits in range(6, 10):
        short = float(f"{value:.{digits}g}")
        if single(short) == value:
            return short
    return value


def single(value: float) -> float | None:
    """What a FLOAT makes of a number; None if it is beyond its range."""
    try:
        made: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return None
    return made


# --- the change log -------------------------------------------------------------------------------------------------


def logged_as(kind: Kind) -> Callable[[Any], Value] | None:
    """How a value that the log holds as text becomes what a Reader gives; None if it is that already."""
    if kind == "integer":
        return int
    if kind == "boolean":
        return lambda text: _BOOLEANS.get(text, text)
    if kind == "binary":
        return bytes.fromhex
    if kind in {"time", "timestamp"}:
        return moment
    return None


def as_logged(value: Value) -> Value:
    """A canonical value as the log holds it, to compare with it."""
    if isinstance(value, bytes):
        return value.hex().upper()
    return str(int(value)) if isinstance(value, bool) else value if value is None else str(value)
