"""On which databases the sites of a test stand: the primary on one kind, its satellites on another.

Most tests of the flow run on SQLite alone, since nothing in the flow names a dialect; those marked `everywhere` run on
every pair. MSYNCD_TEST_PAIRS=postgresql-postgresql,… runs all of them on these pairs.
"""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.servers import KINDS, Databases

ALL: Final = tuple(f"{primary}-{satellite}" for primary in KINDS for satellite in KINDS)
ASKED: Final = tuple(one for one in os.environ.get("MSYNCD_TEST_PAIRS", "").split(",") if one)


@dataclass(frozen=True)
class Pair:
    """The kinds of a primary's database and of its satellites'; empty ones are had for as long as the pair lasts."""

    primary: str
    satellite: str
    databases: Databases
    stack: ExitStack

    def kind(self, sync_id: int) -> str:
        """The kind of a site's database."""
        return self.primary if sync_id == 1 else self.satellite

    def urls(self, sync_ids: Collection[int], folder: Path) -> dict[int, str]:
        """Empty databases for sites; those on SQLite get their files by themselves."""
        found: dict[int, str] = {}
        for sync_id in sync_ids:
            if (kind := self.kind(sync_id)) != "sqlite":
                found[sync_id] = self.stack.enter_context(self.databases.fresh(kind, folder))
        return found

    def schemas(self, schema: str | Mapping[int, str], sync_ids: Collection[int]) -> dict[int, str]:
        """The tables of each site, written for SQLite, as its database takes them."""
        of_site = {sync_id: schema if isinstance(schema, str) else schema[sync_id] for sync_id in sync_ids}
        return {sync_id: as_written_for(self.kind(sync_id), text) for sync_id, text in of_site.items()}


current: ContextVar[Pair | None] = ContextVar("current", default=None)
"""The pair of the test that runs; None: everything on SQLite."""


@contextmanager
def on(pair: str, databases: Databases) -> Iterator[Pair]:
    """Inside, sites stand on that pair of databases."""
    primary, satellite = pair.split("-")
    with ExitStack() as stack:
        made = Pair(primary, satellite, databases, stack)
        token = current.set(made)
        try:
            yield made
        finally:
            current.reset(token)


def as_written_for(kind: str, schema: str) -> str:
    """A schema for SQLite, for another database: keys need a length in MariaDB, and it wants references whole."""
    if kind == "mariadb":
        schema = re.sub(r"\bTEXT\b", "VARCHAR(80)", schema)
        schema = re.sub(r"\bREFERENCES (\w+)\b(?! *\()", r"REFERENCES \1 (id)", schema)
    return schema
