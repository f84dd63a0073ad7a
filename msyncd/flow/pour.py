"""A piece of a fill at the site that is filled: what it brings, and what leaves because it does not bring it."""

from collections.abc import Mapping

from msyncd.databases.interface import Reader, Scope
from msyncd.flow.conversation import Piece
from msyncd.flow.here import Here
from msyncd.flow.joining import TRUSTED
from msyncd.flow.ledger import aside, meta
from msyncd.flow.receive import Batchwork, Work, not_agreed, received
from msyncd.flow.route import routing_values
from msyncd.model import PRIMARY, Changes, Cursor, RecordType, Row

PAGE = 2000
"""Rows looked at in one step when searching what is to leave."""


def work_of_piece(reader: Reader, here: Here, piece: Piece, pushed: Cursor, stopped: Mapping[str, str]) -> Batchwork:
    """The work that a piece makes here. What this site itself may edit is only added to, never replaced or removed.

    Raises FactsChanged for a record type that was not agreed at hello.
    """
    if piece.type and (piece.type not in here.types.types or piece.type in stopped):
        raise not_agreed(piece.type)
    work = received(here.types, piece.types, PRIMARY, stopped)
    for name in (piece.type, *here.types.descendants(piece.type)) if piece.type else ():
        if name in stopped or name not in here.types.types:
            continue
        record_type = here.types.types[name]
        if name not in work:
            empty = Changes(record_type, [], [])
            work[name] = Work(record_type, empty, empty)
    if piece.type in here.types.types:
        _leave(reader, here, piece, work)
        for name, one in work.items():
            _spare_own(reader, here, name, one, pushed)
            if piece.family is not None or piece.stores is not None:
                _spare_relayed(reader, here, one)
    return {name: work[name] for name in here.types.order if name in work and len(work[name])}


def _leave(reader: Reader, here: Here, piece: Piece, work: Batchwork) -> None:
    """Find what stands here in the piece's range and did not come with it; its lines go with it."""
    root = here.types.types[piece.type]
    scope = Scope(None if piece.stores is None else frozenset(piece.stores))
    brought = set(work[root.name].writes.keys)
    after = tuple(piece.after) if piece.after is not None else None
    upto = tuple(piece.upto) if piece.upto is not None else None
    stand: list[Row] = []
    while rows := reader.page(root, after, PAGE, scope, upto):
        keys = [root.key_of(row) for row in rows]
        stand += keys
        after = keys[-1]
    gone = [key for key in stand if key not in brought]
    work[root.name].leaves += gone
    _leave_lines(reader, here, root, stand, work)


def _leave_lines(reader: Reader, here: Here, parent: RecordType, parents: list[Row], work: Batchwork) -> None:
    for name in here.types.children[parent.name]:
        if name not in work:
            continue
        child = here.types.types[name]
        brought = set(work[name].writes.keys)
        keys = [child.key_of(row) for row in reader.children_of(child, [key[0] for key in parents])]
        work[name].leaves += [key for key in keys if key not in brought]
        _leave_lines(reader, here, child, keys, work)


def _spare_own(reader: Reader, here: Here, name: str, one: Work, pushed: Cursor) -> None:
    """Take out what is this site's to decide: its own stores' records, unsent changes, what is kept aside.

    What the application writes from here on is unsent, and is spared under the lock (see conflict.keep_unsent).
    """
    record_type = one.record_type
    spared = reader.log_keys(pushed, here.types.ids[name], here.site)
    spared |= {record[1] for record in aside.kept_headers(reader, here.site) if record[0] == name}
    if record_type.edited_on == "active_site" and name not in (meta.get(reader, TRUSTED) or "").split("\n"):
        keys = [*one.writes.keys, *one.leaves]
        stores = reader.stores_of(record_type, keys)
        spared |= {key for key, (store, _) in stores.items() if here.facts.active_site(store) == here.site}
    one.writes = one.writes.select(at for at, key in enumerate(one.writes.keys) if key not in spared)
    one.leaves = [key for key in one.leaves if key not in spared]


def _spare_relayed(reader: Reader, here: Here, one: Work) -> None:
    """What only passes through the primary comes by the log alone: that no piece brings it does not make it leave.

    A fill that begins anew is another matter: the primary asks for all of these stores again (see begin_anew).
    """
    if one.record_type.sent_to != "sites_of_store" or not one.leaves:
        return
    mine, primary = routing_values(here, here.peer(here.site)), here.peer(PRIMARY)
    stays = {
        key
        for key, (store, route) in reader.stores_of(one.record_type, one.leaves).items()
        if store is not None
        and not (here.facts.active_site(store) == PRIMARY or primary.holds_copy(store))
        and (here.holds(store) or route in mine)
    }
    one.leaves = [key for key in one.leaves if key not in stays]
