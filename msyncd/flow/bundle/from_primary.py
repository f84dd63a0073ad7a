"""The primary exports what a satellite is owed from the place that it showed: fills, then its change log (P37).

What the satellite is sent is what it would be sent over the line, one reply after the other; but what it has is not
taken as confirmed before it says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from msyncd.databases.interface import Reader
from msyncd.errors import BundleRefused, WrongUsage
from msyncd.flow import asking
from msyncd.flow.ahead import Ahead
from msyncd.flow.bundle import exporting
from msyncd.flow.bundle.exporting import Exported, Put, Show, Written, begin_head, note_exported
from msyncd.flow.bundle.merging import len_of
from msyncd.flow.bundle.messages import BundleHead, BundleItem
from msyncd.flow.bundle.running import Runs
from msyncd.flow.fill import begin_anew, next_place
from msyncd.flow.greeting import welcome_again
from msyncd.flow.here import Here
from msyncd.flow.ledger import bundles, fills, marks, meta, receipts, refusals, sites
from msyncd.flow.ledger.fills import Fill
from msyncd.flow.ledger.receipts import Pulled
from msyncd.flow.ledger.sites import Known
from msyncd.flow.pace import Pace
from msyncd.flow.portion import Stride
from msyncd.flow.replying import Next, next_batch, next_piece, place_in
from msyncd.model import Cursor


@dataclass(slots=True)
class _Way:
    """How far the bundle has brought the satellite."""

    cursor: Cursor
    heard: int
    pace: Pace
    upto: Cursor
    runs: Runs
    closed: bool = True


def export_to_satellite(here: Here, site: int, put: Put, show: Show, *, further: bool = False) -> Exported:
    """Write a bundle for a site. `further`: only behind the last bundle for it.

    Raises BundleRefused for a site that was never heard of, WrongUsage where `further` cannot be.
    """
    with here.database.write() as writer:
        known = sites.known(writer, site)
        if known.database_id is None:
            raise BundleRefused(
                f"site {site} was never heard of, so nobody knows what it has",
                hint="export there first, and import that here",
            )
        asking.refuse_bundles(writer, site)
        place = shown_place(writer, known)
        if known.joined and place.cursor < meta.trimmed(writer) and not _has_initial(writer, site):
            begin_anew(writer, here, here.peer(site), "was away longer than the log is kept")
        pending = [one for one in fills.fills(writer, site) if (one.id, "") != (place.fill, place.fill_type)]
        begin = _further(writer, site, pending) if further else place.cursor
        head = begin_head(writer, here, site, marks.known(writer, marks.SHARED, known.mark))
        head = msgspec.structs.replace(head, welcome=welcome_again(writer, here, known))
        places = bundles.exported_places(writer, site)
        heard = max([known.heard, *(one.number for one in head.welcome.refusals)]) if head.welcome else 0
    put(head)
    written, way = Written(put, show), _Way(begin, heard, Pace(exporting.ITEM_RECORDS), begin, Runs(places, 1))
    first = [one for one in pending if one.initial]
    later = [one for one in pending if not one.initial]
    for fill in first:
        _write_fill(here, known, fill, place, head, way, written)
    _write_log(here, known, head, way, written, level=not later)
    for at, fill in enumerate(later, 1):
        _write_fill(here, known, fill, place, head, way, written)
        _write_log(here, known, head, way, written, level=at == len(later))
    with here.database.write() as writer:
        marks.note(writer, marks.SHARED, begin, way.upto, here.now(), mark=head.mark)
        note_exported(writer, here, head, way.cursor)
    return written.end(head, way.cursor, closed=way.closed)


def shown_place(reader: Reader, known: Known) -> Pulled:
    """Where the site is known to stand: as its last bundle showed, unless the line has brought it on since."""
    if not known.joined:
        return Pulled()
    shown = receipts.pulled_from(reader, known.sync_id)
    if shown is not None and shown.cursor >= known.confirmed:
        return shown
    return Pulled(known.confirmed, known.mark)


def _has_initial(reader: Reader, site: int) -> bool:
    return any(one.initial for one in fills.fills(reader, site))


def _further(reader: Reader, site: int, pending: Sequence[Fill]) -> Cursor:
    last = bundles.exported_upto(reader, site)
    if last is None:
        raise WrongUsage(f"nothing was exported for site {site} before", hint="leave --further out")
    if pending:
        raise WrongUsage(
            f"site {site} is being filled, which is always begun where it showed that it stands",
            hint="leave --further out",
        )
    return last


def _write_fill(
    here: Here, known: Known, fill: Fill, shown: Pulled, head: BundleHead, way: _Way, written: Written
) -> None:
    told = None if shown.fill is None else (shown.fill, shown.fill_type, shown.fill_after)
    place, stride = place_in(here.types, fill, told), Stride()
    while True:
        found = next_piece(
            here,
            here.peer(known.sync_id),
            known,
            fill,
            place,
            way.cursor,
            exporting.ITEM_RECORDS,
            stride=stride,
            mark=head.mark,
        )
        piece, stride = found.reply.piece, found.stride or Stride()
        assert piece is not None
        _write(here, known, BundleItem(reply=found.reply, end=found.end, initial=fill.initial), way, written)
        way.cursor, way.upto = found.reply.cursor, max(way.upto, found.end)
        if piece.last:
            return
        place = next_place(piece)


def _write_log(here: Here, known: Known, head: BundleHead, way: _Way, written: Written, *, level: bool) -> None:
    while True:
        reading = partial(_read, here=here, known=known, after=way.cursor, limit=way.pace.size, mark=head.mark)
        found, number, presumes = way.runs.read(way.cursor, reading, lambda one: one.reply.cursor)
        out = found.out
        assert out is not None
        reply = msgspec.structs.replace(found.reply, level=not out.more and level, end=None)
        _write(here, known, BundleItem(reply=reply, end=found.end, number=number, presumes=presumes), way, written)
        way.cursor, way.upto = reply.cursor, max(way.upto, found.end)
        way.pace = way.pace.fitting(len(out), out.size)
        way.closed = found.closed
        if not out.more:
            return


def _read(ahead: Ahead, *, here: Here, known: Known, after: Cursor, limit: int, mark: str) -> Next:
    return next_batch(here, here.peer(known.sync_id), known, after, limit, ahead=ahead, mark=mark)


def _write(here: Here, known: Known, item: BundleItem, way: _Way, written: Written) -> None:
    """Write an item, with the refusals that are still to be heard."""
    assert item.reply is not None
    with here.database.read() as reader:
        unheard = refusals.unheard(reader, known.sync_id, way.heard)
        wanted = tuple(
            (one.store, one.number)
            for one in fills.wanted(reader)
            if here.facts.active_site(one.store) == known.sync_id
        )
    way.heard = max([way.heard, *(one.number for one in unheard)])
    reply = msgspec.structs.replace(item.reply, refusals=unheard, wanted=wanted, facts_number=here.facts.number)
    item = msgspec.structs.replace(item, reply=reply)
    written.item(item, len_of(item), reply.to_receive)
