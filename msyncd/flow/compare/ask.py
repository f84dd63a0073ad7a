"""A satellite compares with its primary: by ranges of keys, then by smaller ones, then record by record.

Ranges whose digests are equal cost a few bytes for thousands of records. What seems to differ may only be on its way,
so it is looked at again once both ends are level; a difference counts when it stands still at both ends.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from msyncd.databases.interface import Reader
from msyncd.databases.values import Scope
from msyncd.flow.compare.digests import Common, Running, common, digest, kinds_of, written
from msyncd.flow.compare.holding import on_satellite
from msyncd.flow.compare.messages import Compare, Compared, Range, Result
from msyncd.flow.ledger import compared, meta, receipts, sites
from msyncd.flow.ledger.receipts import Pulled
from msyncd.flow.readable import read_apart, rows_of
from msyncd.model import PRIMARY, Changes, RecordType, Row

if TYPE_CHECKING:
    from msyncd.flow.satellite import Satellite

RANGE: Final = 2_000
"""Records in a range at first: read at once, and one digest on the wire."""
RANGES: Final = 50
"""Ranges in one question."""
PARTS: Final = 32
"""Into how many smaller ranges one that differs is cut."""
FEW: Final = 64
"""Records of a range that are compared one by one."""
KEYS: Final = 1_000
ROUNDS: Final = 3
"""How often records that seem to differ are looked at again."""
HELD: Final = 20_000
"""Differences that are held at once. Where a whole table differs, they are dealt with in parts of so many."""

Level = Callable[[], object]
"""Brings both ends level: what is on its way arrives."""


@dataclass(slots=True)
class Found:
    """What a comparison of one record type found: how many records were compared, and which differ.

    Of very many that differ, `differing` holds the last part; `noted` of the earlier ones are in the ledger.
    """

    record_type: str
    records: int = 0
    differing: dict[Row, "Difference"] = field(default_factory=dict)
    moving: int = 0
    """Records that went on changing while they were looked at; they are neither equal nor different."""
    noted: int = 0

    @property
    def differences(self) -> int:
        """How many records differ."""
        return self.noted + len(self.differing)


@dataclass(frozen=True, slots=True)
class Difference:
    """Digests of one record here and there, None where there is none; `owner` as the primary knows it."""

    here: bytes | None
    there: bytes | None
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class _Span:
    """A range as it is asked about: the key before it, and what stands for its records. They are not held."""

    after: Row | None
    spoken: Range


@dataclass(frozen=True, slots=True)
class _Held:
    """The records of a range here: keys, and rows as they are digested."""

    after: Row | None
    upto: Row | None
    keys: list[Row]
    rows: list[bytes]

    def spoken(self) -> Range:
        running = Running()
        running.add(self.rows)
        return Range(self.upto, running.records, running.digest())

    def parts(self) -> "list[_Held]":
        """The same in smaller ranges."""
        size = max(1, -(-len(self.keys) // PARTS))
        cuts = range(0, len(self.keys), size)
        ends = [self.keys[at + size - 1] if at + size < len(self.keys) else self.upto for at in cuts]
        starts = [self.after, *ends[:-1]]
        return [
            _Held(start, end, self.keys[at : at + size], self.rows[at : at + size])
            for at, start, end in zip(cuts, starts, ends, strict=True)
        ]


class Comparing:
    """The comparison of one record type with the primary. `steps` goes on from question to question.

    `full` is called when as many differences are held as may be: it deals with them, and takes them out.
    """

    def __init__(
        self, satellite: "Satellite", record_type: RecordType, full: Callable[["Comparing"], None] | None = None
    ) -> None:
        link = satellite.link
        assert link is not None, "a hello came first"
        self._satellite, self._type, self._full = satellite, record_type, full
        self._moved = 0
        self._spoken = link.spoken[record_type.name]
        here = satellite.here
        self._shared: Common = common(here.types, record_type, self._spoken.columns, self._spoken.kinds)
        self.found = Found(record_type.name)

    def steps(self) -> Iterator[Found]:
        """Compare the whole table; yields after each question, so that the caller can rest or stop there."""
        after: Row | None = None
        while True:
            spans = list(self._spans(after))
            self.found.records += sum(one.spoken.records for one in spans)
            answer = self._ask(after=after, ranges=tuple(one.spoken for one in spans))
            for place in answer.differ:
                for held in self._read(spans[place]):
                    self._look_closer(held)
            yield self.found
            if spans[-1].spoken.upto is None:
                return
            after = tuple(spans[-1].spoken.upto)

    def settle(self, level: Level) -> None:
        """Look again at what seems to differ, until it agrees or stands still."""
        seen: dict[Row, Difference] = {}
        doubtful = self.found.differing
        for _ in range(ROUNDS):
            if not doubtful:
                break
            level()
            seen, doubtful = doubtful, {}
            still: set[Row] = set()
            for key, one, moving in self._again(list(seen)):
                if one.here == one.there:
                    continue
                doubtful[key] = one
                if not moving and (one.here, one.there) == (seen[key].here, seen[key].there):
                    still.add(key)
            if still == set(doubtful):
                self.found.moving = 0
                break
            self.found.moving = len(doubtful) - len(still)
        self.found.differing = doubtful

    def let_go(self) -> None:
        """Put what is held into the ledger, as a part of what differs."""
        found = self.found
        with self._satellite.here.database.write() as writer:
            compared.put_differing(writer, PRIMARY, self._type.name, found.differing, more=bool(found.noted))
        found.noted += len(found.differing)
        found.differing = {}
        self._moved, found.moving = self._moved + found.moving, 0

    def note(self) -> Found:
        """Keep what was found, here and at the primary."""
        here, found, name = self._satellite.here, self.found, self._type.name
        found.moving += self._moved
        with here.database.write() as writer:
            compared.note(writer, PRIMARY, name, found.records, found.differences, here.now())
            compared.put_differing(writer, PRIMARY, name, found.differing, more=bool(found.noted))
        self._ask(results=(Result(name, found.records, found.differences),))
        return found

    def send_again(self, keys: Sequence[Row]) -> None:
        """Let the primary send these records anew, as they stand there."""
        for at in range(0, len(keys), KEYS):
            self._ask(keys=tuple(keys[at : at + KEYS]), send_again=True)

    # --- ranges -------------------------------------------------------------------------------------------------------

    def _spans(self, after: Row | None) -> Iterator[_Span]:
        """The next ranges of the table; the last of all ends with None."""
        for _ in range(RANGES):
            held = self._page(after, None)
            yield _Span(after, held.spoken())
            if held.upto is None:
                return
            after = held.upto

    def _read(self, span: _Span) -> Iterator[_Held]:
        """The records of a range, as they stand by now: in several, if many came meanwhile."""
        after, end = span.after, tuple(span.spoken.upto) if span.spoken.upto is not None else None
        while True:
            held = self._page(after, end)
            yield held
            if held.upto == end:
                return
            after = held.upto

    def _page(self, after: Row | None, end: Row | None) -> _Held:
        """As many records behind a key as are read at once; its `upto` is the `end` if there are no more up to that."""
        with self._satellite.here.database.read() as reader:
            page = partial(reader.page, after=after, limit=RANGE, scope=Scope(), upto=end)
            read = read_apart(reader, self._type, page)
            upto = read.keys[-1] if len(read.keys) == RANGE else end
            return self._held(after, upto, on_satellite(reader, self._satellite.here, self._type, read.rows))

    def _held(self, after: Row | None, upto: Row | None, changes: Changes) -> _Held:
        rows = [row for row in changes.rows if row is not None]
        return _Held(after, upto, list(changes.keys), written(rows, self._shared))

    def _look_closer(self, held: _Held) -> None:
        """A range differs: ask about smaller ones in it, or about each record."""
        if len(held.keys) <= FEW:
            self._one_by_one(held)
            return
        parts = held.parts()
        answer = self._ask(after=held.after, ranges=tuple(one.spoken() for one in parts))
        for place in answer.differ:
            self._look_closer(parts[place])

    def _one_by_one(self, held: _Held) -> None:
        """The primary's records of the range may be many more than those here: they are not held."""
        here = {key: digest(row) for key, row in zip(held.keys, held.rows, strict=True)}
        last = Range(held.upto, 0, b"")
        after = held.after
        while True:
            answer = self._ask(after=after, ranges=(last,), listing=True)
            for one in answer.records:
                mine = here.pop(tuple(one.key), None)
                if mine != one.digest:
                    self.found.differing[tuple(one.key)] = Difference(mine, one.digest, one.owner)
            self._bound()
            if answer.upto is None:
                break
            after = tuple(answer.upto)
        for key, mine in here.items():
            self.found.differing[key] = Difference(mine, None)
        self._bound()

    def _bound(self) -> None:
        if self._full is not None and len(self.found.differing) >= HELD:
            self._full(self)

    # --- records ------------------------------------------------------------------------------------------------------

    def _again(self, keys: list[Row]) -> Iterator[tuple[Row, Difference, bool]]:
        """How records stand now: the difference, and whether a change of it is on its way."""
        here = self._satellite.here
        type_id = here.types.ids[self._type.name]
        for at in range(0, len(keys), KEYS):
            some = keys[at : at + KEYS]
            with here.database.read() as reader:
                mine = self._digests(reader, some)
                pushed = sites.known(reader, PRIMARY).confirmed
                unsent = {key for key in some if reader.changed_since(type_id, key, pushed)}
            for one in self._ask(keys=tuple(some)).records:
                key = tuple(one.key)
                yield key, Difference(mine.get(key), one.digest, one.owner), one.moving or key in unsent

    def _digests(self, reader: Reader, keys: list[Row]) -> dict[Row, bytes]:
        rows, _ = rows_of(reader, self._type, keys)
        held = self._held(None, None, on_satellite(reader, self._satellite.here, self._type, list(rows.values())))
        return {key: digest(row) for key, row in zip(held.keys, held.rows, strict=True)}

    # --- asking -------------------------------------------------------------------------------------------------------

    def _ask(
        self,
        *,
        after: Row | None = None,
        ranges: tuple[Range, ...] = (),
        listing: bool = False,
        keys: tuple[Row, ...] = (),
        send_again: bool = False,
        results: tuple[Result, ...] = (),
    ) -> Compared:
        here = self._satellite.here
        with here.database.read() as reader:
            pulled = receipts.pulled_from(reader, PRIMARY) or Pulled()
            database_id, generation = meta.get(reader, "database_id") or "", meta.generation(reader)
        return self._satellite.peer.compare(
            Compare(
                self._type.name,
                self._type.columns,
                kinds_of(here.types, self._type),
                database_id,
                generation,
                here.facts.number,
                pulled.cursor,
                after,
                ranges,
                listing,
                keys,
                send_again,
                results,
                here.installation_id,
            )
        )
