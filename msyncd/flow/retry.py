"""Trying again: what waits, by itself; what is in quarantine, when an admin says so (P17, P18)."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import msgspec

from msyncd.databases.interface import RowRejected, Writer
from msyncd.flow.facts import renewed
from msyncd.flow.here import Here
from msyncd.flow.inbound import add_aside, take_in
from msyncd.flow.ledger import aside, meta, refusals, sites
from msyncd.flow.ledger.aside import OFFERED, Aside, Record
from msyncd.flow.log import log_rows
from msyncd.flow.parking import NeedsMoreError
from msyncd.flow.receive import Batchwork
from msyncd.model import PRIMARY, AppliedBatch, Cursor, Table

SHAPES: Final = "table_shapes"
"""Under this name digests of the tables are noted, by record type: what the database rejected was tried with these."""
AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Still:
    """An entry that is still in quarantine: the ID by which it was asked for, the one that it has now, and why."""

    asked: int
    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of entries of the quarantine, by the IDs that were asked for.

    They are applied here, are sent again, or are still there. A line that went along with its header is applied,
    whichever of them was tried.
    """

    applied: tuple[int, ...] = ()
    sent_again: tuple[int, ...] = ()
    still: tuple[Still, ...] = ()


def retry_waiting(here: Here) -> int:
    """Try what waits once more, each site's by itself; how many changes were applied."""
    applied = 0
    with here.database.read() as reader:
        origins = sorted({one.site for one in aside.waiting(reader)})
    for origin in origins:
        try:
            count, told = here.database.with_care(lambda writer, origin=origin: _retry_of(writer, here, origin))  # type: ignore[misc]  # bound now
        except NeedsMoreError:
            continue  # a unique value is in the way: with its next batch the sender is asked for who holds it
        _tell(here, told)
        applied += count
    return applied


def _retry_of(writer: Writer, here: Here, origin: int) -> tuple[int, list[AppliedBatch]]:
    here = renewed(writer, here)
    outcome, told = take_in(writer, here, {}, origin, "", _pushed(writer, here))
    if here.is_primary:
        refusals.add(writer, origin, outcome.refusals())
    return outcome.applied, told


def retry(here: Here, ids: Collection[int]) -> Retried:
    """Try entries of the quarantine again, oldest first, each in a transaction of its own."""
    with here.database.read() as reader:
        entries = aside.quarantined(reader, ids)
    sent: list[int] = []
    reasons: dict[int, str] = {}
    for one in entries:
        if one.record_type not in here.types.types:
            reasons[one.id] = f"record type {one.record_type} is not synced here now"
        elif one.site == here.site and one.detail != OFFERED:
            _send_again(here, one)
            sent.append(one.id)
        elif (reason := _apply_again(here, one)) is not None:
            reasons[one.id] = reason
    tried = [one for one in entries if one.id not in sent]
    still = _still_there(here, tried, reasons)
    kept = {one.asked for one in still}
    return Retried(tuple(one.id for one in tried if one.id not in kept), tuple(sent), still)


def retry_altered(here: Here) -> Retried:
    """Try once more what the database rejected, of record types whose tables were altered since this was last called.

    So a value that was too large is applied by itself once its column holds more. The tables' shapes are noted behind
    it: killed before, it tries again, which does no harm.
    """
    shapes = {name: _shape(here.types.table_of(name)) for name in here.types.types}
    with here.database.read() as reader:
        noted: dict[str, str] = json.loads(meta.get(reader, SHAPES) or "{}")
        altered = [name for name, shape in shapes.items() if noted.get(name, shape) != shape]
        ids = aside.rejected(reader, altered) if altered else []
    retried = Retried()
    for start in range(0, len(ids), AT_ONCE):  # whole rows: not more of them at a time
        some = retry(here, ids[start : start + AT_ONCE])
        retried = Retried(
            retried.applied + some.applied, retried.sent_again + some.sent_again, retried.still + some.still
        )
    if noted != noted | shapes:
        with here.database.write() as writer:
            meta.put(writer, SHAPES, json.dumps(noted | shapes))
    return retried


def _shape(table: Table) -> str:
    return sha256(msgspec.json.encode(table)).hexdigest()[:16]


def _still_there(here: Here, tried: Sequence[Aside], reasons: dict[int, str]) -> tuple[Still, ...]:
    """What the ledger says once all are through: a header takes its lines along when it goes, and when it stays."""
    with here.database.read() as reader:
        now = {_place(one): one for one in aside.quarantined(reader)} if tried else {}
    return tuple(
        Still(one.id, there.id, reasons.get(one.id) or there.reason)
        for one in tried
        if (there := now.get(_place(one))) is not None
    )


def _place(one: Aside) -> tuple[str, object, int]:
    return one.record_type, one.key, one.site


def discard(here: Here, ids: Collection[int]) -> int:
    """Take entries out for good; how many there were. The records themselves stay as they are."""
    with here.database.write() as writer:
        there = aside.quarantined(writer, ids)
        aside.release_ids(writer, [one.id for one in there])
    return len(there)


def _send_again(here: Here, one: Aside) -> None:
    """This site's own change: it is sent again as the record stands now."""
    with here.database.write() as writer:
        if aside.quarantined(writer, [one.id]):
            aside.release_ids(writer, [one.id])
            log_rows(writer, here, here.types.types[one.record_type], [one.key])


def _apply_again(here: Here, one: Aside, asked: Sequence[Record] = ()) -> str | None:
    """Another site's change: checked and applied anew, unless a later change stands. Why not, or None."""
    try:
        reason, told = here.database.with_care(lambda writer: _applied_again(writer, here, one, asked))
    except NeedsMoreError as error:  # nobody can be asked now: what is kept of these goes along
        return _apply_again(here, one, (*asked, *error.records))
    except RowRejected as error:  # at the commit
        return str(error)
    _tell(here, told)
    return reason


def _applied_again(
    writer: Writer, here: Here, one: Aside, asked: Sequence[Record]
) -> tuple[str | None, list[AppliedBatch]]:
    here = renewed(writer, here)  # a store may have moved since this site was looked at
    if not aside.quarantined(writer, [one.id]):
        return None, []  # it went with its header, or was kept anew with it
    if _later_change_stands(writer, here, one):
        return "a later change of this record stands here; discard this one, or edit the record", []
    origin = here.site if one.detail == OFFERED else one.site
    work: Batchwork = {}
    tried = [one, *_kept_of(writer, here, one.site, asked)]
    add_aside(here, work, [replace(each, site=origin) for each in tried])  # what was offered is the primary's own again
    aside.release_ids(writer, [each.id for each in tried])
    outcome, told = take_in(writer, here, work, origin, "", _pushed(writer, here), asked)
    kept = outcome.kept.get((one.record_type, one.key))
    for each in tried if here.is_primary and origin not in (here.site, PRIMARY) else ():
        if (each.record_type, each.key) not in outcome.kept:
            # the site still lists it as refused: it learns from its own row coming back
            log_rows(writer, here, here.types.types[each.record_type], [each.key], only_site=origin)
    return (kept[1].reason if kept is not None else None), told


def _kept_of(writer: Writer, here: Here, site: int, records: Sequence[Record]) -> list[Aside]:
    """What is kept of records that hold unique values in the way: they may give these up in the same change."""
    kept = [one for one in aside.quarantined(writer) if one.site == site] if records else []
    found = [one for one in kept if (one.record_type, one.key) in records and one.detail != OFFERED]
    return [one for one in found if not _later_change_stands(writer, here, one)]


def _later_change_stands(writer: Writer, here: Here, one: Aside) -> bool:
    """P18: whether the record was changed since the entry was made. Where the log no longer tells, a row decides."""
    record_type = here.types.types[one.record_type]
    writer.lock_rows(record_type, [one.key])
    if writer.changed_since(here.types.ids[one.record_type], one.key, one.noted_at):
        return True
    return one.noted_at < writer.log_start() and bool(writer.rows(record_type, [one.key]))


def _pushed(writer: Writer, here: Here) -> Cursor | None:
    return None if here.is_primary else sites.known(writer, PRIMARY).confirmed


def _tell(here: Here, told: list[AppliedBatch]) -> None:
    for batch in told:
        here.plugins.committed(batch)
