"""The primary serves a satellite's pull: the next batch of its change log, or the next piece of a fill."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from secrets import token_hex
from time import perf_counter

import msgspec

from msyncd.errors import DatabaseUnavailable, FactsChanged
from msyncd.flow.ahead import MOST, Ahead
from msyncd.flow.confirming import confirm, look_up
from msyncd.flow.conversation import Pull, PullReply
from msyncd.flow.here import Here
from msyncd.flow.ledger import fills, sites
from msyncd.flow.ledger.aside import Record
from msyncd.flow.ledger.fills import Fill
from msyncd.flow.ledger.sites import Known
from msyncd.flow.pace import Pace, Speedometer
from msyncd.flow.portion import Stride
from msyncd.flow.receive import records_of
from msyncd.flow.replying import next_batch, next_digests, next_piece, place_in
from msyncd.model import Site

MOST_RECORDS = 20_000
"""Records in one reply at most, whatever was asked for."""
MOST_AHEAD = 2 * MOST
"""Families that are remembered between pulls, of all sites together."""


class Serving:
    """Answers pulls. What it keeps between them are caches: another worker without them answers as well."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._speed = Speedometer(clock)
        self._filled_last: dict[int, bool] = {}
        self._ahead: dict[int, tuple[str, Ahead]] = {}
        self._lock = threading.Lock()
        self._pace: dict[int, Pace] = {}
        self._strides: dict[int, Stride] = {}

    def serve(self, here: Here, site: int, pull: Pull) -> PullReply:
        """The next batch or piece for a satellite. Raises FactsChanged, RestoredBackup, TryLater."""
        started = self._clock()
        pull = msgspec.structs.replace(pull, records=max(1, min(pull.records, MOST_RECORDS)))
        peer, include = here.peer(site), records_of(here.types, pull.include)
        size = self._speed.asked(site)
        with here.database.read() as reader:
            asked = look_up(reader, here, site, pull)
        if confirm(here, site, pull, asked, size or asked.known.batch_size) is not here:
            raise FactsChanged("a store is being handed over, and a step of it was taken", hint="say hello again")
        known, pending = asked.known, asked.pending
        if asked.behind:
            with here.database.read() as reader:
                pending = tuple(fills.fills(reader, site))
        if pull.digests:
            reply = next_digests(here, peer, known, pull)
        elif pending and (pending[0].initial or not self._filled_last.get(site)):
            self._filled_last[site] = True
            reply = self._piece(here, peer, pull, known, pending[0], include)
        else:
            self._filled_last[site] = False
            reply = self._batch(here, peer, pull, known, include)
            if pending:
                reply = msgspec.structs.replace(reply, level=False, end=None)
            _note_success(here, known, reply)
        self._speed.replied(site, _records_in(reply))
        return msgspec.structs.replace(
            reply,
            refusals=asked.unheard,
            facts_number=here.facts.number,
            wanted=asked.wanted,
            seconds=self._clock() - started,
            bundles=asked.bundles,
        )

    def _batch(self, here: Here, peer: Site, pull: Pull, known: Known, include: Sequence[Record]) -> PullReply:
        pace = self._pace.get(peer.sync_id, Pace(MOST_RECORDS))
        limit, ahead = min(pull.records, pace.most), self._ahead_of(peer.sync_id, pull)
        found = next_batch(here, peer, known, pull.cursor, limit, include=include, ahead=ahead)
        assert found.out is not None
        self._pace[peer.sync_id] = pace.fitting(len(found.out), found.out.size)
        run = self._keep(peer.sync_id, ahead) if found.out.more else ""
        return msgspec.structs.replace(found.reply, run=run)

    def _ahead_of(self, site: int, pull: Pull) -> Ahead:
        """What went ahead of its turn, if the site has taken in the very last reply, and nothing since; a cache."""
        with self._lock:
            run, ahead = self._ahead.pop(site, ("", None))
        return ahead if ahead is not None and run == pull.run and not pull.include else Ahead()

    def _keep(self, site: int, ahead: Ahead) -> str:
        """For the next pull of a site that is not level yet; the run's new name. What all remember is bounded."""
        run = token_hex(4)
        with self._lock:
            self._ahead[site] = (run, ahead)
            while len(self._ahead) > 1 and sum(one.remembered for _, one in self._ahead.values()) > MOST_AHEAD:
                del self._ahead[next(iter(self._ahead))]
        return run

    def _piece(
        self, here: Here, peer: Site, pull: Pull, known: Known, fill: Fill, include: Sequence[Record]
    ) -> PullReply:
        place, stride = place_in(here.types, fill, pull.fill), self._strides.get(peer.sync_id)
        found = next_piece(here, peer, known, fill, place, pull.cursor, pull.records, include=include, stride=stride)
        self._strides[peer.sync_id] = found.stride or Stride()
        return found.reply


def _records_in(reply: PullReply) -> int:
    types = (*(reply.batch.types if reply.batch is not None else ()), *(reply.piece.types if reply.piece else ()))
    return sum(map(len, types))


def _note_success(here: Here, known: Known, reply: PullReply) -> None:
    """An idle pull writes nothing; but that the site has it all is noted now and then, for its state."""
    if reply.level and not (reply.batch and len(reply.batch)) and known.joined and known.success_is_old(here.clock()):
        # only a note: if the application holds the lock, the next pull makes it
        with suppress(DatabaseUnavailable), here.database.write() as writer:
            sites.note(writer, known.sync_id, last_contact=here.now(), last_success=here.now())
