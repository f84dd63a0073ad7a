"""A draft of what goes to a peer: each changed record looked up as it stands now, and who is to have it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msyncd.databases.interface import Reader, RowRejected
from msyncd.databases.values import DELETE, ONLY_SITE, OPERATION, ORIGIN, PARENT, ROUTE, STORE
from msyncd.flow.fold import Audiences, Folded, Known
from msyncd.flow.here import Here
from msyncd.flow.ledger.cleared import restored
from msyncd.flow.ledger.held import held_keys
from msyncd.flow.ledger.spool import relayed, spooled
from msyncd.flow.readable import failures, rows_of
from msyncd.flow.route import audiences
from msyncd.model import Changes, RecordType, Row, Site, Value
from msyncd.plugins import Failed


@dataclass(slots=True)
class Draft:
    """The changes of one record type on their way out."""

    record_type: RecordType
    writes: Changes
    deletes: Changes
    leaves: list[Row]
    failed: list[tuple[Changes, Failed]]


def draft(reader: Reader, here: Here, peer: Site, record_type: RecordType, folded: Folded) -> Draft:
    """The changes of one type for a peer, as the table says now (P1)."""
    records = folded.records
    if here.is_primary and record_type.edited_on != "any_site":
        # what came from that very site, and from nobody else, is there already (P12)
        mine = peer.sync_id
        records = {key: one for key, one in records.items() if one[ORIGIN] != mine or one[ONLY_SITE] is not None}
    rows, unreadable = rows_of(reader, record_type, records.keys())
    if unreadable:
        records = {key: one for key, one in records.items() if key not in unreadable}
    if here.is_primary and len(rows) < len(records):
        rows |= spooled(reader, record_type, [key for key in records if key not in rows])
    rows = restored(reader, record_type, rows)
    gone = [key for key in records if key not in rows] if len(rows) < len(records) else []
    if not here.is_primary and not here.plugins.implemented("filter"):
        return _as_captured(reader, here, record_type, records, rows, gone, unreadable)
    stores, routes = _places(reader, here, record_type, records, rows)
    writes = _changes(record_type, list(rows), list(rows.values()), stores, routes, records, folded.before)
    deletes = _changes(record_type, gone, [None] * len(gone), stores, routes, records, folded.before)
    if not here.is_primary:
        return Draft(record_type, writes, deletes, [], failures(record_type, unreadable))
    routed = _routed(reader, here, peer, records, folded.before, writes, deletes)
    routed.failed += failures(record_type, unreadable)
    return routed


def _as_captured(
    reader: Reader,
    here: Here,
    record_type: RecordType,
    records: Mapping[Row, Known],
    rows: Mapping[Row, Row],
    gone: Sequence[Row],
    unreadable: Mapping[Row, RowRejected],
) -> Draft:
    """The hot path of a push that nobody filters: the stores are as they were captured, the primary finds them anew."""
    stores = [records[key][STORE] if key in records else None for key in rows]
    writes = Changes(record_type, list(rows), list(rows.values()), stores=stores)
    gone_stores, routes = _places(reader, here, record_type, {key: records[key] for key in gone}, {})
    deletes = _changes(record_type, gone, [None] * len(gone), gone_stores, routes, records, {})
    return Draft(record_type, writes, deletes, [], failures(record_type, unreadable))


def _places(
    reader: Reader, here: Here, record_type: RecordType, records: Mapping[Row, Known], rows: Mapping[Row, Row]
) -> tuple[dict[Row, str | None], dict[Row, Value]]:
    """Store and routing value of each record: by its row, else as it was captured, else by its parent (P4)."""
    stores: dict[Row, str | None] = {key: _text(known[STORE]) for key, known in records.items()}
    routes: dict[Row, Value] = {key: known[ROUTE] for key, known in records.items()}
    if record_type.store_column in record_type.columns:
        at = record_type.index(str(record_type.store_column))
        stores |= {key: _text(row[at]) for key, row in rows.items()}
    if record_type.also_sent_to is not None:
        at = record_type.index(record_type.also_sent_to.column)
        routes |= {key: row[at] for key, row in rows.items()}
    if record_type.through is not None:
        # a line that was deleted and stands again may have another header's place now
        lacking = [
            key for key, known in records.items() if stores[key] is None or (known[OPERATION] == DELETE and key in rows)
        ]
        if lacking:
            _by_parent(reader, here, record_type, lacking, records, stores, routes)
    return stores, routes


def _by_parent(
    reader: Reader,
    here: Here,
    record_type: RecordType,
    lacking: Sequence[Row],
    records: Mapping[Row, Known],
    stores: dict[Row, str | None],
    routes: dict[Row, Value],
) -> None:
    assert record_type.through is not None
    found = reader.stores_of(record_type, lacking)
    for key, (store, route) in found.items():
        stores[key], routes[key] = store, route
    if here.is_primary and len(found) < len(lacking):
        for key, one in relayed(reader, record_type.name, [key for key in lacking if key not in found]).items():
            stores[key], routes[key] = one.store, one.route
    parents: dict[Row, Value] = {key: records[key][PARENT] for key in lacking if stores[key] is None}
    gone = reader.deleted_parents(here.types.ids[record_type.through.parent], set(parents.values()))
    for key, parent in parents.items():
        if parent in gone:
            stores[key], routes[key] = _text(gone[parent][0]), gone[parent][1]


def _changes(
    record_type: RecordType,
    keys: Sequence[Row],
    rows: Sequence[Row | None],
    stores: Mapping[Row, str | None],
    routes: Mapping[Row, Value],
    records: Mapping[Row, Known],
    before: Mapping[Row, Audiences],
) -> Changes:
    return Changes(
        record_type,
        keys,
        rows,
        stores=[stores[key] for key in keys],
        routes=[routes[key] for key in keys],
        stores_before=[_one_before(before.get(key)) for key in keys] if before else None,
        origins=[records[key][ORIGIN] for key in keys],
    )


def _routed(
    reader: Reader,
    here: Here,
    peer: Site,
    records: Mapping[Row, Known],
    earlier: Mapping[Row, Audiences],
    writes: Changes,
    deletes: Changes,
) -> Draft:
    """Keep what goes to this peer; what went there before and no longer does, leaves (P11)."""
    record_type = writes.record_type
    failed: list[tuple[Changes, Failed]] = []
    to_write, failures = audiences(reader, here, writes)
    failed += [(writes, one) for one in failures]
    unroutable = {at for one in failures for at in (one.indexes or ())}
    before = _audience_before(reader, here, peer, records, _moved(reader, here, records, earlier, writes), record_type)
    wanted = [at for at, sites in enumerate(to_write) if peer.sync_id in sites and at not in unroutable]
    leaves = [
        writes.keys[at]
        for at, sites in enumerate(to_write)
        if peer.sync_id not in sites and at not in unroutable and writes.keys[at] in before
    ]
    to_delete, failures = audiences(reader, here, deletes)
    failed += [(deletes, one) for one in failures]
    gone = [at for at, sites in enumerate(to_delete) if peer.sync_id in sites or deletes.keys[at] in before]
    return Draft(record_type, writes.select(wanted), deletes.select(gone), leaves, failed)


def _moved(
    reader: Reader, here: Here, records: Mapping[Row, Known], earlier: Mapping[Row, Audiences], writes: Changes
) -> Mapping[Row, Audiences]:
    """Who had the records earlier, also by where they were when an entry was made of them.

    A record that was deleted and made anew elsewhere has an entry for each place; a site is shown only its own.
    """
    logged = [(one[STORE], one[ROUTE]) for one in map(records.__getitem__, writes.keys)]
    if logged == list(zip(writes.stores, writes.routes, strict=True)):
        return earlier
    through = writes.record_type.through
    moved: dict[Row, Audiences] = {
        key: {(records[key][STORE], records[key][ROUTE])}
        for key, store, route in zip(writes.keys, writes.stores, writes.routes, strict=True)
        if (_text(records[key][STORE]), records[key][ROUTE]) != (store, route)
    }
    # deleted with its header: where it was stands in the header's own entry (P4)
    parents = {key: records[key][PARENT] for key in moved if records[key][STORE] is None} if through else {}
    if through and parents:
        gone = reader.deleted_parents(here.types.ids[through.parent], set(parents.values()))
        moved |= {key: {gone[parent]} for key, parent in parents.items() if parent in gone}
    return {key: earlier.get(key, set()) | moved.get(key, set()) for key in {*earlier, *moved}} if moved else earlier


def _audience_before(
    reader: Reader,
    here: Here,
    peer: Site,
    records: Mapping[Row, Known],
    earlier: Mapping[Row, Audiences],
    record_type: RecordType,
) -> set[Row]:
    """The records that the peer may hold from before, by what routing said of them then."""
    pairs = [(key, *pair) for key, several in earlier.items() if key in records for pair in several]
    found = {key for key, known in records.items() if known[ONLY_SITE] is not None}
    if pairs:
        was = Changes(
            record_type,
            [pair[0] for pair in pairs],
            [None] * len(pairs),
            stores=[_text(pair[1]) for pair in pairs],
            routes=[pair[2] for pair in pairs],
        )
        sets, _ = audiences(reader, here, was)
        found |= {key for key, sites in zip(was.keys, sets, strict=True) if peer.sync_id in sites}
    if here.plugins.routed_by_plugins:
        found |= held_keys(reader, peer.sync_id, record_type.name, records.keys())
    return found


def _text(store: object) -> str | None:
    return store if isinstance(store, str) or store is None else str(store)


def _one_before(pairs: Audiences | None) -> str | None:
    return _text(next(iter(pairs))[0]) if pairs else None
