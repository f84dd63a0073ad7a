"""Rows on their way into a statement: as arrays where they are few, by COPY into a temporary table where they are many.

Measured, in rows of 220 bytes: 1,000 and fewer go faster as arrays, by up to five times for one; 5,000 a third faster
by COPY.
"""

from collections.abc import Sequence
from typing import Final

from msyncd.databases.postgresql.arrays import compared_as, literal, texts_of
from msyncd.databases.postgresql.catalog import ColumnEntry
from msyncd.databases.postgresql.connection import Connection
from msyncd.databases.postgresql.expressions import kind_of
from msyncd.model import Value

MANY: Final = 2000
"""Rows from which on they are copied."""


class Staged:
    """A row source for one statement: `source` after FROM or USING, with its `parameters`; columns c1, c2, …"""

    def __init__(
        self, source: str, parameters: Sequence[str], names: Sequence[str], types: Sequence[str | None]
    ) -> None:
        self.source, self.parameters = source, parameters
        self.values = [
            f"s.{name}::{needed}" if needed else f"s.{name}" for name, needed in zip(names, types, strict=True)
        ]


def staged(
    connection: Connection,
    columns: Sequence[ColumnEntry],
    values: Sequence[Sequence[Value]],
    number: int,
    *,
    lasting: bool = False,
) -> Staged:
    """Rows, given by column, ready to be selected from as `s`. `number` tells tables of one transaction apart.

    A `lasting` source takes no parameters, and serves as many statements as one likes.
    """
    names = [f"c{place}" for place in range(1, len(columns) + 1)]
    types = [compared_as(column) for column in columns]
    nested = [kind_of(column.type) == "array" for column in columns]
    # an array of arrays would be taken apart to its last element
    sent = ["text" if inner else one for one, inner in zip(types, nested, strict=True)]
    casts = [one if inner else None for one, inner in zip(types, nested, strict=True)]
    if len(values[0]) < MANY and not lasting:
        arrays = ", ".join(f"%s::{one}[]" for one in sent)
        parameters = [literal(texts_of(kind_of(one.type), some)) for one, some in zip(columns, values, strict=True)]
        return Staged(f"unnest({arrays}) AS s ({', '.join(names)})", parameters, names, casts)
    table = f"msyncd_staged_{number}"
    made = ", ".join(f"{name} {one}" for name, one in zip(names, sent, strict=True))
    connection.execute(f"CREATE TEMPORARY TABLE {table} ({made}) ON COMMIT DROP".encode())
    with connection.cursor() as cursor, cursor.copy(f"COPY pg_temp.{table} FROM STDIN".encode()) as copy:
        for row in zip(*values, strict=True):
            copy.write_row(row)
    return Staged(f"pg_temp.{table} AS s", (), names, casts)
