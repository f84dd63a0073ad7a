"""Portable SQL of the ledger as psycopg takes it: `?` becomes its placeholder, and a percent sign stays one."""

import re
from functools import lru_cache
from typing import Final

_PARTS: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\?|%")


@lru_cache(maxsize=512)
def translated(sql: str) -> str:
    """The statement with psycopg's placeholders. What stands in quotes stays as it is."""
    return _PARTS.sub(lambda part: "%s" if part[0] == "?" else part[0].replace("%", "%%"), sql)
