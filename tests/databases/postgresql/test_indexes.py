"""Columns that no index serves, as `msyncd check` asks for them."""

from msyncd.databases.interface import Database
from msyncd.databases.unindexed import unindexed
from tests.databases.contract.application import Application

INDEXES = """
CREATE TABLE "T" ("ID" INT PRIMARY KEY, a INT, b INT, c INT, d INT, e INT[]);
CREATE INDEX ab ON "T" (a, b);
CREATE INDEX half ON "T" (c) WHERE c > 0;
CREATE INDEX covering ON "T" (d) INCLUDE (c);
CREATE INDEX shown ON "T" (b, (c + 1), d);
CREATE INDEX inside ON "T" USING gin (e);
CREATE SCHEMA other;
CREATE TABLE other."T" ("ID" INT PRIMARY KEY, c INT);
CREATE INDEX there ON other."T" (c);
"""


def test_columns_are_served_by_an_index_that_begins_with_them(application: Application, database: Database) -> None:
    application.make(INDEXES)
    wanted = [("id",), ("a",), ("B", "a"), ("b",), ("c",), ("d",), ("d", "c"), ("b", "d"), ("a", "c"), ("e",)]
    bare = frozenset({("c",), ("d", "c"), ("b", "d"), ("a", "c"), ("e",)})
    assert unindexed(database, {"T": wanted, "other.T": [("c",), ("id",)]}) == {"T": bare, "other.T": frozenset()}
