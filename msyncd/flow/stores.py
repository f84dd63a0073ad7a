"""Whose is it: the store and routing value of each record that arrives, and of what stands here under its key."""

from collections.abc import Sequence

from msyncd.databases.interface import Reader
from msyncd.flow.here import Here
from msyncd.flow.ledger import spool
from msyncd.flow.receive import Batchwork, Work
from msyncd.model import Changes, RecordType, Row, Value

Place = tuple[str | None, Value]
"""Store and routing value."""


def find_stores(reader: Reader, here: Here, work: Batchwork) -> None:
    """Note in the work the stores of all changes, parents first, since a line's is its header's."""
    relays = here.is_primary and spool.relays_any(reader)
    for one in work.values():
        record_type = one.record_type
        if record_type.store is None and record_type.also_sent_to is None:
            continue
        if here.is_primary:
            one.stands = _standing(reader, record_type, [*one.writes.keys, *one.deletes.keys], relays)
            one.above = _above(reader, record_type, one.deletes.keys, relays)
        places = _arriving(reader, here, work, one, relays)
        one.writes = _placed(one.writes, places, one)
        sent = one.deletes.stores
        gone: list[Place] = [
            one.stands.get(key, (store, None))  # type: ignore[misc]  # a place
            for key, store in zip(one.deletes.keys, sent, strict=True)
        ]
        one.deletes = _placed(one.deletes, gone, one)


def _standing(
    reader: Reader, record_type: RecordType, keys: Sequence[Row], relays: bool
) -> dict[Row, tuple[str | None, object]]:
    stands: dict[Row, tuple[str | None, object]] = dict(reader.stores_of(record_type, keys))
    if relays and len(stands) < len(keys):
        lacking = [key for key in keys if key not in stands]
        stands |= {key: (one.store, one.route) for key, one in spool.relayed(reader, record_type.name, lacking).items()}
    return stands


def _above(reader: Reader, record_type: RecordType, keys: Sequence[Row], relays: bool) -> dict[Row, Value]:
    """The headers of lines by which they are found in the log, so that a deleted family is sent on as one (P9)."""
    through = record_type.through
    if through is None or not keys:
        return {}
    at = record_type.index(through.column)
    above = {key: row[at] for key, row in reader.rows(record_type, keys).items()}
    if relays and (lacking := [key for key in keys if key not in above]):
        above |= {key: one.parent for key, one in spool.relayed(reader, record_type.name, lacking).items()}
    return above


def _arriving(reader: Reader, here: Here, work: Batchwork, one: Work, relays: bool) -> list[Place]:
    record_type, rows = one.record_type, one.writes.rows
    through = record_type.through
    if through is None:
        stores = _column(one.writes, record_type.store_column)
        routes = _column(one.writes, record_type.also_sent_to.column if record_type.also_sent_to else None)
        return [(_text(store), route) for store, route in zip(stores, routes, strict=True)]
    at = record_type.index(through.column)
    parents = {row[at] for row in rows if row is not None}
    places = parent_places(reader, here, work, through.parent, parents, relays)
    nowhere: Place = (None, None)
    return [places.get(row[at], nowhere) if row is not None else nowhere for row in rows]


def parent_places(
    reader: Reader, here: Here, work: Batchwork, parent: str, keys: set[Value], relays: bool
) -> dict[Value, Place]:
    """Store and routing value of parents by key: in this very batch, here, or relayed."""
    places: dict[Value, Place] = {}
    arriving = work.get(parent)
    if arriving is not None:
        writes = arriving.writes
        places = {
            key[0]: (store, route)
            for key, store, route in zip(writes.keys, writes.stores, writes.routes, strict=True)
            if key[0] in keys
        }
    lacking = [(key,) for key in keys if key not in places and key is not None]
    if lacking:
        found = _standing(reader, here.types.types[parent], lacking, relays)
        places |= {key[0]: place for key, place in found.items()}  # type: ignore[misc]  # a place
    return places


def _column(changes: Changes, name: str | None) -> Sequence[Value]:
    return changes.column(name) if name in changes.record_type.columns and name else [None] * len(changes)


def _placed(changes: Changes, places: Sequence[Place], one: Work) -> Changes:
    stores = [place[0] for place in places]
    before: Sequence[str | None] | None = None
    if one.stands:
        was = [one.stands.get(key) for key in changes.keys]
        before = [
            place[0] if place is not None and place[0] != store else None
            for place, store in zip(was, stores, strict=True)
        ]
    return Changes(
        changes.record_type,
        changes.keys,
        changes.rows,
        operations=changes.operations,
        stores=stores,
        stores_before=before,
        origins=changes.origins,
        routes=[place[1] for place in places],
    )


def _text(store: Value) -> str | None:
    return store if isinstance(store, str) or store is None else str(store)
