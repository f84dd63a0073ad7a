"""A satellite gives its restored primary what that lost: facts, records that differ, a place in its own log (P35).

The two compare by digests, so only what differs crosses the line. Of each record that differs:

- one that this site may edit itself is logged again, and pushed as always once the primary takes changes;
- a central one, or a copy that nobody else can give, goes as it stands here; and that it does not stand here is told;
- one that any site may edit goes as it was last agreed with the primary, and what this site made of it is pushed.

Done again, after a crash or a lost reply, it finds what still differs, and gives that.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from msyncd.databases.interface import Reader
from msyncd.databases.values import Scope
from msyncd.errors import PeerRefused, TryLater
from msyncd.flow.compare.ask import Comparing, Difference
from msyncd.flow.compare.holding import compared_types, owner_of
from msyncd.flow.conversation import Asks, Give, Hello, SpokenRow, SpokenStore, Standpoint, TypeChanges, Welcome
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside, marks, meta, receipts, sites, versions
from msyncd.flow.ledger.receipts import Pulled
from msyncd.flow.link import Link, spoken_facts
from msyncd.flow.log import log_rows
from msyncd.flow.portion import standing_changes
from msyncd.flow.readable import rows_of
from msyncd.flow.welcoming import hear_facts_of
from msyncd.model import PRIMARY, START, RecordType, Row

if TYPE_CHECKING:
    from msyncd.flow.satellite import Satellite

RECORDS = 1_000
"""Records in one message."""
BYTES = 4_000_000
"""Bytes of their values, about."""
MOST_ROUNDS = 200
"""Times that a message is sent again with more records in it."""

_SHORT = 8


def give(satellite: "Satellite", asked: Welcome, asks: Asks) -> None:
    """Give all that the primary asks for. Raises PeerRefused where it cannot take it in, and what the line raises."""
    _refuse(asks)
    hello = satellite.spoken()
    welcome = satellite.peer.hello(_with_standpoint(satellite.here, hello, asked, asks))
    if welcome.asks is None:
        return  # it was opened meanwhile
    _refuse(welcome.asks)
    if not welcome.asks.heard:
        raise TryLater("the primary asks for something else now", hint="trying again")
    satellite.here, satellite.link = hear_facts_of(satellite.here, welcome)
    try:
        Giving(satellite, satellite.link, welcome, welcome.asks).run()
    finally:
        satellite.link = None  # nothing travels before the next hello


def _refuse(asks: Asks) -> None:
    if asks.problem:
        raise PeerRefused(asks.problem, hint="see docs/restore.md, on the primary")


def _with_standpoint(here: Here, hello: Hello, asked: Welcome, asks: Asks) -> Hello:
    with here.database.read() as reader:
        pulled = receipts.pulled_from(reader, PRIMARY) or Pulled()
        generation = sites.known(reader, PRIMARY).generation
    theirs = set(map(_state, asked.stores))
    stores = tuple(one for one in spoken_facts(here.facts)[0] if _state(one) not in theirs)
    standpoint = Standpoint(
        asks.asking,
        generation,
        pulled.cursor,
        pulled.mark,
        pulled.fill is not None and pulled.fill_type != "",
        here.facts.number,
        stores if here.facts.number else (),
    )
    return msgspec.structs.replace(hello, standpoint=standpoint)


def _state(one: SpokenStore) -> tuple[object, ...]:
    return one.store, one.epoch, one.active_site, one.from_site, one.to_site, one.step


@dataclass(slots=True)
class _Differing:
    """The records of one type that differ, by what becomes of them."""

    give: list[Row] = field(default_factory=list)
    lacking: list[Row] = field(default_factory=list)
    own: list[Row] = field(default_factory=list)


class Giving:
    """What one satellite gives."""

    def __init__(self, satellite: "Satellite", link: Link, welcome: Welcome, asks: Asks) -> None:
        self._satellite, self._link, self._asks = satellite, link, asks
        here = satellite.here
        with here.database.read() as reader:
            known = sites.known(reader, PRIMARY)
            mark = welcome.pushed_mark
            # what the primary had received of this site and has no more
            self._lost = not marks.knows(reader, PRIMARY, mark) if mark else known.confirmed != START
        self._rounds = 0

    def run(self) -> None:
        """Compare, log what is to be pushed, give the rest, and say that it is all."""
        here = self._satellite.here
        compared = compared_types(here, self._link.stopped)
        lacking: dict[str, list[Row]] = {}
        for name in compared:
            record_type = here.types.types[name]
            gone = lacking[name] = []
            comparing = Comparing(self._satellite, record_type, partial(self._deal_with, record_type, gone))
            for _ in comparing.steps():
                pass
            self._deal_with(record_type, gone, comparing)
        self._log_uncompared({*here.types.order} - {*compared})
        for name in reversed(compared):  # lines before their headers
            for at in range(0, len(lacking[name]), RECORDS):
                columns = here.types.types[name].key
                some: list[SpokenRow] = list(lacking[name][at : at + RECORDS])
                self._give([TypeChanges(name, columns, deletes=some, delete_stores=[None] * len(some))])
        self._say_done()

    def _deal_with(self, record_type: RecordType, lacking: list[Row], comparing: Comparing) -> None:
        """Log or give what was found to differ so far; what is not here is told when all else is given."""
        found = self._sorted(record_type, comparing.found.differing)
        comparing.found.differing = {}
        here = self._satellite.here
        if found.own:  # pushed again: it lies behind what was pushed
            with here.database.write() as writer:
                log_rows(writer, here, record_type, found.own)
        if self._asks.records:
            for portion in self._portions(record_type, found.give):
                self._give([portion])
            lacking += found.lacking

    # --- what becomes of each -----------------------------------------------------------------------------------------

    def _sorted(self, record_type: RecordType, differing: Mapping[Row, Difference]) -> _Differing:
        here, found = self._satellite.here, _Differing()
        with here.database.read() as reader:
            stores = reader.stores_of(record_type, differing.keys()) if record_type.store is not None else {}
            kept = _kept_aside(reader, record_type.name)
            nowhere = [key for key, one in differing.items() if one.here is None]
            unreadable = reader.rows(record_type.keys_only, nowhere)  # they stand here, whatever they hold
            agreed = versions.agreed_of(reader, record_type.name, differing.keys())
            rows = reader.rows(record_type, differing.keys()) if record_type.edited_on == "any_site" else {}
        for key, one in differing.items():
            owner = owner_of(here, record_type, stores.get(key, (None, None))[0]) if one.here else one.owner
            if record_type.edited_on == "any_site":
                was = agreed.get(key)
                settled = was is not None and was.row is not None and was.columns == record_type.columns
                if settled:
                    found.give.append(key)
                if not settled or was is None or rows.get(key) != was.row:
                    found.own.append(key)
            elif record_type.edited_on == "active_site" and here.site in (owner, one.owner):
                found.own.append(key)
            elif one.here is not None:
                found.give.append(key)
            elif key not in kept and key not in unreadable:
                found.lacking.append(key)
        return found

    def _log_uncompared(self, names: Collection[str]) -> None:
        """Of types that go to the primary alone, or are stopped there and owed from now on: all that is this site's."""
        here = self._satellite.here
        if not self._lost:
            return
        with here.database.write() as writer:
            for name in here.types.order:
                record_type = here.types.types[name]
                if name in names and record_type.edited_on != "primary":
                    own = here.facts.stores_at(here.site)
                    scope = Scope(frozenset(own)) if record_type.edited_on == "active_site" else Scope()
                    writer.log_all(here.types.ids[name], record_type, here.site, scope)

    # --- what crosses the line ----------------------------------------------------------------------------------------

    def _portions(self, record_type: RecordType, keys: Sequence[Row]) -> Iterator[TypeChanges]:
        theirs = {name.casefold() for name in self._link.spoken[record_type.name].columns}
        columns = tuple(name for name in record_type.columns if name.casefold() in theirs)
        places = [record_type.index(name) for name in columns]
        for at in range(0, len(keys), RECORDS):
            rows: list[SpokenRow] = []
            numbers: list[int] = []
            size = 0
            for row, number in self._rows(record_type, keys[at : at + RECORDS]):
                values = tuple(row[place] for place in places)
                length = sum(len(one) if isinstance(one, str | bytes) else _SHORT for one in values)
                if rows and size + length > BYTES:
                    yield _changes(record_type, columns, rows, numbers)
                    rows, numbers, size = [], [], 0
                rows.append(values)
                numbers.append(number)
                size += length
            if rows:
                yield _changes(record_type, columns, rows, numbers)

    def _rows(self, record_type: RecordType, keys: Sequence[Row]) -> Iterator[tuple[Row, int]]:
        """Each record as it is to stand at the primary, with the number of its version, 0 for none."""
        here = self._satellite.here
        with here.database.read() as reader:
            if record_type.edited_on == "any_site":
                agreed = versions.agreed_of(reader, record_type.name, keys).values()
                return iter([(one.row, one.version) for one in agreed if one.row is not None])
            rows, _ = rows_of(reader, record_type, keys)
            changes = standing_changes(reader, here, record_type, list(rows.values()))
        return iter([(row, 0) for row in changes.rows if row is not None])

    def _give(self, types: Sequence[TypeChanges]) -> None:
        """Send some records; with more of them, where they hold unique values in the way of these."""
        here = self._satellite.here
        while True:
            reply = self._satellite.peer.give(self._message(types=tuple(types)))
            if not reply.needs:
                return
            self._rounds += 1
            if self._rounds > MOST_ROUNDS:
                raise TryLater("the primary keeps asking for more records", hint="see its log")
            wanted: dict[str, list[Row]] = {}
            for name, key in reply.needs:
                wanted.setdefault(name, []).append(tuple(key))
            more = {one.type: one for one in types}
            for name, keys in wanted.items():
                for one in self._portions(here.types.types[name], keys):
                    more[name] = _joined(more[name], one) if name in more else one
            types = [more[name] for name in here.types.order if name in more]

    def _say_done(self) -> None:
        here = self._satellite.here
        with here.database.read() as reader:
            known = sites.known(reader, PRIMARY)
            mark = marks.confirmed(reader, PRIMARY) if self._lost else ""
        self._satellite.peer.give(
            self._message(
                done=True,
                pushed=known.confirmed if self._lost else None,
                pushed_mark=mark,
                heard=known.heard,
            )
        )

    def _message(self, **more: object) -> Give:
        here = self._satellite.here
        with here.database.read() as reader:
            database_id, generation = meta.get(reader, "database_id") or "", meta.generation(reader)
        message = Give(
            self._asks.asking, database_id, generation, here.facts.number, installation_id=here.installation_id
        )
        return msgspec.structs.replace(message, **more)


def _changes(
    record_type: RecordType, columns: tuple[str, ...], rows: list[SpokenRow], numbers: list[int]
) -> TypeChanges:
    versioned = record_type.edited_on == "any_site"
    return TypeChanges(record_type.name, columns, rows=rows, versions=numbers if versioned else None)


def _joined(one: TypeChanges, other: TypeChanges) -> TypeChanges:
    """Both, each record once."""
    there = set(one.rows)
    more = [at for at, row in enumerate(other.rows) if row not in there]
    numbers = None
    if one.versions is not None and other.versions is not None:
        numbers = [*one.versions, *(other.versions[at] for at in more)]
    return msgspec.structs.replace(one, rows=[*one.rows, *(other.rows[at] for at in more)], versions=numbers)


def _kept_aside(reader: Reader, name: str) -> set[Row]:
    """Records of a type that the primary had sent, and that wait or are in quarantine here: they are not deleted."""
    kept = [*aside.waiting(reader), *aside.quarantined(reader)]
    return {one.key for one in kept if one.record_type == name}
