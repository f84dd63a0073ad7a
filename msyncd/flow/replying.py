"""What the primary sends a site next: a batch of its change log, or a piece of a fill, noted before it leaves (P8)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from msyncd.databases.interface import Writer
from msyncd.flow.ahead import Ahead
from msyncd.flow.compare.digests import common, digested
from msyncd.flow.conflict import number_outgoing
from msyncd.flow.conversation import Batch, Pull, PullReply, SpokenRow, SpokenType, TypeChanges
from msyncd.flow.described import check_read
from msyncd.flow.fill import read_piece, stopped_of
from msyncd.flow.here import Here
from msyncd.flow.ledger import fills, held, marks, owed
from msyncd.flow.ledger.aside import Record
from msyncd.flow.ledger.fills import Fill
from msyncd.flow.ledger.sites import Known
from msyncd.flow.outbound import LeftOut, Outgoing, read_outgoing
from msyncd.flow.portion import Stride
from msyncd.flow.receive import key_told
from msyncd.flow.settle import quarantine_failed
from msyncd.flow.types import TypeSet
from msyncd.model import START, Cursor, Row, Site


@dataclass(frozen=True, slots=True)
class Next:
    """A reply that may leave. `end`: where the log ended when it was read; `stride` is of use for the next piece."""

    reply: PullReply
    end: Cursor
    out: Outgoing | None = None
    stride: Stride | None = None
    closed: bool = True
    """Whether no transaction that is open held up what rows may tell already; looked up for bundles only."""


def next_batch(
    here: Here,
    peer: Site,
    known: Known,
    after: Cursor,
    limit: int,
    *,
    include: Sequence[Record] = (),
    ahead: Ahead | None = None,
    mark: str | None = None,
) -> Next:
    """The next batch of the log behind a cursor. `mark` is that of a bundle, which notes it itself before it leaves."""
    with here.database.read() as reader:
        out = read_outgoing(
            reader,
            here,
            peer,
            after,
            limit,
            stopped=known.stopped or {},
            include=include,
            ahead=ahead or Ahead(),
            filling=[one for one in fills.fills(reader, peer.sync_id) if not one.initial],
        )
        newest, reaches = marks.newest(reader, marks.SHARED) if mark is None else (mark, reader.log_end())
        left = reader.log_left(out.upto)  # entries of the log: what is for the site is not more
        end = reader.log_end()
        closed = mark is None or not reader.log_count(end)
    check_read(here, out.types)
    # rows are as of now, though the batch may end before: the mark must not be older than what they tell (P8)
    if reaches < end or out.left_out or out.failed or out.holds or _has_versions(here, out.types):
        with here.database.write() as writer:
            if reaches < end:
                newest = marks.note(writer, marks.SHARED, after, end, here.now())
            note_left_out(writer, here, peer.sync_id, after, out.left_out)
            quarantine_failed(writer, here, out.failed)
            for name, keys in out.holds.items():
                held.hold(writer, peer.sync_id, name, keys)
            if out.holds:
                held.note_turned(writer, peer.sync_id, after, out.upto, out.came, out.left)
            out = replace(out, types=tuple(_numbered(writer, here, one) for one in out.types))
    epochs = {fact.store: fact.epoch for fact in here.facts.stores.values() if fact.active_site == peer.sync_id}
    batch = Batch(after, out.upto, newest, out.types, here.facts.number, epochs, more=out.more)
    reply = PullReply(batch=batch, cursor=out.upto, level=not out.more, to_receive=left, end=end if out.more else None)
    return Next(reply, end, out, closed=closed)


def next_piece(
    here: Here,
    peer: Site,
    known: Known,
    fill: Fill,
    place: tuple[str, Row | None],
    cursor: Cursor,
    limit: int,
    *,
    include: Sequence[Record] = (),
    stride: Stride | None = None,
    mark: str | None = None,
) -> Next:
    """The piece of a fill behind a place, for a site that has the log up to `cursor`. `mark` as above."""
    stopped = known.stopped or {}
    with here.database.read() as reader:
        poured = read_piece(reader, here, peer, fill, place, limit, stopped=stopped, include=include, stride=stride)
        newest, reaches = marks.newest(reader, marks.SHARED) if mark is None else (mark, reader.log_end())
        end = reader.log_end()
    piece = poured.piece
    check_read(here, piece.types)
    left_out = (*poured.left_out, *(stopped_of(here, fill, stopped) if piece.last else ()))
    holds = piece.types if here.plugins.routed_by_plugins else ()
    if reaches < end or left_out or poured.failed or holds or _has_versions(here, piece.types):
        with here.database.write() as writer:
            if reaches < end:
                newest = marks.note(writer, marks.SHARED, cursor, end, here.now())
            # from the tables, not from the log: what stood before the boundary has no entry there
            note_left_out(writer, here, peer.sync_id, START, left_out)
            quarantine_failed(writer, here, poured.failed)
            for one in holds:
                width = len(here.types.types[one.type].key)
                held.hold(writer, peer.sync_id, one.type, [tuple(row[:width]) for row in one.rows])
            types = tuple(_numbered(writer, here, one) for one in piece.types)
        piece = msgspec.structs.replace(piece, types=types)
    upto = fill.boundary if fill.initial and piece.last else cursor
    batch = Batch(cursor, upto, newest, facts_number=here.facts.number)
    return Next(PullReply(batch=batch, piece=piece, cursor=upto, level=False), end, stride=poured.stride)


def place_in(types: TypeSet, fill: Fill, told: tuple[int, str, SpokenRow | None] | None) -> tuple[str, Row | None]:
    """The place in a fill that a site tells; the fill's beginning if it tells of another one. Raises MessageInvalid."""
    if told is None or told[0] != fill.id or told[1] not in types.types:
        return "", None
    return told[1], key_told(types.types[told[1]], told[2]) if told[2] is not None else None


def next_digests(here: Here, peer: Site, known: Known, pull: Pull) -> PullReply:
    """A piece of digests for a site that joins with data of its own (P28); nothing is noted."""
    fill = Fill(0, peer.sync_id, None, None, START, False, "joining")
    place = place_in(here.types, fill, (0, *pull.fill[1:]) if pull.fill is not None else None)
    with here.database.read() as reader:
        piece = read_piece(reader, here, peer, fill, place, pull.records, stopped=known.stopped or {}).piece
    spoken = {one.name: one for one in pull.types}
    types = tuple(_digested(here, one, spoken.get(one.type)) for one in piece.types)
    return PullReply(piece=msgspec.structs.replace(piece, types=types, digests=True), cursor=pull.cursor, level=False)


def _digested(here: Here, changes: TypeChanges, theirs: SpokenType | None) -> TypeChanges:
    """Digests of what both ends have; of all that is here, for a site that does not say what it has."""
    record_type = here.types.types[changes.type]
    columns, kinds = (theirs.columns, theirs.kinds) if theirs is not None else (record_type.columns, ())
    return digested(changes, len(record_type.key), common(here.types, record_type, columns, kinds))


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
