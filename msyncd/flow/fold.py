"""Folding: many entries of the change log become one change per record."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from msyncd.databases.interface import KEY, Entry
from msyncd.model import Row, Value

SEVERAL = 0
"""The origin of a record that more than one site wrote."""

# What is known of one folded record, as a list that grows in place (thousands are made for a batch):
# [origin or SEVERAL, store, routing value, parent, earlier (store, routing value) pairs or None, targeted]
ORIGIN, STORE, ROUTE, PARENT, BEFORE, TARGETED = range(6)
Known = list[object]


@dataclass(slots=True)
class Folded:
    """The records of one type that changed, each once, in the order of their first entry."""

    records: dict[Row, Known] = field(default_factory=dict)

    def column(self, at: int) -> list[object]:
        """One thing that is known, of every record."""
        return [known[at] for known in self.records.values()]


def fold(entries: Iterable[Entry], widths: Mapping[int, int]) -> dict[int, Folded]:
    """Fold entries by record type. `widths` gives the number of key columns of each type; others are passed over.

    The logged operation is not even looked at: what is sent is what the table says when the row is read (P1).
    """
    folded: dict[int, dict[Row, Known]] = {type_id: {} for type_id in widths}
    for entry in entries:
        type_id, _, origin, store, store_before, route, route_before, only_site, parent = entry[:KEY]
        if type_id not in folded:
            continue
        key = entry[KEY : KEY + widths[type_id]]
        records = folded[type_id]
        known = records.get(key)
        if known is None:
            known = records[key] = [origin, store, route, parent, None, only_site is not None]
        else:
            if known[ORIGIN] != origin:
                known[ORIGIN] = SEVERAL
            if (known[STORE], known[ROUTE]) != (store, route):
                _before(known, known[STORE], known[ROUTE])  # type: ignore[arg-type]  # they are values
                if store is not None or parent is None:
                    known[STORE] = store
                known[ROUTE] = route
            if parent is not None:
                known[PARENT] = parent
            known[TARGETED] = known[TARGETED] or only_site is not None
        if store_before is not None or route_before is not None:
            _before(
                known,
                store if store_before is None else store_before,
                route if route_before is None else route_before,
            )
    return {type_id: Folded(records) for type_id, records in folded.items() if records}


def _before(known: Known, store: Value, route: Value) -> None:
    """Note an audience that the record had."""
    pairs = known[BEFORE]
    if pairs is None:
        pairs = known[BEFORE] = set()
    assert isinstance(pairs, set)
    pairs.add((store, route))
