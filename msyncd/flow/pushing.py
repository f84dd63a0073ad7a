"""Push: a satellite's own changes, batch by batch. The next is read while the last is under way."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from msyncd.databases.interface import Writer
from msyncd.errors import RestoredBackup, TryLater
from msyncd.flow.ahead import Ahead
from msyncd.flow.conversation import Batch, Push, PushReply
from msyncd.flow.described import check_read
from msyncd.flow.hearing import hear
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside, bundles, marks, meta, owed, sites, staged, versions
from msyncd.flow.ledger.aside import Record
from msyncd.flow.outbound import Outgoing, read_outgoing
from msyncd.flow.pace import Pace
from msyncd.flow.settle import quarantine_failed
from msyncd.model import PRIMARY, Cursor

if TYPE_CHECKING:
    from msyncd.flow.satellite import Progress, Satellite

PART_RECORDS = 20_000
"""Records in one message at most; a larger family is sent in parts (P9)."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A batch under way."""

    out: Outgoing
    batch: Batch
    started: float
    reply: "Future[PushReply]"
    included: list[Record]


def push_all(satellite: "Satellite", progress: "Progress") -> tuple[int, int]:
    """Push up to where the log ends now: how many changes were sent, how many refused. An empty push is not sent.

    What is written meanwhile goes along where it fits, and is left to the next cycle where it does not: programs that
    write without a pause must not keep what comes from the primary waiting.
    """
    here = satellite.here
    with here.database.read() as reader:
        known = sites.known(reader, PRIMARY)
        end = reader.log_end()
        if end <= known.confirmed:
            return 0, 0
        left = reader.log_left(known.confirmed)  # entries: at least as many as records
    pace = Pace(known.batch_size or here.settings.sync.request_size)
    sent, refused, cursor, include, ahead = 0, 0, known.confirmed, list[Record](), Ahead()
    with ThreadPoolExecutor(1, "push") as line:
        under_way: _Sent | None = None
        while True:
            prepared = _prepare(satellite, cursor, end, pace, include, ahead)
            if under_way is not None:
                reply = under_way.reply.result()
                if not reply.applied:
                    # what was prepared behind it is dropped, and read again from where the primary stands
                    again = _again(satellite, under_way, reply)
                    # what the batch was to take in before it still takes in, if it is the same batch
                    kept = under_way.included if reply.needs else []
                    cursor, include, under_way = again, [*kept, *_keys(reply)], None
                    ahead = Ahead()
                    continue
                pace = _paced(under_way, reply, pace)
            heard, under_way = under_way, None
            if prepared is not None:
                out, batch = prepared
                pace = pace.fitting(len(out), out.size)
                under_way = _Sent(out, batch, perf_counter(), line.submit(_send, satellite, batch, include), include)
                include, cursor = [], out.upto
            if heard is not None:
                # beside the next batch: a receipt that is not noted is heard again, with whatever is sent then
                refused += _confirm(satellite, heard, heard.reply.result(), pace)
                sent += len(heard.out)
                progress("push", sent, max(0, left - sent))
            if under_way is None:
                return sent, refused


def _keys(reply: PushReply) -> list[Record]:
    return [(name, tuple(key)) for name, key in reply.needs]


def _prepare(
    satellite: "Satellite", cursor: Cursor, end: Cursor, pace: Pace, include: list[Record], ahead: Ahead
) -> tuple[Outgoing, Batch] | None:
    """Read and note the next batch; None at the end that was set."""
    here = satellite.here
    assert satellite.link is not None
    if end <= cursor:
        return None
    with here.database.read() as reader:
        out = read_outgoing(
            reader,
            here,
            here.peer(PRIMARY),
            cursor,
            pace.size,
            stopped=satellite.link.stopped,
            include=include,
            ahead=ahead,
        )
    check_read(here, out.types)
    with here.database.write() as writer:
        mark = marks.note(writer, PRIMARY, out.after, out.upto, here.now())
        note_leaving(writer, here, out)
    return out, batch_of(here, out, mark)


def note_leaving(writer: Writer, here: Here, out: Outgoing) -> None:
    """What must be durable before a batch leaves, besides its mark."""
    fingerprint = here.plugins.fingerprint("filter")
    for left in out.left_out:
        owed.owe(writer, PRIMARY, left.record_type, out.after, left.because, left.count, fingerprint)
    quarantine_failed(writer, here, out.failed)
    for one in out.types:
        if one.bases is not None:
            width = len(here.types.types[one.type].key)
            for row in one.rows:
                versions.note_sent(writer, one.type, row[:width], row)


def batch_of(here: Here, out: Outgoing, mark: str) -> Batch:
    """What was read, as it is sent."""
    epochs = {store: here.facts.epoch(store) for store in out.stores if store in here.facts.stores}
    return Batch(out.after, out.upto, mark, out.types, here.facts.number, epochs, more=out.more)


def _send(satellite: "Satellite", batch: Batch, included: list[Record]) -> PushReply:
    here = satellite.here
    with here.database.read() as reader:
        database_id, generation = meta.get(reader, "database_id") or "", meta.generation(reader)
        heard = sites.known(reader, PRIMARY).heard
        carried = bundles.under_way(reader, PRIMARY)
    mine = here.installation_id
    parts = staged.parted(batch, PART_RECORDS) if len(batch) > PART_RECORDS else [batch]
    for part in parts[:-1]:
        reply = satellite.peer.push(Push(part, database_id, generation, heard, installation_id=mine))
        if reply.cursor != batch.after:
            return reply
    return satellite.peer.push(
        Push(parts[-1], database_id, generation, heard, tuple(included), installation_id=mine, bundles=carried)
    )


def _paced(under_way: _Sent, reply: PushReply, pace: Pace) -> Pace:
    """The pace after a batch, by how long it was under way and how long it took to apply."""
    wire = perf_counter() - under_way.started - reply.waited
    return pace.after(len(under_way.out), wire, reply.seconds, reply.lock_seconds)


def _confirm(satellite: "Satellite", under_way: _Sent, reply: PushReply, pace: Pace) -> int:
    """The receipt is here: move on, hear refusals, forget what was in quarantine and has been taken now.

    Returns how many of the refusals were news.
    """
    here, out = satellite.here, under_way.out
    with here.database.write() as writer:
        marks.confirm(writer, PRIMARY, reply.mark)
        sites.note_confirmed(writer, PRIMARY, reply.cursor, batch_size=pace.size, last_success=here.now())
        refused = {(one.type, tuple(one.key)) for one in reply.refusals}
        if aside.count_quarantined(writer, here.site):
            taken = [
                (one.type, key)
                for one in out.types
                for key in [*(row[: len(here.types.types[one.type].key)] for row in one.rows), *one.deletes]
            ]
            aside.release(writer, [record for record in taken if record not in refused], here.site)
        return hear(writer, here, reply.refusals)


def _again(satellite: "Satellite", under_way: _Sent, reply: PushReply) -> Cursor:
    """The primary stands elsewhere: it applied a batch whose reply was lost, or it needs more in this one."""
    if reply.needs:
        satellite.rounds += 1
        if satellite.rounds > 200:
            raise TryLater("the primary keeps asking for more records", hint="see its log")
        return under_way.batch.after
    here = satellite.here
    with here.database.write() as writer:
        hear(writer, here, reply.refusals)
        if reply.mark and not marks.knows(writer, PRIMARY, reply.mark):
            raise RestoredBackup(
                "the primary has received changes that this database does not know",
                hint="an older copy of this site's database runs: see docs/restore.md before anything is edited",
            )
        if reply.mark:
            marks.confirm(writer, PRIMARY, reply.mark)
        sites.note_confirmed(writer, PRIMARY, reply.cursor)
    return reply.cursor
