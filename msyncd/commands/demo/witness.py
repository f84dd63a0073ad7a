"""The demo's witness: it notes, row by row, what the application writes, and nothing of what msyncd writes.

It looks through TEMP triggers, which fire for the application's own connection alone, inside the application's own
transaction: what is rolled back or refused was never noted.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

Scalar = str | int | float | bytes | None
Record = dict[str, Scalar]


@dataclass(frozen=True, slots=True)
class Written:
    """One row that the application wrote: what it was (None: it was not there), and what it is (None: deleted)."""

    record_type: str
    before: Record | None
    after: Record | None


class Witness:
    """Watches one connection of the application."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.columns: Mapping[str, tuple[str, ...]] = columns_of(connection)
        for table, columns in self.columns.items():
            _watch(connection, table, columns)

    def take(self) -> list[Written]:
        """What was written since it was asked last, for each table in the order in which it was written."""
        return [one for table in self.columns for one in self._taken(table)]

    def _taken(self, table: str) -> list[Written]:
        columns = self.columns[table]
        rows = self._connection.execute(f"SELECT * FROM temp.noted_{table} ORDER BY noted_number").fetchall()
        if rows:
            self._connection.execute(f"DELETE FROM temp.noted_{table}")
        width = len(columns)
        return [
            Written(
                table,
                None if what == "insert" else dict(zip(columns, values[:width], strict=True)),
                None if what == "delete" else dict(zip(columns, values[width:], strict=True)),
            )
            for _, what, *values in rows
        ]


def columns_of(connection: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
    """The application's tables with their columns; msyncd's own tables are not the application's."""
    tables = connection.execute(
        "SELECT name FROM main.sqlite_master WHERE type = 'table'"
        " AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'msyncd%'"
    ).fetchall()
    return {
        table: tuple(str(row[1]) for row in connection.execute(f"PRAGMA main.table_info({table})"))
        for (table,) in tables
    }


def _watch(connection: sqlite3.Connection, table: str, columns: tuple[str, ...]) -> None:
    """Make the notebook of one table and the triggers that write in it. Its columns have no type: values stay as is."""
    spaces = ", ".join(f"{when}_{column}" for when in ("before", "after") for column in columns)
    connection.execute(f"CREATE TEMP TABLE noted_{table} (noted_number INTEGER PRIMARY KEY, what, {spaces})")
    old, new = (", ".join(f"{side}.{column}" for column in columns) for side in ("OLD", "NEW"))
    nothing = ", ".join(["NULL"] * len(columns))
    sides = {"insert": (nothing, new), "update": (old, new), "delete": (old, nothing)}
    for what, (before, after) in sides.items():
        connection.execute(
            f"CREATE TEMP TRIGGER note_{what}_{table} AFTER {what} ON main.{table} BEGIN"
            f" INSERT INTO noted_{table} VALUES (NULL, '{what}', {before}, {after}); END"
        )
