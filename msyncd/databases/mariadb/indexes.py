"""The indexes of a MariaDB table, as far as look-ups by a reference can use them."""

from msyncd.databases.interface import Reader


def leading_columns(reader: Reader, table: str, most: int) -> list[tuple[str, ...]]:
    """The first `most` columns of each index on a table."""
    found: dict[str, list[str]] = {}
    rows = reader.execute(
        "SELECT INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE()"
        " AND TABLE_NAME = ? AND SEQ_IN_INDEX <= ? ORDER BY INDEX_NAME, SEQ_IN_INDEX",
        (table, most),
    )
    for index, column in rows:
        found.setdefault(str(index), []).append(str(column))
    return list(map(tuple, found.values()))
