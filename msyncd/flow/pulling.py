"""Pull: what the primary has for this satellite, batch by batch and piece by piece, each with its cursor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec

from msyncd.databases.interface import Reader, Writer
from msyncd.databases.values import Scope
from msyncd.errors import FactsChanged, TryLater
from msyncd.flow.conversation import Pull, PullReply, Standing
from msyncd.flow.ends import told
from msyncd.flow.fill import next_place
from msyncd.flow.hearing import hear
from msyncd.flow.here import Here
from msyncd.flow.inbound import take_in
from msyncd.flow.joining import TRUSTED
from msyncd.flow.ledger import bundles, fills, meta, receipts, sites
from msyncd.flow.ledger.aside import Record
from msyncd.flow.ledger.bundles import Streak
from msyncd.flow.ledger.receipts import Pulled
from msyncd.flow.outcome import Outcome, take_out
from msyncd.flow.pace import Pace
from msyncd.flow.parking import NeedsMoreError
from msyncd.flow.pour import work_of_piece
from msyncd.flow.receive import Batchwork, received
from msyncd.flow.settle import quarantine_waiting
from msyncd.flow.telling import mark_told, standing
from msyncd.model import PRIMARY, AppliedBatch, Cursor, Refusal, Row

if TYPE_CHECKING:
    from msyncd.flow.satellite import Progress, Satellite

GIVEN = "given:"
MOST_ROUNDS = 200
"""Times in one cycle that a batch is asked for again with more records in it: a chain of swaps takes one for each."""


def pull_all(satellite: "Satellite", progress: "Progress") -> tuple[int, int | None]:
    """Pull what the primary owes now: how many changes were applied here, and how many are left (None: not known).

    What is written there meanwhile is left to the next cycle: programs that write without a pause must not keep this
    site's own changes waiting.
    """
    here = satellite.here
    pace = Pace(here.settings.sync.request_size)
    with here.database.read() as reader:
        pace = Pace(sites.known(reader, PRIMARY).batch_size or pace.size)
    applied, include, end = 0, list[Record](), None
    run, stood = "", Pulled()
    while True:
        started = perf_counter()
        with here.database.read() as reader:
            pulled = receipts.pulled_from(reader, PRIMARY) or Pulled()
            request = request_from(reader, here, pulled, pace.size, include)
        if pulled == stood:  # else somebody else has moved it, such as a bundle: that run is broken
            request = msgspec.structs.replace(request, run=run)
        reply = satellite.peer.pull(request)
        arrived = perf_counter()
        try:
            got = _take(satellite, pulled, reply, request)
        except NeedsMoreError as error:
            include += error.records
            satellite.rounds += 1
            if satellite.rounds > MOST_ROUNDS:
                raise TryLater(
                    "the primary does not send the records that are in the way", hint="see its log"
                ) from error
            continue
        include = []
        applied += got
        run, stood = reply.run, moved(pulled, reply, _mark_of(pulled, reply))
        applying = perf_counter() - arrived
        pace = pace.after(
            got, max(0.0, arrived - started - reply.seconds) + applying, applying, here.database.lock_seconds
        )
        if got:
            progress("pull", applied, reply.to_receive)
        if reply.level:
            if request.handing and reply.cursor != request.cursor:
                continue  # an end of a hand-over pulls once more, to tell that it has it all
            return applied, 0
        end = reply.end if end is None else end
        if end is not None and reply.end is not None and reply.cursor >= end:
            return applied, reply.to_receive


def request_from(reader: Reader, here: Here, pulled: Pulled, records: int, include: Sequence[Record] = ()) -> Pull:
    """The question for what comes behind a place, with what this site has to tell."""
    fill = None if pulled.fill is None else (pulled.fill, pulled.fill_type, pulled.fill_after)
    known = sites.known(reader, PRIMARY)
    return Pull(
        pulled.cursor,
        pulled.mark,
        records,
        meta.get(reader, "database_id") or "",
        meta.generation(reader),
        here.facts.number,
        known.heard,
        fill,
        tuple(include),
        standing=standing(reader, here),
        given=tuple(
            (str(name).removeprefix(GIVEN), int(str(number)))
            for name, number in reader.execute("SELECT name, value FROM msyncd_meta WHERE name LIKE 'given:%'")
        ),
        installation_id=here.installation_id,
        handing=told(reader, here, known.confirmed),
        filled=bundles.filled(reader),
    )


def _take(satellite: "Satellite", pulled: Pulled, reply: PullReply, request: Pull) -> int:
    """Apply a reply: rows, cursor and mark commit together. A reply to an outdated question is dropped (P15).

    Returns how many changes it brought.
    """
    here = satellite.here
    assert satellite.link is not None
    batch, piece = reply.batch, reply.piece
    nothing = piece is None and (batch is None or not len(batch)) and reply.cursor == pulled.cursor
    mark = _mark_of(pulled, reply)
    if nothing and not reply.refusals and not reply.wanted and mark == pulled.mark and not request.standing:
        return 0
    incoming = Incoming(
        here, satellite.link.stopped, pulled, reply, mark, tuple(request.include), tuple(request.standing)
    )
    return take(incoming, satellite.kept)


def _mark_of(pulled: Pulled, reply: PullReply) -> str:
    return reply.batch.mark if reply.batch is not None else pulled.mark


@dataclass(frozen=True, slots=True)
class Incoming:
    """A reply on its way in, and where this site stood when it asked. `mark` is what this site then shows.

    `include` names the records that were asked for, `standing` those of which the primary was told. `pushed`: how far
    the primary had this site's log when it made the reply; None: as far as this site knows it to have it.
    """

    here: Here
    stopped: Mapping[str, str]
    pulled: Pulled
    reply: PullReply
    mark: str
    include: tuple[Record, ...] = ()
    standing: tuple[Standing, ...] = ()
    pushed: Cursor | None = None
    by_bundle: bool = False
    streak: Streak | None = None
    """Of a bundle: what was taken in of it one by one, with this."""


@dataclass(frozen=True, slots=True)
class _Took:
    """What became of a reply in one transaction. `left` not None: it only let go of what is beyond a piece so far."""

    outcome: Outcome
    told: list[AppliedBatch]
    left: Row | None = None


@dataclass(slots=True)
class Kept:
    """How many changes that came are in quarantine here, and the newest of them."""

    changes: int = 0
    newest: Refusal | None = None


def take(one: Incoming, kept: Kept | None = None) -> int:
    """Take a reply in, in one transaction or, where much has to leave, several; how many changes it brought.

    What went to quarantine is added to `kept`.
    """
    plugins, applied, left = one.here.plugins, 0, None
    while True:
        took = one.here.database.with_care(partial(_receive, one=one, left=left))
        if refused := took.outcome.refusals():
            plugins.refused(refused)
            if kept is not None:
                kept.changes, kept.newest = kept.changes + len(refused), refused[-1]
        for batch in took.told:
            plugins.committed(batch)
        applied, left = applied + took.outcome.applied, took.left
        if left is None:
            return applied


def _receive(writer: Writer, one: Incoming, left: Row | None) -> _Took:
    """In one transaction: what the reply brings, and where this site then stands."""
    here, reply = one.here, one.reply
    batch, piece = reply.batch, reply.piece
    outcome, told = Outcome(PRIMARY), list[AppliedBatch]()
    if (receipts.pulled_from(writer, PRIMARY) or Pulled()) != one.pulled:
        return _Took(outcome, told)
    if one.by_bundle and int(meta.get(writer, "facts_number") or 0) != here.facts.number:
        raise FactsChanged("the stores or sites have changed", hint="import it again")
    hear(writer, here, reply.refusals)  # before anything is put back
    _give(writer, here, reply)
    if reply.bundles:
        bundles.vouch(writer, PRIMARY, reply.bundles)
    confirmed = sites.known(writer, PRIMARY).confirmed
    pushed = confirmed if one.pushed is None else min(one.pushed, confirmed)
    if piece is not None:
        poured = work_of_piece(writer, here, piece, pushed, one.stopped, left)
        outcome, told = take_in(writer, here, poured.work, PRIMARY, one.mark, pushed, one.include)
        if poured.left is not None:
            return _Took(outcome, told, poured.left)
    elif batch is not None:
        work = received(here.types, batch.types, PRIMARY, one.stopped)
        _spare_own(writer, here, work, one.include)
        outcome, told = take_in(writer, here, work, PRIMARY, one.mark, pushed, one.include)
    if reply.level:
        quarantine_waiting(writer, PRIMARY, outcome)
    if one.streak is not None:
        bundles.note_streak(writer, PRIMARY, one.streak)
    receipts.put_pulled(writer, PRIMARY, moved(one.pulled, reply, one.mark))
    mark_told(writer, one.standing)
    if piece is not None and piece.last:
        fills.note_taken_in(writer, piece.fill)
        if meta.get(writer, TRUSTED):
            meta.put(writer, TRUSTED, "")  # joined: from now on each site's own records are its own
        if one.by_bundle:
            bundles.note_filled(writer, piece.fill)
    sites.note(
        writer,
        PRIMARY,
        last_success=here.now(),
        to_receive=0 if reply.level else reply.to_receive,
        filling=piece.type if piece is not None and not piece.last else None,
    )
    return _Took(outcome, told)


def moved(pulled: Pulled, reply: PullReply, mark: str) -> Pulled:
    """Where this site stands behind a reply."""
    piece = reply.piece
    if piece is None:
        keep = pulled.fill is not None and pulled.fill_type != ""
        return Pulled(
            reply.cursor,
            mark,
            pulled.fill if keep else None,
            pulled.fill_type if keep else "",
            pulled.fill_after if keep else None,
        )
    if piece.last:
        return Pulled(reply.cursor, mark, piece.fill, "", None)
    return Pulled(reply.cursor, mark, piece.fill, *next_place(piece))


def _give(writer: Writer, here: Here, reply: PullReply) -> None:
    """The primary asks for every record of a store (P29): log them, so that they are pushed."""
    for store, number in reply.wanted:
        if int(meta.get(writer, GIVEN + store) or 0) >= number:
            continue
        for name in here.types.order:
            one = here.types.types[name]
            if one.sent_to == "sites_of_store" and one.edited_on == "active_site":
                writer.log_all(here.types.ids[name], one, here.site, Scope(frozenset({store})))
        meta.put(writer, GIVEN + store, str(number))


def _spare_own(reader: Reader, here: Here, work: Batchwork, include: Sequence[Record]) -> None:
    """A record of this site's own that was asked for and that the primary does not have is not therefore deleted."""
    for name, key in include:
        one = work.get(name)
        if one is not None and key in set(one.deletes.keys) and one.record_type.edited_on == "active_site":
            store = reader.stores_of(one.record_type, [key]).get(key, (None, None))[0]
            if here.facts.active_site(store) == here.site:
                take_out(work, [(name, key)])
