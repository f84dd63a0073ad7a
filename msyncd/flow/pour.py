"""A piece of a fill at the site that is filled: what it brings, and what leaves because it does not bring it.

However much stands here in the piece's range, one transaction looks at some pages of it and no more: as long as there
is more to leave than that, it leaves first, in transactions that move no cursor. Who is killed between them asks for
the piece again, and finds less to leave.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from msyncd.databases.interface import Reader
from msyncd.databases.values import Scope
from msyncd.flow.conversation import Piece
from msyncd.flow.fill import scope_of_stores
from msyncd.flow.here import Here
from msyncd.flow.joining import TRUSTED
from msyncd.flow.ledger import aside, meta
from msyncd.flow.receive import Batchwork, Work, not_agreed, received
from msyncd.flow.route import routing_values
from msyncd.model import PRIMARY, Changes, Cursor, RecordType, Row

PAGE = 1000
"""Rows looked at in one step when searching what is to leave."""
MOST_LEAVES = 5000
"""Records that leave in one transaction, about; only a family that is larger by itself exceeds it."""


@dataclass(frozen=True, slots=True)
class Poured:
    """The work of one transaction. `left` not None: it only lets go of what is beyond the piece up to this key."""

    work: Batchwork
    left: Row | None = None


def work_of_piece(
    reader: Reader, here: Here, piece: Piece, pushed: Cursor, stopped: Mapping[str, str], left: Row | None = None
) -> Poured:
    """The work that a piece makes here. What this site itself may edit is only added to, never replaced or removed.

    `left`: up to which key it was already seen what leaves. Raises FactsChanged for a record type that was not agreed
    at hello.
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
    upto = None
    if piece.type in here.types.types:
        own = _Own(reader, here, piece, pushed)
        leaving = _Leaving(reader, here, piece, work)
        upto = leaving.find(left)
        if upto is None:
            leaving.keep_brought()
        for name, one in work.items():
            one.writes = own.without(one.record_type, one.writes) if upto is None else one.writes.select(())
            one.leaves += own.leaving(one.record_type, leaving.found.get(name, []))
    return Poured({name: work[name] for name in here.types.order if name in work and len(work[name])}, upto)


class _Leaving:
    """What stands here in a piece's range and did not come with it; its lines go with it."""

    def __init__(self, reader: Reader, here: Here, piece: Piece, work: Batchwork) -> None:
        self._reader, self._here, self._piece, self._work = reader, here, piece, work
        self._types = here.types
        self._root = here.types.types[piece.type]
        self._brought = {name: set(one.writes.keys) for name, one in work.items()}
        self.found: dict[str, list[Row]] = {}

    def find(self, after: Row | None) -> Row | None:
        """Look through the range behind a key; the key at which enough was found for now, None at the range's end.

        What is found are whole families: a line that the piece brings under another header leaves with its old one,
        unless the piece is written in the same transaction (see keep_brought).
        """
        piece, root = self._piece, self._root
        scope = Scope() if piece.stores is None else scope_of_stores(self._here, piece.stores)
        place = after or (tuple(piece.after) if piece.after is not None else None)
        upto = tuple(piece.upto) if piece.upto is not None else None
        while keys := self._reader.page(root.keys_only, place, PAGE, scope, upto):
            gone = [key for key in keys if key not in self._brought[root.name]]
            some = gone
            while not self._leave(root, some, alone=len(some) <= 1):
                some = some[: len(some) // 2]
            if len(some) < len(gone):
                return some[-1]
            place = keys[-1]
            if len(keys) < PAGE:
                break
            if sum(map(len, self.found.values())) >= MOST_LEAVES:
                return place
        return None

    def keep_brought(self) -> None:
        """The piece is written now: what it brings stays, and lines leave that did not come with headers that did."""
        root = self._root
        for name, keys in self.found.items():
            self.found[name] = [key for key in keys if key not in self._brought[name]]
        if self._types.children[root.name]:
            stand = self._reader.existing(root.table, root.key, self._brought[root.name])
            lines: dict[str, list[Row]] = {}
            self._lines(root, stand, lines, None)
            for name, keys in lines.items():
                self.found.setdefault(name, []).extend(key for key in keys if key not in self._brought[name])

    def _leave(self, root: RecordType, keys: list[Row], *, alone: bool) -> bool:
        """Note that these roots leave with their lines; False, with nothing noted, if those are too many at once."""
        lines: dict[str, list[Row]] = {root.name: keys}
        if not self._lines(root, keys, lines, None if alone else MOST_LEAVES):
            return False
        for name, some in lines.items():
            self.found.setdefault(name, []).extend(some)
        return True

    def _lines(
        self, parent: RecordType, parents: Collection[Row], into: dict[str, list[Row]], most: int | None
    ) -> bool:
        """Add the keys of all lines of these parents; False as soon as they are too many."""
        for name in self._types.children[parent.name] if parents else ():
            if name not in self._work:
                continue
            child = self._types.types[name]
            limit = None if most is None else most + 1
            keys = self._reader.children_of(child.keys_only, [key[0] for key in parents], limit)
            if most is not None and len(keys) > most:
                return False
            into.setdefault(name, []).extend(keys)
            if not self._lines(child, keys, into, most):
                return False
        return True


class _Own:
    """What is this site's to decide: its own stores' records, unsent changes, what is kept aside.

    What the application writes from here on is unsent, and is spared under the lock (see conflict.keep_unsent).
    """

    def __init__(self, reader: Reader, here: Here, piece: Piece, pushed: Cursor) -> None:
        self._reader, self._here, self._piece, self._pushed = reader, here, piece, pushed
        self._kept = aside.kept_headers(reader, here.site)
        self._trusted = (meta.get(reader, TRUSTED) or "").split("\n")
        self._unsent: dict[str, set[Row]] = {}

    def without(self, record_type: RecordType, writes: Changes) -> Changes:
        """What comes, but what is this site's to decide."""
        spared = self._spared(record_type, writes.keys)
        return writes.select(at for at, key in enumerate(writes.keys) if key not in spared) if spared else writes

    def leaving(self, record_type: RecordType, keys: Collection[Row]) -> list[Row]:
        """Those of these keys that may leave."""
        spared = self._spared(record_type, keys)
        keys = [key for key in keys if key not in spared]
        if self._piece.family is not None or self._piece.stores is not None:
            return self._without_relayed(record_type, keys)
        return keys

    def _spared(self, record_type: RecordType, keys: Collection[Row]) -> set[Row]:
        name, here = record_type.name, self._here
        if name not in self._unsent:
            self._unsent[name] = self._reader.log_keys(self._pushed, here.types.ids[name], here.site)
        spared = {key for key in keys if key in self._unsent[name] or (name, key) in self._kept}
        if record_type.edited_on == "active_site" and name not in self._trusted:
            stores = self._reader.stores_of(record_type, keys)
            spared |= {key for key, (store, _) in stores.items() if here.facts.active_site(store) == here.site}
        return spared

    def _without_relayed(self, record_type: RecordType, keys: list[Row]) -> list[Row]:
        """What only passes through the primary comes by the log alone: no piece brings it, so it does not leave.

        A fill that begins anew is another matter: the primary asks for all of these stores again (see begin_anew).
        """
        if record_type.sent_to != "sites_of_store" or not keys:
            return keys
        here = self._here
        mine = routing_values(here, here.peer(here.site))
        stays = {
            key
            for key, (store, route) in self._reader.stores_of(record_type, keys).items()
            if store is not None and not here.facts.holds(PRIMARY, store) and (here.holds(store) or route in mine)
        }
        return [key for key in keys if key not in stays]
