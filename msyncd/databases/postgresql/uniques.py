"""Unique indexes of PostgreSQL on expressions or on a part of the rows: who stands in a row's way."""

from collections.abc import Sequence

from msyncd.databases.postgresql.known import Known
from msyncd.databases.postgresql.names import quoted
from msyncd.databases.postgresql.staging import Staged
from msyncd.model import RecordType, UniqueIndex


def in_the_way(known: Known, record_type: RecordType, unique: UniqueIndex, names: Sequence[str], source: Staged) -> str:
    """SQL for the keys of rows and of the records that the index lets not stand beside them.

    `source` has the rows' values of the columns `names`: the key's and all that the index names.
    """
    entries = [known.column(record_type.table, name) for name in names]
    given = ", ".join(
        f"{value}::{one.declared} AS {quoted(one.name)}" for value, one in zip(source.values, entries, strict=True)
    )
    terms = ", ".join(f"{term} AS msyncd_{at}" for at, term in enumerate(unique.terms, 1))
    where = f" WHERE {unique.where}" if unique.where else ""
    same = " AND ".join(f"r.msyncd_{at} = n.msyncd_{at}" for at in range(1, len(unique.terms) + 1))
    keys = ", ".join(known.values(record_type.table, record_type.key, alias) for alias in ("n.", "r."))
    return (
        f"SELECT {keys} FROM (SELECT *, {terms} FROM (SELECT {given} FROM {source.source}) AS g{where}) AS n"
        f" JOIN (SELECT *, {terms} FROM {known.table(record_type.table)} AS t{where}) AS r ON {same}"
    )
