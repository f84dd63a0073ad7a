"""A satellite exports what the primary is not known to have of it: all of it, from the confirmed cursor on (P37).

A receiver may have some of it already, by the line or by an older bundle: it begins at any batch that stands by itself.
"""

from functools import partial

import msgspec

from msyncd.databases.interface import Reader
from msyncd.errors import BundleRefused
from msyncd.flow.ahead import Ahead
from msyncd.flow.bundle import exporting
from msyncd.flow.bundle.exporting import Exported, Put, Show, Written, begin_head, note_exported
from msyncd.flow.bundle.messages import BundleHead, BundleItem
from msyncd.flow.bundle.running import Runs
from msyncd.flow.conversation import Hello, Push
from msyncd.flow.described import check_read
from msyncd.flow.here import Here
from msyncd.flow.ledger import bundles, marks, receipts, sites, staged
from msyncd.flow.ledger.receipts import Pulled
from msyncd.flow.ledger.sites import Known
from msyncd.flow.outbound import Outgoing, read_outgoing
from msyncd.flow.pace import Pace
from msyncd.flow.pulling import request_from
from msyncd.flow.pushing import PART_RECORDS, batch_of, note_leaving
from msyncd.flow.restoring import is_taking_back
from msyncd.flow.telling import mark_exported
from msyncd.model import PRIMARY, Cursor


def export_to_primary(here: Here, hello: Hello, put: Put, show: Show, *, further: bool = False) -> Exported:
    """Write a bundle: who this site is, where it stands, and its changes. `further`: only behind the last bundle.

    Before it has joined there is nothing but who it is.
    """
    with here.database.write() as writer:
        if is_taking_back(writer):
            raise BundleRefused(
                "this database was restored from a backup, and has not taken back yet what it lacks",
                hint="let it sync by the line once",
            )
        head = begin_head(writer, here, PRIMARY, marks.known(writer, PRIMARY))
        known = sites.known(writer, PRIMARY)
        place = None
        if known.joined:
            pulled = receipts.pulled_from(writer, PRIMARY) or Pulled()
            place = request_from(writer, here, pulled, exporting.ITEM_RECORDS)
            mark_exported(writer, place.standing, head.number)
        last = bundles.exported_upto(writer, PRIMARY) if further else None
    head = msgspec.structs.replace(head, hello=hello, place=place)
    put(head)
    written = Written(put, show)
    begin = max(known.confirmed, last) if last is not None else known.confirmed
    upto, closed = _write_changes(here, known, head, begin, written) if known.joined else (begin, True)
    with here.database.write() as writer:
        marks.note(writer, PRIMARY, begin, upto, here.now(), mark=head.mark)
        note_exported(writer, here, head, upto)
    return written.end(head, upto, closed=closed, joined=known.joined)


def _write_changes(here: Here, known: Known, head: BundleHead, begin: Cursor, written: Written) -> tuple[Cursor, bool]:
    """Write every batch up to the log's end; where that is, and whether no open transaction holds anything up."""
    cursor, pace = begin, Pace(exporting.ITEM_RECORDS)
    with here.database.read() as reader:
        runs = Runs({*marks.uptos(reader, PRIMARY), *bundles.exported_places(reader, PRIMARY)}, 1)
    while True:
        with here.database.read() as reader:
            if reader.log_end() <= cursor:
                return cursor, _closed(reader, cursor)
            reading = partial(_read, reader=reader, here=here, known=known, after=cursor, limit=pace.size)
            out, number, presumes = runs.read(cursor, reading, lambda one: one.upto)
            left = reader.log_left(out.upto)
            closed = not out.more and _closed(reader, out.upto)
        check_read(here, out.types)
        if out.left_out or out.failed or any(one.bases is not None for one in out.types):
            with here.database.write() as writer:
                note_leaving(writer, here, out)
        _write_batch(here, head, out, left, written, number, presumes)
        cursor, pace = out.upto, pace.fitting(len(out), out.size)
        if not out.more:
            return cursor, closed


def _read(ahead: Ahead, *, reader: Reader, here: Here, known: Known, after: Cursor, limit: int) -> Outgoing:
    return read_outgoing(reader, here, here.peer(PRIMARY), after, limit, stopped=known.stopped or {}, ahead=ahead)


def _closed(reader: Reader, cursor: Cursor) -> bool:
    return not reader.log_count(cursor)


def _write_batch(
    here: Here, head: BundleHead, out: Outgoing, left: int, written: Written, number: int, presumes: int | None
) -> None:
    batch = batch_of(here, out, head.mark)
    for part in staged.parted(batch, PART_RECORDS) if len(batch) > PART_RECORDS else [batch]:
        push = Push(part, head.database_id, head.generation, installation_id=head.installation_id)
        written.item(BundleItem(push, end=out.upto, number=number, presumes=presumes), len(part), left)
