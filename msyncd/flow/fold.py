"""Folding: many entries of the change log become one change per record."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msyncd.databases.values import (
    KEY,
    ONLY_SITE,
    ORIGIN,
    PARENT,
    ROUTE,
    ROUTE_BEFORE,
    STORE,
    STORE_BEFORE,
    TYPE,
    Entry,
)
from msyncd.model import Row, Value

SEVERAL = 0
"""The origin of a record that more than one site wrote."""

Known = Sequence[Any]
"""What is known of a folded record, laid out as an Entry: its only entry itself, or several made into one."""

Audiences = set[tuple[Value, Value]]
"""Pairs of store and routing value that a record had before."""


@dataclass(slots=True)
class Folded:
    """The records of one type that changed, each once; `before` holds who they went to earlier, where that changed."""

    records: dict[Row, Known] = field(default_factory=dict)
    before: dict[Row, Audiences] = field(default_factory=dict)


def fold(entries: Iterable[Entry], widths: Mapping[int, int]) -> dict[int, Folded]:
    """Fold entries by record type. `widths` gives the number of key columns of each type; others are passed over.

    The logged operation is not even looked at: what is sent is what the table says when the row is read (P1).
    """
    folded = {type_id: Folded() for type_id in widths}
    for entry in entries:
        type_id = entry[TYPE]
        if type_id not in folded:
            continue
        one = folded[type_id]
        key = entry[KEY : KEY + widths[type_id]]
        known = one.records.get(key)
        one.records[key] = entry if known is None else _merged(one, key, known, entry)
        if entry[STORE_BEFORE] is not None or entry[ROUTE_BEFORE] is not None:
            store = entry[STORE] if entry[STORE_BEFORE] is None else entry[STORE_BEFORE]
            route = entry[ROUTE] if entry[ROUTE_BEFORE] is None else entry[ROUTE_BEFORE]
            one.before.setdefault(key, set()).add((store, route))
    return {type_id: one for type_id, one in folded.items() if one.records}


def _merged(one: Folded, key: Row, known: Known, entry: Entry) -> Known:
    """One record's earlier entries and a later one."""
    merged = list(entry)
    if known[ORIGIN] != entry[ORIGIN]:
        merged[ORIGIN] = SEVERAL
    if (known[STORE], known[ROUTE]) != (entry[STORE], entry[ROUTE]):
        one.before.setdefault(key, set()).add((known[STORE], known[ROUTE]))
        if entry[STORE] is None and entry[PARENT] is not None:
            merged[STORE] = known[STORE]  # deleted with its header: the store is the one it had
    if entry[PARENT] is None:
        merged[PARENT] = known[PARENT]
    if known[ONLY_SITE] is not None:
        merged[ONLY_SITE] = known[ONLY_SITE]
    return merged
