"""The indexes of a PostgreSQL table, as far as look-ups by a reference can use them."""

from typing import Final

from msyncd.databases.interface import Reader
from msyncd.databases.postgresql.catalog import SCHEMAS

_COLUMNS: Final = f"""
SELECT i.indexrelid::bigint, a.attname::text
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS u (number, place)
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.number
WHERE i.indrelid = (
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND (n.nspname || '.' || c.relname = ?
            OR (c.relname = ? AND array_position({SCHEMAS}, n.nspname) IS NOT NULL))
        ORDER BY array_position({SCHEMAS}, n.nspname) LIMIT 1)
    AND i.indisvalid AND i.indpred IS NULL AND m.amname IN ('btree', 'hash')
    AND u.place <= i.indnkeyatts AND u.place <= ?
ORDER BY i.indexrelid, u.place
"""


def leading_columns(reader: Reader, table: str, most: int) -> list[tuple[str, ...]]:
    """The first `most` columns of each index on a table, up to the first expression; partial indexes are left out."""
    found: dict[object, list[str]] = {}
    ended: set[object] = set()
    for index, column in reader.execute(_COLUMNS, (table, table, most)):
        if column is None:
            ended.add(index)
        elif index not in ended:
            found.setdefault(index, []).append(str(column))
    return list(map(tuple, found.values()))
