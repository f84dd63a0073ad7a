"""What a column of SQLite is meant to hold, by the type that its table declares.

SQLite holds any value in any column; the declared type only says how text and numbers are turned into each other
(https://www.sqlite.org/datatype3.html). What people mean is told by the names that they use elsewhere; for all others
SQLite's own rules hold.
"""

import re
from functools import lru_cache
from typing import Final, Literal

from msyncd.model import Kind

Affinity = Literal["integer", "text", "blob", "real", "numeric"]

_NAMES: Final[dict[str, Kind]] = {
    "BOOL": "boolean",
    "BOOLEAN": "boolean",
    "LOGICAL": "boolean",
    "DATE": "date",
    "TIME": "time",
    "TIME WITHOUT TIME ZONE": "time",
    "DATETIME": "timestamp",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITHOUT TIME ZONE": "timestamp",
    "TIMESTAMPTZ": "timestamptz",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "DATETIMEOFFSET": "timestamptz",
    "DEC": "decimal",
    "DECIMAL": "decimal",
    "NUMERIC": "decimal",
    "NUMBER": "decimal",
    "MONEY": "decimal",
    "JSON": "json",
    "JSONB": "json",
    "UUID": "uuid",
    "GUID": "uuid",
    "UNIQUEIDENTIFIER": "uuid",
    "BINARY": "binary",
    "VARBINARY": "binary",
    "BINARY VARYING": "binary",
    "BYTEA": "binary",
    "IMAGE": "binary",
    "ARRAY": "array",
    "STRING": "text",
    "ENUM": "text",
    "SET": "text",
    # these contain INT by chance
    "INTERVAL": "any",
    "POINT": "any",
    "ANY": "any",
}
_ARGUMENTS: Final = re.compile(r"\s*\(.*?\)\s*", re.DOTALL)


def kind_of(declared: str) -> Kind:
    """The kind of a column declared so."""
    name = " ".join(_ARGUMENTS.sub(" ", declared).upper().split())
    if name.endswith(("[]", " ARRAY")):
        return "array"
    return _NAMES.get(name) or _by_affinity(name)


def _by_affinity(name: str) -> Kind:
    kinds: dict[Affinity, Kind] = {"integer": "integer", "text": "text", "blob": "binary", "real": "float"}
    # a type without a name has no preference; what SQLite would hold as a number by default may be anything
    return kinds.get(affinity_of(name), "any") if name else "any"


@lru_cache(maxsize=1000)
def affinity_of(declared: str) -> Affinity:
    """How SQLite turns text and numbers into each other in a column declared so: its rules, in their order."""
    name = declared.upper()
    if "INT" in name:
        return "integer"
    if "CHAR" in name or "CLOB" in name or "TEXT" in name:
        return "text"
    if "BLOB" in name or not name:
        return "blob"
    return "real" if any(part in name for part in ("REAL", "FLOA", "DOUB")) else "numeric"
