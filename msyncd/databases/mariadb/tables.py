"""msyncd's own tables as MariaDB makes them."""

import re
from collections.abc import Iterator
from typing import Final

from msyncd.databases.ledger import TABLES
from msyncd.databases.mariadb.details import LOGGED_CHARACTERS
from msyncd.databases.mariadb.sql import EXACT

LEAST_WIDTH: Final = 2
"""Key columns that the change log has at least."""
MOST_WIDTH: Final = 15
"""Key columns that the change log can have: a row's columns may take 65,535 bytes."""

KEY_TEXT: Final = "VARCHAR(190)"
KEY_BLOB: Final = "VARBINARY(1550)"
"""In keys, which hold 3,072 bytes: at most two texts of four bytes a character, and one packed key of a record."""

_OPTIONS: Final = f"ENGINE=InnoDB ROW_FORMAT=DYNAMIC CHARACTER SET utf8mb4 COLLATE {EXACT}"
_LOGGED: Final = f"VARCHAR({LOGGED_CHARACTERS})"
_KEY: Final = re.compile(r"PRIMARY KEY \(([^)]*)\)")
_COLUMN: Final = re.compile(r"\s*(\w+) (\{\w+\})(.*)", re.DOTALL)
_OTHERS: Final = {"{int}": "BIGINT", "{text}": "LONGTEXT", "{blob}": "LONGBLOB", "{any}": "LONGTEXT"}


def table_statements(width: int) -> Iterator[tuple[str, str]]:
    """The name of each table and the statement that makes it, for keys of so many columns."""
    keys = ", ".join(f"key{number} {_LOGGED}" for number in range(1, max(width, LEAST_WIDTH) + 1))
    # InnoDB keeps the next number over restarts, also of a table that was emptied: none is used again (P2)
    yield (
        "msyncd_change_log",
        (
            "CREATE TABLE IF NOT EXISTS msyncd_change_log (seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,"
            f" type INT NOT NULL, operation INT NOT NULL, origin INT NOT NULL, store {_LOGGED}, store_before {_LOGGED},"
            f" route {_LOGGED}, route_before {_LOGGED}, only_site INT, parent {_LOGGED}, {keys}) {_OPTIONS}"
        ),
    )
    for name, columns in TABLES.items():
        yield name, f"CREATE TABLE IF NOT EXISTS {name} ({ledger_columns(columns)}) {_OPTIONS}"


def ledger_columns(columns: str) -> str:
    """The columns of a ledger table: what is in a key has a bound, `key` is a reserved word."""
    found = _KEY.search(columns)
    in_key = {one.strip() for one in found[1].split(",")} if found else set()
    parts = []
    for part in _parts(columns):
        column = _COLUMN.fullmatch(part)
        if column is None:
            parts.append(part.strip().replace("(type, key", '(type, "key"').replace("type, key)", 'type, "key")'))
            continue
        name, word, rest = column[1], column[2], column[3]
        keyed = name in in_key or "PRIMARY KEY" in rest or "UNIQUE" in rest
        own = {"{text}": KEY_TEXT, "{blob}": KEY_BLOB}.get(word, _OTHERS[word]) if keyed else _OTHERS[word]
        parts.append(f'"{name}" {own}{rest}')
    return ", ".join(parts)


def widening(has: int, needed: int) -> str:
    """The statement that gives the change log more key columns."""
    added = ", ".join(f"ADD COLUMN IF NOT EXISTS key{number} {_LOGGED}" for number in range(has + 1, needed + 1))
    return f"ALTER TABLE msyncd_change_log {added}"


def _parts(columns: str) -> Iterator[str]:
    """What stands between the commas, but those in parentheses."""
    depth, part = 0, ""
    for character in columns:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            yield part
            part = ""
        else:
            part += character
    yield part
