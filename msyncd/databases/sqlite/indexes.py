"""The indexes of a SQLite table, as far as look-ups by a reference can use them."""

from msyncd.databases.interface import Reader


def leading_columns(reader: Reader, table: str, most: int) -> list[tuple[str, ...]]:
    """The first `most` columns of each index on a table; partial indexes and those on expressions are left out."""
    found: dict[str, list[str]] = {}
    rows = reader.execute(
        "SELECT l.name, i.name FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i"
        " WHERE NOT l.partial AND i.seqno < ? AND i.name IS NOT NULL ORDER BY l.name, i.seqno",
        (table, most),
    )
    for index, column in rows:
        found.setdefault(str(index), []).append(str(column))
    # the rowid under another name has no index of its own, and needs none
    key = [str(row[0]) for row in reader.execute("SELECT name FROM pragma_table_info(?) WHERE pk = 1", (table,))]
    return [*map(tuple, found.values()), tuple(key)]
