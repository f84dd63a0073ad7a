"""How PostgreSQL spells names. Trigger functions name every table with its schema, whatever the search path."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from msyncd.databases.spelling import STANDARD, Spelling

quoted = STANDARD.name
"""An identifier in SQL."""

listed = STANDARD.listed
"""Identifiers, comma-separated."""

OURS: Final = "msyncd"
"""The schema of everything that is msyncd's own."""


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("\0", "\N{REPLACEMENT CHARACTER}").replace("'", "''") + "'"


@dataclass(frozen=True)
class Qualified(Spelling):
    """Tables with their schemas, by the casefolded name under which they are described."""

    tables: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def table(self, name: str) -> str:
        schema, table = self.tables[name.casefold()]
        return f"{quoted(schema)}.{quoted(table)}"

    def text(self, expression: str) -> str:
        return f"({expression})::pg_catalog.text"
