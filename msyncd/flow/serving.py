"""The primary serves a satellite's pull: the next batch of its change log, or the next piece of a fill."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from time import perf_counter

import msgspec

from msyncd.databases.interface import Reader, Writer
from msyncd.errors import DatabaseUnavailable, RestoredBackup
from msyncd.flow.accepting import speaker
from msyncd.flow.ahead import MOST, Ahead
from msyncd.flow.conflict import number_outgoing
from msyncd.flow.conversation import Batch, Pull, PullReply, Standing, TypeChanges
from msyncd.flow.fill import begin_anew, read_piece, stopped_of
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside, fills, held, marks, meta, owed, refusals, sites
from msyncd.flow.ledger.aside import Aside, Record
from msyncd.flow.ledger.fills import Fill
from msyncd.flow.ledger.sites import Known
from msyncd.flow.outbound import LeftOut, Outgoing, read_outgoing
from msyncd.flow.pace import Pace, Speedometer
from msyncd.flow.portion import Stride
from msyncd.flow.receive import records_of
from msyncd.flow.settle import quarantine_failed
from msyncd.model import START, Cursor, Site

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
        self._ahead: dict[int, tuple[Cursor, Ahead]] = {}
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
            known = speaker(reader, here, site, pull, pull.facts_number)
            if pull.mark and not marks.knows(reader, marks.SHARED, pull.mark):
                raise RestoredBackup(
                    f"site {site} has seen changes of the primary that the primary's database does not know",
                    hint="an older copy of the primary's database runs: see docs/restore.md before anything is edited",
                )
            pending = fills.fills(reader, site)
            unheard = refusals.unheard(reader, site, pull.heard)
            asked = [(one.store, one.number) for one in fills.wanted(reader)]
            given = [one for one in asked if one in pull.given]
            wanted = tuple(one for one in asked if here.facts.active_site(one[0]) == site and one not in given)
            behind = (
                bool(known.joined)
                and not any(one.initial for one in pending)
                and not pull.digests
                and pull.cursor < meta.trimmed(reader)
            )
        finished = [one for one in pending if pull.fill is not None and pull.fill[:2] == (one.id, "")]
        pending = [one for one in pending if one not in finished]
        _heard(here, site, known, pull, finished, given, behind, size or known.batch_size)
        if behind:
            with here.database.read() as reader:
                pending = fills.fills(reader, site)
        if pull.digests:
            reply = _digests(here, peer, pull, known)
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
            refusals=unheard,
            facts_number=here.facts.number,
            wanted=wanted,
            seconds=self._clock() - started,
        )

    def _batch(self, here: Here, peer: Site, pull: Pull, known: Known, include: Sequence[Record]) -> PullReply:
        pace = self._pace.get(peer.sync_id, Pace(MOST_RECORDS))
        limit = min(pull.records, pace.most)
        stopped = known.stopped or {}
        with here.database.read() as reader:
            ahead = self._ahead_of(peer.sync_id, pull)
            out = read_outgoing(reader, here, peer, pull.cursor, limit, stopped=stopped, include=include, ahead=ahead)
            self._keep(peer.sync_id, out, ahead)
            self._pace[peer.sync_id] = pace.fitting(len(out), out.size)
            mark, reaches = marks.newest(reader, marks.SHARED)
            left = reader.log_left(out.upto)  # entries of the log: what is for the site is not more
            end = reader.log_end() if out.more else None
        if reaches < out.upto or out.left_out or out.failed or out.holds or _has_versions(here, out.types):
            out, mark = _note(here, peer, pull.cursor, out, mark, reaches)
        epochs = {fact.store: fact.epoch for fact in here.facts.stores.values() if fact.active_site == peer.sync_id}
        batch = Batch(pull.cursor, out.upto, mark, out.types, here.facts.number, epochs, more=out.more)
        return PullReply(batch=batch, cursor=out.upto, level=not out.more, to_receive=left, end=end)

    def _ahead_of(self, site: int, pull: Pull) -> Ahead:
        """What went ahead of its turn, if this pull goes on just where the last reply ended; a cache, no more."""
        with self._lock:
            upto, ahead = self._ahead.pop(site, (None, None))
        return ahead if ahead is not None and upto == pull.cursor and not pull.include else Ahead()

    def _keep(self, site: int, out: Outgoing, ahead: Ahead) -> None:
        """For the next pull of a site that is not level yet. What all of them remember is bounded: the oldest goes."""
        if not out.more:
            return
        with self._lock:
            self._ahead[site] = (out.upto, ahead)
            while len(self._ahead) > 1 and sum(one.remembered for _, one in self._ahead.values()) > MOST_AHEAD:
                del self._ahead[next(iter(self._ahead))]

    def _piece(
        self, here: Here, peer: Site, pull: Pull, known: Known, fill: Fill, include: Sequence[Record]
    ) -> PullReply:
        at = (pull.fill[1], pull.fill[2]) if pull.fill is not None and pull.fill[0] == fill.id else ("", None)
        with here.database.read() as reader:
            place = (at[0], tuple(at[1]) if at[1] is not None else None)
            poured = read_piece(
                reader,
                here,
                peer,
                fill,
                place,
                pull.records,
                stopped=known.stopped or {},
                include=include,
                stride=self._strides.get(peer.sync_id),
            )
            self._strides[peer.sync_id] = poured.stride
            mark, reaches = marks.newest(reader, marks.SHARED)
            end = reader.log_end()
        piece = poured.piece
        left_out = (*poured.left_out, *(stopped_of(here, fill, known.stopped or {}) if piece.last else ()))
        holds = piece.types if here.plugins.routed_by_plugins else ()
        if reaches < end or left_out or poured.failed or holds or _has_versions(here, piece.types):
            with here.database.write() as writer:
                if reaches < end:
                    mark = marks.note(writer, marks.SHARED, pull.cursor, end, here.now())
                # from the tables, not from the log: what stood before the boundary has no entry there
                note_left_out(writer, here, peer.sync_id, START, left_out)
                quarantine_failed(writer, here, poured.failed)
                for one in holds:
                    width = len(here.types.types[one.type].key)
                    held.hold(writer, peer.sync_id, one.type, [tuple(row[:width]) for row in one.rows])
                types = tuple(_numbered(writer, here, one) for one in piece.types)
            piece = msgspec.structs.replace(piece, types=types)
        cursor = fill.boundary if fill.initial and piece.last else pull.cursor
        batch = Batch(pull.cursor, cursor, mark, facts_number=here.facts.number)
        return PullReply(batch=batch, piece=piece, cursor=cursor, level=False)


def _records_in(reply: PullReply) -> int:
    types = (*(reply.batch.types if reply.batch is not None else ()), *(reply.piece.types if reply.piece else ()))
    return sum(map(len, types))


def _heard(
    here: Here,
    site: int,
    known: Known,
    pull: Pull,
    finished: list[Fill],
    given: list[tuple[str, int]],
    behind: bool,
    batch_size: int | None,
) -> None:
    """Note what the pull confirms; an idle one confirms nothing new and writes nothing."""
    news = (
        pull.cursor > known.confirmed
        or pull.mark != known.mark
        or pull.heard > known.heard
        or finished
        or pull.standing
        or given
        or behind
        or not known.joined
    )
    if not news or pull.digests:
        return
    with here.database.write() as writer:
        speaker(writer, here, site, pull, pull.facts_number)  # it may have been replaced since it was looked at
        if pull.heard > known.heard:
            refusals.forget(writer, site, pull.heard)
        for one in finished:
            fills.finish(writer, one.id)
        for store, number in given:
            fills.given(writer, store, number)
        aside.quarantine(writer, _offered(writer, here, site, pull.standing))
        if behind:
            begin_anew(writer, here, here.peer(site), "was away longer than the log is kept")
        sites.note_confirmed(
            writer,
            site,
            max(pull.cursor, known.confirmed),
            held_mark=pull.mark,
            heard=max(pull.heard, known.heard),
            joined=1,
            last_contact=here.now(),
            last_success=here.now(),
            batch_size=batch_size,
        )
    if not known.joined:
        here.plugins.site_joined(here.peer(site))


def _note_success(here: Here, known: Known, reply: PullReply) -> None:
    """An idle pull writes nothing; but that the site has it all is noted now and then, for its state."""
    if reply.level and not (reply.batch and len(reply.batch)) and known.joined and known.success_is_old(here.clock()):
        # only a note: if the application holds the lock, the next pull makes it
        with suppress(DatabaseUnavailable), here.database.write() as writer:
            sites.note(writer, known.sync_id, last_contact=here.now(), last_success=here.now())


def _note(here: Here, peer: Site, after: Cursor, out: Outgoing, mark: str, reaches: Cursor) -> tuple[Outgoing, str]:
    """Read, note, send: what was read is durable, and marked, before it leaves (P8)."""
    with here.database.write() as writer:
        if reaches < out.upto:
            mark = marks.note(writer, marks.SHARED, after, out.upto, here.now())
        note_left_out(writer, here, peer.sync_id, after, out.left_out)
        quarantine_failed(writer, here, out.failed)
        for name, keys in out.holds.items():
            held.hold(writer, peer.sync_id, name, keys)
        types = tuple(_numbered(writer, here, one) for one in out.types)
    return replace(out, types=types), mark


def _digests(here: Here, peer: Site, pull: Pull, known: Known) -> PullReply:
    """A piece of digests for a site that joins with data of its own (P28); nothing is noted."""
    fill = Fill(0, peer.sync_id, None, None, START, False, "joining")
    at = (pull.fill[1], pull.fill[2]) if pull.fill is not None else ("", None)
    place = (at[0], tuple(at[1]) if at[1] is not None else None)
    with here.database.read() as reader:
        poured = read_piece(reader, here, peer, fill, place, pull.records, stopped=known.stopped or {}, digests=True)
    return PullReply(piece=poured.piece, cursor=pull.cursor, level=False)


def note_left_out(writer: Writer, here: Here, site: int, after: Cursor, left_out: tuple[LeftOut, ...]) -> None:
    """What is left out is owed (P7)."""
    for one in left_out:
        owed.owe(writer, site, one.record_type, after, one.because, one.count, here.plugins.fingerprint("filter"))


def _has_versions(here: Here, types: tuple[TypeChanges, ...]) -> bool:
    return any(here.types.types[one.type].edited_on == "any_site" and one.rows for one in types)


def _numbered(writer: Writer, here: Here, spoken: TypeChanges) -> TypeChanges:
    record_type = here.types.types[spoken.type]
    if record_type.edited_on != "any_site" or not spoken.rows:
        return spoken
    keys = [record_type.key_of(row) for row in spoken.rows]
    return msgspec.structs.replace(spoken, versions=number_outgoing(writer, here, spoken.type, keys, spoken.rows))


def _offered(reader: Reader, here: Here, site: int, told: Sequence[Standing]) -> list[Aside]:
    """Records that were deleted here and that a satellite still needs: kept, so that they can be put back (P22).

    One that stands here again was put back already: the pull that told of it was late.
    """
    records_of(here.types, [(one.type, one.key) for one in told])
    return [
        Aside(
            one.type,
            tuple(one.key),
            site,
            "write",
            None,
            tuple(one.columns),
            tuple(one.row),
            f"deleted here, but on site {site} {one.reason}; retry puts it back, discard leaves it there",
            "references",
            here.now(),
            detail=aside.OFFERED,
        )
        for one in told
        if one.type in here.types.types and not reader.rows(here.types.types[one.type], [tuple(one.key)])
    ]
