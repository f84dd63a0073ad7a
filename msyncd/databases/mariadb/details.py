"""What MariaDB says of a column, and how its values leave as SQL."""

import re
from dataclasses import dataclass
from typing import Final

from msyncd.databases.mariadb.sql import EXACT, SPELLING, quoted
from msyncd.model import Kind

INTEGERS: Final = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
"""Bits of each."""
TEXTS: Final = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
BINARIES: Final = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
SPATIAL: Final = frozenset(
    {
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
    }
)
_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(INTEGERS, "integer"),
    "year": "integer",
    "bit": "integer",
    "decimal": "decimal",
    "float": "float",
    "double": "float",
    **dict.fromkeys((*TEXTS, "enum", "set", "inet4", "inet6"), "text"),
    **dict.fromkeys((*BINARIES, *SPATIAL), "binary"),
    "date": "date",
    "time": "time",
    "datetime": "timestamp",
    "timestamp": "timestamptz",
    "uuid": "uuid",
}
_CAST: Final[dict[Kind, str]] = {"date": "DATE", "time": "TIME(6)", "timestamp": "DATETIME(6)", "uuid": "UUID"}
_ORDERED_AS_UTF8: Final = frozenset({"utf8mb4", "utf8mb3", "ascii"})
MOST_KEY_CHARACTERS: Final = 550
"""Longest text in a key: packed it must fit a key of the ledger's own tables."""
LOGGED_CHARACTERS: Final = 768
"""Longest key, store or route that the change log holds."""


@dataclass(frozen=True, slots=True)
class Detail:
    """A column as information_schema has it. `length` in characters (bytes for binary), `octets` in bytes."""

    name: str
    declared: str
    type: str
    kind: Kind
    nullable: bool = True
    length: int | None = None
    octets: int | None = None
    precision: int | None = None
    scale: int | None = None
    fraction: int = 0
    charset: str | None = None
    collation: str | None = None
    renewed: bool = False
    """ON UPDATE CURRENT_TIMESTAMP: the server writes it with any other column that is written."""

    @property
    def unsigned(self) -> bool:
        """Whether it takes no negative numbers."""
        return "unsigned" in self.declared

    @property
    def bytewise(self) -> bool:
        """Whether its values compare byte for byte, but for spaces at the end."""
        return self.collation is None or self.collation.endswith("_bin") or self.collation == "binary"

    @property
    def exact(self) -> bool:
        """Whether its values compare byte for byte."""
        return self.collation is None or self.collation.endswith("_nopad_bin") or self.collation == "binary"

    @property
    def words(self) -> tuple[str, ...]:
        """The values of an ENUM or SET."""
        return tuple(one.replace("''", "'") for one in re.findall(r"'((?:[^']|'')*)'", self.declared))

    @property
    def unfit_key(self) -> str:
        """Why it cannot be in a key, if it cannot."""
        if self.kind in {"float", "json", "timestamptz"} or self.type in {"bit", "set", "enum", *SPATIAL}:
            return f"is of type {self.declared}, whose values are not told apart exactly"
        most = MOST_KEY_CHARACTERS if self.kind == "text" else LOGGED_CHARACTERS // 2
        if self.length is not None and self.length > most:
            return f"may hold {self.length:,} characters, and a key may have {most}"
        return ""

    # --- as SQL -----------------------------------------------------------------------------------------------------

    def read(self, prefix: str = "") -> str:
        """The expression that reads it. What it gives may still have to be made canonical: see reading.py."""
        column = f"{prefix}{quoted(self.name)}"
        if self.type == "bit":
            return f"{column} + 0"
        if self.type == "float" and self.scale is None:
            # as a FLOAT it would be shown with six digits
            return f"CAST({column} AS DOUBLE)"
        if self.kind == "timestamptz" and not self.fraction:
            return f"CONCAT({column}, '+00:00')"
        return column

    def ordered(self, prefix: str = "") -> str:
        """The expression by which its values stand in the same order as in every other database."""
        column = f"{prefix}{quoted(self.name)}"
        if self.kind == "uuid":
            return f"CAST({column} AS CHAR)"
        if self.kind == "text" and not (self.charset in _ORDERED_AS_UTF8 and self.bytewise):
            return f"CONVERT({column} USING utf8mb4) COLLATE {EXACT}"
        return column

    def logged(self, prefix: str) -> str:
        """The expression by which the change log holds it, as text."""
        column = f"{prefix}{quoted(self.name)}"
        if self.kind == "binary":
            column = f"HEX({column})"
        elif self.type == "bit" or "zerofill" in self.declared:
            column = f"CAST({column} + 0 AS UNSIGNED)"
        text = SPELLING.text(column)
        if self.length is not None and self.length > LOGGED_CHARACTERS:
            return f"LEFT({text}, {LOGGED_CHARACTERS})"
        return text

    def differs(self, one: str, other: str) -> str:
        """A condition that two rows' values are not the same, byte for byte; two NULLs are."""
        left, right = f"{one}.{quoted(self.name)}", f"{other}.{quoted(self.name)}"
        if self.collation is not None and not self.exact:
            left, right = f"BINARY {left}", f"BINARY {right}"
        return f"NOT ({left} <=> {right})"

    def given(self, value: str) -> str:
        """An expression for a value, so that it is compared as the column compares and its index serves."""
        if self.charset is not None and self.collation is not None:
            return f"CONVERT({value} USING {self.charset}) COLLATE {self.collation}"
        if self.kind == "decimal":
            return f"CAST({value} AS DECIMAL({self.precision or 65},{self.scale or 0}))"
        if self.kind in _CAST:
            return f"CAST({value} AS {_CAST[self.kind]})"
        return value


def kind_of(type_name: str, declared: str, *, json: bool) -> Kind:
    """The kind of a column by its type."""
    if json:
        return "json"
    if declared in {"tinyint(1)", "bit(1)"}:
        return "boolean"
    return _KINDS.get(type_name, "any")
