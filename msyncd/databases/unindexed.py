"""Columns that no index serves: for `msyncd check`, a dialect each."""

from collections.abc import Collection, Mapping

from msyncd.databases.interface import Database

Columns = tuple[str, ...]


def unindexed(database: Database, wanted: Mapping[str, Collection[Columns]]) -> dict[str, frozenset[Columns]]:
    """Which of these columns, by table, no index begins with. Nothing, where the dialect cannot tell."""
    if database.dialect != "sqlite":
        return {}
    from msyncd.databases.sqlite.indexes import leading_columns

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
