"""Quoting, and the SQL by which a record's store and routing value are found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from msyncd.model import RecordType


class HasRecordType(Protocol):
    """Anything that carries a record type, such as a CapturedType."""

    @property
    def record_type(self) -> RecordType: ...


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Sequence[str], prefix: str = "") -> str:
    """Identifiers, comma-separated."""
    return ", ".join(prefix + quoted(name) for name in names)


@dataclass(frozen=True, slots=True)
class Found:
    """Expressions for store, routing value and parent of table alias `t`, and the joins that they need."""

    store: str
    route: str
    parent: str
    joins: str


def found(record_type: RecordType, types: Mapping[str, RecordType]) -> Found:
    """How the store, the routing value and the parent of a row of `t` are found, through its parents if so declared."""
    alias, current, joins = "t", record_type, ""
    depth = 0
    while (through := current.through) is not None:
        parent = types[through.parent]
        depth += 1
        joins += (
            f" LEFT JOIN {quoted(parent.table)} p{depth}"
            f" ON p{depth}.{quoted(parent.key[0])} = {alias}.{quoted(through.column)}"
        )
        alias, current = f"p{depth}", parent
    store = f"CAST({alias}.{quoted(current.store_column)} AS TEXT)" if current.store_column else "NULL"
    also = current.also_sent_to
    if also is None and record_type.also_sent_to is not None:
        also, alias = record_type.also_sent_to, "t"
    route = f"{alias}.{quoted(also.column)}" if also else "NULL"
    parent_column = f"t.{quoted(record_type.through.column)}" if record_type.through else "NULL"
    return Found(store, route, parent_column, joins)
