"""Trying again: what waits, by itself; what is in quarantine, when an admin says so (P17, P18)."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from msyncd.databases.interface import Writer
from msyncd.flow.here import Here
from msyncd.flow.inbound import add_aside, take_in
from msyncd.flow.ledger import aside, refusals, sites
from msyncd.flow.ledger.aside import OFFERED, Aside
from msyncd.flow.log import log_rows
from msyncd.flow.receive import Batchwork
from msyncd.model import PRIMARY, AppliedBatch, Cursor


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of entries of the quarantine: applied here, sent again, or still there with a reason each."""

    applied: tuple[int, ...] = ()
    sent_again: tuple[int, ...] = ()
    still: tuple[tuple[int, str], ...] = ()


def retry_waiting(here: Here) -> int:
    """Try what waits once more, each site's by itself; how many changes were applied."""
    applied = 0
    with here.database.read() as reader:
        origins = sorted({one.site for one in aside.waiting(reader)})
    for origin in origins:
        count, told = here.database.with_care(lambda writer, origin=origin: _retry_of(writer, here, origin))  # type: ignore[misc]  # bound now
        _tell(here, told)
        applied += count
    return applied


def _retry_of(writer: Writer, here: Here, origin: int) -> tuple[int, list[AppliedBatch]]:
    outcome, told = take_in(writer, here, {}, origin, "", _pushed(writer, here))
    if here.is_primary:
        refusals.add(writer, origin, outcome.refusals())
    return outcome.applied, told


def retry(here: Here, ids: Collection[int]) -> Retried:
    """Try entries of the quarantine again, oldest first, each in a transaction of its own."""
    applied, sent = list[int](), list[int]()
    still: list[tuple[int, str]] = []
    with here.database.read() as reader:
        entries = aside.quarantined(reader, ids)
    for one in entries:
        if one.record_type not in here.types.types:
            still.append((one.id, f"record type {one.record_type} is not synced here now"))
        elif one.site == here.site:
            _send_again(here, one)
            sent.append(one.id)
        else:
            reason = _apply_again(here, one)
            if reason is None:
                applied.append(one.id)
            else:
                still.append((one.id, reason))
    return Retried(tuple(applied), tuple(sent), tuple(still))


def discard(here: Here, ids: Collection[int]) -> int:
    """Take entries out for good; how many there were. The records themselves stay as they are."""
    with here.database.write() as writer:
        there = aside.quarantined(writer, ids)
        aside.release_ids(writer, [one.id for one in there])
    return len(there)


def _send_again(here: Here, one: Aside) -> None:
    """This site's own change: it is sent again as the record stands now."""
    with here.database.write() as writer:
        aside.release_ids(writer, [one.id])
        log_rows(writer, here, here.types.types[one.record_type], [one.key])


def _apply_again(here: Here, one: Aside) -> str | None:
    """Another site's change: checked and applied anew, unless a later change stands. Why not, or None."""
    origin = here.site if one.detail == OFFERED else one.site
    with here.database.write() as writer:
        if _later_change_stands(writer, here, one):
            return "a later change of this record stands here; discard this one, or edit the record"
        work: Batchwork = {}
        add_aside(here, work, [replace(one, site=origin)])  # what was offered is the primary's own again
        aside.release_ids(writer, [one.id])
        outcome, told = take_in(writer, here, work, origin, "", _pushed(writer, here))
        kept = outcome.kept.get((one.record_type, one.key))
        if kept is None and here.is_primary and origin not in (here.site, PRIMARY):
            # the site still lists it as refused: it learns from its own row coming back
            log_rows(writer, here, here.types.types[one.record_type], [one.key], only_site=origin)
    _tell(here, told)
    return kept[1].reason if kept is not None else None


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
