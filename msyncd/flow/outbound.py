"""Outbound, as a story: capture, filter, route, and what is then to be sent.

The sender reads what changed beyond a cursor, looks up what each record says now, leaves out what the other end sent
itself, finds who is to have it, and lets filters have their word. Nothing is written here; what must be noted before
the batch leaves comes back in Outgoing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from msyncd.databases.interface import Reader
from msyncd.databases.values import WRITE, Interest
from msyncd.flow.ahead import Ahead
from msyncd.flow.conversation import TypeChanges
from msyncd.flow.drafting import Draft, draft
from msyncd.flow.fold import Folded, Known
from msyncd.flow.here import Here
from msyncd.flow.ledger.fills import Fill
from msyncd.flow.ledger.held import held_keys, turned_keys
from msyncd.flow.ledger.spool import relayed, spooled
from msyncd.flow.ledger.versions import versions_of
from msyncd.flow.route import interest_of
from msyncd.flow.touched import take_touched
from msyncd.flow.values import size_of
from msyncd.flow.window import Window, read_window
from msyncd.model import Changes, Cursor, Direction, Row, Site, Value
from msyncd.plugins import Failed

MOST_BYTES = 1 << 20
"""Bytes of rows in a batch, before compression; only a family that is larger by itself may exceed it."""
MOST_ROW_BYTES = 8 << 20
"""Bytes of one row; a larger one does not leave (P13)."""
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
    size: int = 0
    """Bytes of its rows before compression."""
    came: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    left: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    """Headers that plugins route: those that come to the peer, with all their lines, and those that leave it."""

    def __len__(self) -> int:
        return sum(len(one) for one in self.types)


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
    filling: Sequence[Fill] = (),
) -> Outgoing:
    """The next batch for a peer: about `limit` records that changed beyond a cursor, whole families.

    `stopped` says which record types do not travel to this peer, and why; `include` names records to take in besides;
    `ahead` remembers from batch to batch what has gone before its turn; `filling` are fills that go on beside: of what
    they bring, the peer may have nothing yet. Where nothing of a stretch of the log is for
    the peer, the next stretch is looked at, so that `types` is empty only at the log's end.
    """
    interest = interest_of(here, peer) if here.is_primary else None
    ahead = Ahead() if ahead is None else ahead
    look = _Look(reader, here, peer, limit, interest, stopped, ahead, filling)
    place, entries = after, ahead.entries(limit)
    while True:
        out, window = look.read(place, entries, include)
        while out.size > MOST_BYTES and window.entries > 1:
            entries = window.entries // 2
            out, window = look.read(place, entries, include)
        ahead.went(window)
        if len(out) or not out.more or out.left_out or out.failed:
            return replace(out, after=after)
        place, entries, include = out.upto, min(2 * entries, MOST_ENTRIES), ()


@dataclass(slots=True)
class _Found:
    """What a stretch of the log has for the peer, as it is put together type by type; fields as in Outgoing."""

    types: list[TypeChanges] = field(default_factory=list)
    stores: set[str] = field(default_factory=set)
    left_out: list[LeftOut] = field(default_factory=list)
    failed: list[tuple[Changes, Failed]] = field(default_factory=list)
    holds: dict[str, tuple[Row, ...]] = field(default_factory=dict)
    came: dict[str, list[Row]] = field(default_factory=dict)
    left: dict[str, list[Row]] = field(default_factory=dict)
    size: int = 0

    def outgoing(self, after: Cursor, window: Window) -> Outgoing:
        return Outgoing(
            after,
            window.upto,
            window.more,
            tuple(self.types),
            frozenset(self.stores),
            tuple(self.left_out),
            tuple(self.failed),
            self.holds,
            window.entries,
            self.size,
            self.came,
            self.left,
        )


@dataclass(frozen=True, slots=True)
class _Look:
    """What stays the same while one batch is looked for, stretch by stretch."""

    reader: Reader
    here: Here
    peer: Site
    limit: int
    interest: Interest | None
    stopped: Mapping[str, str]
    ahead: Ahead
    filling: Sequence[Fill]

    def read(self, after: Cursor, entries: int, include: Sequence[tuple[str, Row]]) -> tuple[Outgoing, Window]:
        """What a stretch of about so many entries has for the peer."""
        reader, here, found = self.reader, self.here, _Found()
        window = read_window(reader, here.types, after, entries, self.limit, self.interest, self.ahead)
        _take_in(reader, here, self.peer.sync_id, window, include)
        if here.is_primary and here.plugins.implemented("touched"):
            found.failed += take_touched(reader, here, self.peer, window)
        for name in here.types.order:
            folded = window.folded.get(name)
            if folded is None or not folded.records:
                continue
            if name in self.stopped:
                found.left_out.append(LeftOut(name, len(folded.records), "schema"))
            else:
                self._add(found, window, name, folded)
        return found.outgoing(after, window), window

    def _add(self, found: _Found, window: Window, name: str, folded: Folded) -> None:
        """Draft what goes of one record type; headers that go whole put their lines into the window."""
        reader, here, peer = self.reader, self.here, self.peer
        drafted = draft(reader, here, peer, here.types.types[name], folded)
        found.left_out += _filter(here, peer, drafted)
        drafted.writes, fits, too_large = fitting(drafted.writes)
        found.size += fits
        found.failed += [*drafted.failed, *too_large]
        if self.filling:
            _take_whole(reader, here, peer.sync_id, window, drafted, self.filling)
        if here.plugins.routed_by_plugins and here.is_primary:
            found.came[name] = _take_lines_along(reader, here, peer.sync_id, window, drafted)
            found.left[name] = drafted.leaves if here.types.children[name] else []
            found.holds[name] = tuple(drafted.writes.keys)
        if len(drafted.writes) or len(drafted.deletes) or drafted.leaves:
            found.types.append(_spoken(reader, here, drafted))
            found.stores.update(store for store in drafted.writes.stores if store is not None)


def _take_in(reader: Reader, here: Here, peer: int, window: Window, include: Iterable[tuple[str, Row]]) -> None:
    """Add records that the receiver needs in this batch, such as the holder of a unique value (P16)."""
    for name, key in include:
        if name in here.types.types and _known_here(reader, here, window, name, key):
            known: Known = (here.types.ids[name], WRITE, here.site, None, None, None, None, peer, None, *key)
            window.folded.setdefault(name, Folded()).records.setdefault(tuple(key), known)


def _take_lines_along(reader: Reader, here: Here, peer: int, window: Window, header: Draft) -> list[Row]:
    """A header that a plugin sends to a site now, or no longer, takes its lines along: nobody wrote them (P10).

    The keys of those that come: a site has a header for certain only when it has the batch that brought it.
    """
    name = header.record_type.name
    if not here.types.children[name] or not (len(header.writes) or header.leaves):
        return []
    there = held_keys(reader, peer, name, header.writes.keys)
    there -= turned_keys(reader, peer, name, there, window.after) if there else set()
    came = [key for key in header.writes.keys if key not in there]
    _take_children(reader, here, peer, window, name, [key[0] for key in (*came, *header.leaves)])
    return came


def _take_whole(reader: Reader, here: Here, peer: int, window: Window, header: Draft, filling: Sequence[Fill]) -> None:
    """A header that a fill has perhaps not brought yet takes along all its lines, changed or not (P9)."""
    name, writes = header.record_type.name, header.writes
    fills = [one for one in filling if one.record_type in (None, here.types.root(name))]
    headers = [
        key[0]
        for key, store in zip(writes.keys, writes.stores, strict=True)
        if any(one.stores is None or store in one.stores for one in fills)
    ]
    _take_children(reader, here, peer, window, name, headers)


def _take_children(reader: Reader, here: Here, peer: int, window: Window, name: str, headers: Sequence[Value]) -> None:
    for child_name in here.types.children[name] if headers else ():
        child = here.types.types[child_name]
        for key in reader.children_of(child.keys_only, headers):
            known: Known = (here.types.ids[child_name], WRITE, here.site, None, None, None, None, peer, None, *key)
            window.folded.setdefault(child_name, Folded()).records.setdefault(key, known)


def _known_here(reader: Reader, here: Here, window: Window, name: str, key: Row) -> bool:
    """Whether this site can say how the record stands: what is not here may be another site's, and is not deleted.

    The primary can, unless the record only passed through it and is no longer in the spool.
    """
    record_type = here.types.types[name]
    if here.is_primary:
        return not relayed(reader, name, [key]) or bool(spooled(reader, record_type, [key]))
    return bool(reader.rows(record_type, [key])) or reader.changed_since(here.types.ids[name], key, window.after)


def _filter(here: Here, peer: Site, draft: Draft) -> list[LeftOut]:
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


def fitting(writes: Changes) -> tuple[Changes, int, list[tuple[Changes, Failed]]]:
    """The writes whose rows are not too large to be sent, their size in bytes, and the others by name (P13)."""
    size = size_of(tuple(writes.rows))
    if size <= MOST_ROW_BYTES:
        return writes, size, []
    sizes = [size_of(row) if row is not None else 0 for row in writes.rows]
    failed = []
    for at in (at for at, one in enumerate(sizes) if one > MOST_ROW_BYTES):
        reason = f"its row has {sizes[at]:,} bytes, more than the {MOST_ROW_BYTES:,} that can be sent"
        failed.append((writes, Failed("size", "send", reason, "", (at,))))
    fit = writes.select(at for at, one in enumerate(sizes) if one <= MOST_ROW_BYTES) if failed else writes
    return fit, sum(one for one in sizes if one <= MOST_ROW_BYTES), failed


def _spoken(reader: Reader, here: Here, draft: Draft) -> TypeChanges:
    record_type = draft.record_type
    bases = versions = delete_bases = None
    if record_type.edited_on == "any_site":
        numbers = versions_of(reader, record_type.name, [*draft.writes.keys, *draft.deletes.keys])
        in_order = [numbers.get(key, 0) for key in draft.writes.keys]
        bases, versions = (None, in_order) if here.is_primary else (in_order, None)
        delete_bases = None if here.is_primary else [numbers.get(key, 0) for key in draft.deletes.keys]
    return TypeChanges(
        record_type.name,
        record_type.columns,
        rows=list(draft.writes.rows),  # type: ignore[arg-type]  # writes have rows
        deletes=list(draft.deletes.keys),
        delete_stores=list(draft.deletes.stores),
        leaves=draft.leaves,
        bases=bases,
        versions=versions,
        delete_bases=delete_bases,
    )
