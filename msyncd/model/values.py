"""Single values, places and the words for what may be: what all the others are made of."""

from typing import Annotated, Final, Literal, NamedTuple

import msgspec

Value = None | bool | int | float | str | bytes
"""One value of one column. What a database gives is in the canonical form of its column's kind (databases/kinds.py)."""

Row = tuple[Value, ...]
"""The values of a record in the order of RecordType.columns, or of a key in the order of RecordType.key."""

Operation = Literal["write", "delete"]
EditedOn = Literal["primary", "active_site", "any_site"]
SentTo = Literal["every_site", "sites_of_store", "primary_only"]
Direction = Literal["push", "pull"]
ApplicationTriggers = Literal["fire", "silent"]
Kind = Literal[
    "integer",
    "decimal",
    "float",
    "text",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "boolean",
    "json",
    "uuid",
    "binary",
    "array",
    "any",
]
"""What a column holds, whatever its database calls it; "any" where the database does not say."""
ZeroDates = Literal["null", "refuse"]
"""What becomes of 0000-00-00 where a database has no such date."""

PRIMARY: Final = 1
"""The sync ID of the primary."""


Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number as every database holds it, in 64 bits: what a message tells beyond them is no message."""
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Cursor(NamedTuple):
    """A place in a site's change log in commit order: everything up to and including it has been read.

    `major` is the writing transaction's number where the database orders commits by it (PostgreSQL), else 0.
    """

    major: _Number
    seq: _Number


START = Cursor(0, 0)
"""Before the first change."""
