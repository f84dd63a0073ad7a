"""Columns that no index serves: for `msyncd check`, a dialect each."""

from collections.abc import Callable, Collection, Mapping

from msyncd.databases.interface import Database, Reader

Columns = tuple[str, ...]
LeadingColumns = Callable[[Reader, str, int], list[Columns]]
"""Gives the first columns of each index on a table, so many at most."""


def unindexed(database: Database, wanted: Mapping[str, Collection[Columns]]) -> dict[str, frozenset[Columns]]:
    """Which of these columns, by table, no index begins with. Nothing, where the dialect cannot tell."""
    leading_columns = _looker(database.dialect)
    if leading_columns is None:
        return {}
    with database.read() as reader:
        return {
            table: frozenset(
                one for one in columns if not _served(one, leading_columns(reader, table, len(max(columns, key=len))))
            )
            for table, columns in wanted.items()
        }


def _served(columns: Columns, leading: Collection[Columns]) -> bool:
    wanted = {column.casefold() for column in columns}
    return any({column.casefold() for column in one[: len(columns)]} == wanted for one in leading)


def _looker(dialect: str) -> LeadingColumns | None:
    if dialect == "sqlite":
        from msyncd.databases.sqlite.indexes import leading_columns as of_sqlite

        return of_sqlite
    if dialect == "mariadb":
        from msyncd.databases.mariadb.indexes import leading_columns as of_mariadb

        return of_mariadb
    if dialect == "postgresql":
        from msyncd.databases.postgresql.indexes import leading_columns as of_postgresql

        return of_postgresql
    return None
