"""Quoting as SQLite has it."""

from msyncd.databases.spelling import STANDARD

quoted = STANDARD.name
"""An identifier in SQL."""

listed = STANDARD.listed
"""Identifiers, comma-separated."""
