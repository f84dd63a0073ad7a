"""Columns that no index serves, as `msyncd check` asks for them."""

from msyncd.databases.mariadb.database import MariaDBDatabase
from msyncd.databases.unindexed import unindexed
from tests.databases.contract.application import Application


def test_columns_are_served_by_an_index_that_begins_with_them(application: Application, maria: MariaDBDatabase) -> None:
    application.make("CREATE TABLE t (ID INT PRIMARY KEY, a INT, b INT, c INT, KEY ab (a, b));")
    wanted = [("id",), ("a",), ("B", "a"), ("b",), ("c",), ("a", "c")]
    assert unindexed(maria, {"t": wanted}) == {"t": frozenset({("b",), ("c",), ("a", "c")})}
