"""Outbound, as a story: capture, filter, route, and what is then to be sent.

The sender reads what changed beyond a cursor, looks up what each record says now, leaves out what the other end sent
itself, finds who is to have it, and lets filters have their word. Nothing is written here; what must be noted before
the batch leaves comes back in Outgoing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from msyncd.databases.interface import Interest, Reader
from msyncd.flow.conversation import TypeChanges
from msyncd.flow.fold import BEFORE, ORIGIN, PARENT, ROUTE, STORE, TARGETED, Folded, Known
from msyncd.flow.here import Here
from msyncd.flow.ledger.cleared import restored
from msyncd.flow.ledger.held import held_keys
from msyncd.flow.ledger.spool import spooled
from msyncd.flow.ledger.versions import versions_of
from msyncd.flow.route import audiences, interest_of
from msyncd.flow.window import Ahead, Window, read_window
from msyncd.model import Changes, Cursor, Direction, RecordType, Row, Site, Value
from msyncd.plugins import Failed

MOST_ENTRIES = 20_000
"""Entries of the change log that are looked at in one step."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Changes of a type that a filter, a stopped record type or a schema kept from a site: they are owed (P7)."""

    record_type: str
    count: int
    because: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is to be sent, and what must be noted durably before it leaves.

    `rejected` names rows that cannot be read or sent, with the reason; `failed` changes on which plugins raised.
    """

    after: Cursor
    upto: Cursor
    more: bool
    types: tuple[TypeChanges, ...] = ()
    stores: frozenset[str] = frozenset()
    left_out: tuple[LeftOut, ...] = ()
    failed: tuple[tuple[Changes, Failed], ...] = ()
    holds: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    entries: int = 0

    def __len__(self) -> int:
        return sum(len(one) for one in self.types)


@dataclass(slots=True)
class _Draft:
    """The changes of one record type on their way out."""

    record_type: RecordType
    writes: Changes
    deletes: Changes
    leaves: list[Row]
    failed: list[tuple[Changes, Failed]]


def read_outgoing(
    reader: Reader,
    here: Here,
    peer: Site,
    after: Cursor,
    limit: int,
    *,
    stopped: Mapping[str, str],
    include: Sequence[tuple[str, Row]] = (),
    ahead: Ahead | None = None,
) -> Outgoing:
    """The next batch for a peer: up to `limit` entries of the change log beyond a cursor, whole families.

    `stopped` says which record types do not travel to this peer, and why; `include` names records to take in besides;
    `ahead` remembers from batch to batch what has gone before its turn. Where nothing of a stretch of the log is for
    the peer, the next stretch is looked at, so that `types` is empty only at the log's end.
    """
    interest = interest_of(here, peer) if here.is_primary else None
    ahead = ahead or Ahead()
    out = _read_one(reader, here, peer, after, limit, interest, stopped, include, ahead)
    while not len(out) and out.more and not out.left_out and not out.failed:
        limit = min(2 * limit, MOST_ENTRIES)
        out = _read_one(reader, here, peer, out.upto, limit, interest, stopped, (), ahead)
    return replace(out, after=after)


def _read_one(
    reader: Reader,
    here: Here,
    peer: Site,
    after: Cursor,
    limit: int,
    interest: Interest | None,
    stopped: Mapping[str, str],
    include: Sequence[tuple[str, Row]],
    ahead: Ahead,
) -> Outgoing:
    window = read_window(reader, here.types, after, limit, interest, ahead)
    _take_in(here, window, include)
    types: list[TypeChanges] = []
    left_out: list[LeftOut] = []
    failed: list[tuple[Changes, Failed]] = []
    stores: set[str] = set()
    holds: dict[str, tuple[Row, ...]] = {}
    for name in here.types.order:
        folded = window.folded.get(name)
        if folded is None or not folded.records:
            continue
        if name in stopped:
            left_out.append(LeftOut(name, len(folded.records), "schema"))
            continue
        draft = _draft(reader, here, peer, here.types.types[name], folded)
        left_out += _filter(here, peer, draft)
        failed += draft.failed
        if here.plugins.routed_by_plugins and here.is_primary:
            holds[name] = tuple(draft.writes.keys)
        if len(draft.writes) or len(draft.deletes) or draft.leaves:
            types.append(_spoken(reader, here, draft))
            stores.update(store for store in draft.writes.stores if store is not None)
    return Outgoing(
        after,
        window.upto,
        window.more,
        tuple(types),
        frozenset(stores),
        tuple(left_out),
        tuple(failed),
        holds,
        window.entries,
    )


def _take_in(here: Here, window: Window, include: Iterable[tuple[str, Row]]) -> None:
    """Add records that the receiver needs in this batch, such as the holder of a unique value (P16)."""
    for name, key in include:
        if name in here.types.types:
            known: Known = [here.site, None, None, None, None, True]
            window.folded.setdefault(name, Folded()).records.setdefault(tuple(key), known)


def _draft(reader: Reader, here: Here, peer: Site, record_type: RecordType, folded: Folded) -> _Draft:
    records = folded.records
    if here.is_primary and record_type.edited_on != "any_site":
        # what came from that very site, and from nobody else, is there already (P12)
        records = {key: one for key, one in records.items() if one[ORIGIN] != peer.sync_id or one[TARGETED]}
    rows = reader.rows(record_type, records.keys())
    if here.is_primary and len(rows) < len(records):
        rows |= spooled(reader, record_type, [key for key in records if key not in rows])
    rows = restored(reader, record_type, rows)
    stands = [key for key in records if key in rows]
    gone = [key for key in records if key not in rows] if len(stands) < len(records) else []
    if not here.is_primary and not here.plugins.implemented("filter"):
        return _as_captured(reader, here, record_type, records, [rows[key] for key in stands], stands, gone)
    stores, routes = _places(reader, here, record_type, records, rows)
    writes = _changes(record_type, stands, [rows[key] for key in stands], stores, routes, records)
    deletes = _changes(record_type, gone, [None] * len(gone), stores, routes, records)
    if not here.is_primary:
        return _Draft(record_type, writes, deletes, [], [])
    return _routed(reader, here, peer, records, writes, deletes)


def _as_captured(
    reader: Reader,
    here: Here,
    record_type: RecordType,
    records: Mapping[Row, Known],
    rows: Sequence[Row],
    stands: Sequence[Row],
    gone: Sequence[Row],
) -> _Draft:
    """The hot path of a push that nobody filters: the stores are as they were captured, the primary finds them anew."""
    writes = Changes(record_type, stands, rows, stores=[_text(records[key][STORE]) for key in stands])
    stores, routes = _places(reader, here, record_type, {key: records[key] for key in gone}, {})
    return _Draft(record_type, writes, _changes(record_type, gone, [None] * len(gone), stores, routes, records), [], [])


def _places(
    reader: Reader, here: Here, record_type: RecordType, records: Mapping[Row, Known], rows: Mapping[Row, Row]
) -> tuple[dict[Row, str | None], dict[Row, Value]]:
    """Store and routing value of each record: by its row, else as it was captured, else by its parent (P4)."""
    stores: dict[Row, str | None] = {key: _text(known[STORE]) for key, known in records.items()}
    routes: dict[Row, Value] = {key: known[ROUTE] for key, known in records.items()}  # type: ignore[misc]  # values
    if record_type.store_column in record_type.columns:
        at = record_type.index(str(record_type.store_column))
        stores |= {key: _text(row[at]) for key, row in rows.items()}
    if record_type.also_sent_to is not None:
        at = record_type.index(record_type.also_sent_to.column)
        routes |= {key: row[at] for key, row in rows.items()}
    if record_type.through is not None:
        lacking = [key for key, store in stores.items() if store is None]
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
    for key, (store, route) in reader.stores_of(record_type, lacking).items():
        stores[key], routes[key] = store, route
    parents: dict[Row, Value] = {key: records[key][PARENT] for key in lacking if stores[key] is None}  # type: ignore[misc]  # values
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
) -> Changes:
    return Changes(
        record_type,
        keys,
        rows,
        stores=[stores[key] for key in keys],
        routes=[routes[key] for key in keys],
        stores_before=[_one_before(records[key]) for key in keys],
        origins=[records[key][ORIGIN] for key in keys],  # type: ignore[misc]  # origins are sync IDs
    )


def _routed(
    reader: Reader, here: Here, peer: Site, records: Mapping[Row, Known], writes: Changes, deletes: Changes
) -> _Draft:
    """Keep what goes to this peer; what went there before and no longer does, leaves (P11)."""
    record_type = writes.record_type
    failed: list[tuple[Changes, Failed]] = []
    to_write, failures = audiences(reader, here, writes)
    failed += [(writes, one) for one in failures]
    unroutable = {at for one in failures for at in (one.indexes or ())}
    before = _audience_before(reader, here, peer, records, record_type)
    wanted = [at for at, sites in enumerate(to_write) if peer.sync_id in sites and at not in unroutable]
    leaves = [
        writes.keys[at]
        for at, sites in enumerate(to_write)
        if peer.sync_id not in sites and at not in unroutable and writes.keys[at] in before
    ]
    to_delete, failures = audiences(reader, here, deletes)
    failed += [(deletes, one) for one in failures]
    gone = [at for at, sites in enumerate(to_delete) if peer.sync_id in sites or deletes.keys[at] in before]
    return _Draft(record_type, writes.select(wanted), deletes.select(gone), leaves, failed)


def _audience_before(
    reader: Reader, here: Here, peer: Site, records: Mapping[Row, Known], record_type: RecordType
) -> set[Row]:
    """The records that the peer may hold from before, by what routing said of them then."""
    pairs = [(key, *pair) for key, known in records.items() if known[BEFORE] for pair in known[BEFORE]]  # type: ignore[attr-defined]  # a set
    found = {key for key, known in records.items() if known[TARGETED]}
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


def _filter(here: Here, peer: Site, draft: _Draft) -> list[LeftOut]:
    """Let the filters have their word on what is to go."""
    if not here.plugins.implemented("filter"):
        return []
    direction: Direction = "pull" if here.is_primary else "push"
    left: dict[str, int] = {}
    for name in ("writes", "deletes"):
        changes: Changes = getattr(draft, name)
        if not len(changes):
            continue
        filtered = here.plugins.filter(draft.record_type, changes, peer, direction)
        setattr(draft, name, filtered.changes)
        draft.failed += [(changes, one) for one in filtered.failed]
        for plugin, count in filtered.left_out_by.items():
            left[plugin] = left.get(plugin, 0) + count
        if filtered.left_out and not filtered.left_out_by:
            left["filter"] = left.get("filter", 0) + filtered.left_out
    return [LeftOut(draft.record_type.name, count, plugin) for plugin, count in left.items()]


def _spoken(reader: Reader, here: Here, draft: _Draft) -> TypeChanges:
    record_type = draft.record_type
    bases = versions = None
    if record_type.edited_on == "any_site":
        numbers = versions_of(reader, record_type.name, draft.writes.keys)
        in_order = [numbers.get(key, 0) for key in draft.writes.keys]
        bases, versions = (None, in_order) if here.is_primary else (in_order, None)
    return TypeChanges(
        record_type.name,
        record_type.columns,
        rows=list(draft.writes.rows),  # type: ignore[arg-type]  # writes have rows
        deletes=list(draft.deletes.keys),
        delete_stores=list(draft.deletes.stores),
        leaves=draft.leaves,
        bases=bases,
        versions=versions,
    )


def _text(store: object) -> str | None:
    return store if isinstance(store, str) or store is None else str(store)


def _one_before(known: Known) -> str | None:
    pairs = known[BEFORE]
    return _text(next(iter(pairs))[0]) if pairs else None  # type: ignore[call-overload]  # a set of pairs
