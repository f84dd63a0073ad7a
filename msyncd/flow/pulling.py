"""Pull: what the primary has for this satellite, batch by batch and piece by piece, each with its cursor."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec

from msyncd.databases.interface import Reader, Scope, Writer
from msyncd.errors import TryLater
from msyncd.flow.apply import NeedsMoreError
from msyncd.flow.conversation import Pull, PullReply, Standing
from msyncd.flow.ends import told
from msyncd.flow.fill import next_place
from msyncd.flow.hearing import hear
from msyncd.flow.here import Here
from msyncd.flow.inbound import take_in
from msyncd.flow.joining import TRUSTED
from msyncd.flow.ledger import aside, meta, receipts, sites
from msyncd.flow.ledger.aside import Record
from msyncd.flow.ledger.receipts import Pulled
from msyncd.flow.outcome import Outcome, take_out
from msyncd.flow.pace import Pace
from msyncd.flow.pour import work_of_piece
from msyncd.flow.receive import Batchwork, received
from msyncd.flow.settle import quarantine_waiting
from msyncd.flow.values import packed_key
from msyncd.model import PRIMARY, AppliedBatch, Row

if TYPE_CHECKING:
    from msyncd.flow.satellite import Progress, Satellite

TOLD = "the primary was told"
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
            request = _request(satellite, reader, pulled, pace, include)
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
        run, stood = reply.run, _moved(pulled, reply, _mark_of(pulled, reply))
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


def _request(satellite: "Satellite", reader: Reader, pulled: Pulled, pace: Pace, include: list[Record]) -> Pull:
    here = satellite.here
    fill = None if pulled.fill is None else (pulled.fill, pulled.fill_type, pulled.fill_after)
    known = sites.known(reader, PRIMARY)
    return Pull(
        pulled.cursor,
        pulled.mark,
        pace.size,
        meta.get(reader, "database_id") or "",
        meta.generation(reader),
        here.facts.number,
        known.heard,
        fill,
        tuple(include),
        standing=_standing(satellite, reader),
        given=tuple(
            (str(name).removeprefix(GIVEN), int(str(number)))
            for name, number in reader.execute("SELECT name, value FROM msyncd_meta WHERE name LIKE 'given:%'")
        ),
        installation_id=here.installation_id,
        handing=told(reader, here, known.confirmed),
    )


def _standing(satellite: "Satellite", reader: Reader) -> tuple[Standing, ...]:
    """Deletes that could not be done here, since others still refer to the record: the primary is told (P22)."""
    types = satellite.here.types.types
    told = []
    for one in aside.quarantined(reader) if aside.count_quarantined(reader, PRIMARY) else ():
        if one.operation == "delete" and one.plugin == "references" and one.detail != TOLD and one.record_type in types:
            record_type = types[one.record_type]
            row = reader.rows(record_type, [one.key]).get(one.key)
            if row is not None:
                told.append(Standing(one.record_type, one.key, record_type.columns, row, one.reason))
    return tuple(told)


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
    applied, left = 0, None
    while True:
        receiving = partial(
            _receive, satellite=satellite, pulled=pulled, reply=reply, mark=mark, request=request, left=left
        )
        took = here.database.with_care(receiving)
        if refused := took.outcome.refusals():
            here.plugins.refused(refused)
        for one in took.told:
            here.plugins.committed(one)
        applied, left = applied + took.outcome.applied, took.left
        if left is None:
            return applied


def _mark_of(pulled: Pulled, reply: PullReply) -> str:
    return reply.batch.mark if reply.batch is not None else pulled.mark


@dataclass(frozen=True, slots=True)
class _Took:
    """What became of a reply in one transaction. `left` not None: it only let go of what is beyond a piece so far."""

    outcome: Outcome
    told: list[AppliedBatch]
    left: Row | None = None


def _receive(
    writer: Writer,
    satellite: "Satellite",
    pulled: Pulled,
    reply: PullReply,
    mark: str,
    request: Pull,
    left: Row | None,
) -> _Took:
    """In one transaction: what the reply brings, and where this site then stands."""
    here = satellite.here
    assert satellite.link is not None
    batch, piece = reply.batch, reply.piece
    outcome, told = Outcome(PRIMARY), list[AppliedBatch]()
    if (receipts.pulled_from(writer, PRIMARY) or Pulled()) != pulled:
        return _Took(outcome, told)
    hear(writer, here, reply.refusals)  # before anything is put back
    _give(writer, satellite, reply)
    pushed = sites.known(writer, PRIMARY).confirmed
    if piece is not None:
        poured = work_of_piece(writer, here, piece, pushed, satellite.link.stopped, left)
        outcome, told = take_in(writer, here, poured.work, PRIMARY, mark, pushed, request.include)
        if poured.left is not None:
            return _Took(outcome, told, poured.left)
    elif batch is not None:
        work = received(here.types, batch.types, PRIMARY, satellite.link.stopped)
        _spare_own(writer, here, work, request.include)
        outcome, told = take_in(writer, here, work, PRIMARY, mark, pushed, request.include)
    if reply.level:
        quarantine_waiting(writer, PRIMARY, outcome)
    receipts.put_pulled(writer, PRIMARY, _moved(pulled, reply, mark))
    _mark_told(writer, request.standing)
    if piece is not None and piece.last and meta.get(writer, TRUSTED):
        meta.put(writer, TRUSTED, "")  # joined: from now on each site's own records are its own
    sites.note(
        writer,
        PRIMARY,
        last_success=here.now(),
        to_receive=0 if reply.level else reply.to_receive,
        filling=piece.type if piece is not None and not piece.last else None,
    )
    return _Took(outcome, told)


def _moved(pulled: Pulled, reply: PullReply, mark: str) -> Pulled:
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


def _give(writer: Writer, satellite: "Satellite", reply: PullReply) -> None:
    """The primary asks for every record of a store (P29): log them, so that they are pushed."""
    here = satellite.here
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


def _mark_told(writer: Writer, told_of: Sequence[Standing]) -> None:
    """The question was answered: the primary knows of these now, and of no others."""
    for one in told_of:
        writer.execute(
            "UPDATE msyncd_quarantine SET detail = ?"
            " WHERE site = ? AND operation = 'delete' AND plugin = 'references' AND type = ? AND key = ?",
            (TOLD, PRIMARY, one.type, packed_key(tuple(one.key))),
        )
