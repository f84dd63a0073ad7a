"""Inbound, as a story: receive, check, apply, and what is kept aside.

Everything here happens in one write transaction, whose receipt or cursor the caller moves: rows, receipt and cursor
commit together, or not at all.
"""

from collections.abc import Collection, Sequence

from msyncd.databases.interface import Reader, Writer
from msyncd.flow import conflict
from msyncd.flow.apply import apply_rows, fired
from msyncd.flow.check import check, keep_families
from msyncd.flow.clearing import put_back_cleared
from msyncd.flow.families import halves, whole
from msyncd.flow.here import Here
from msyncd.flow.hooks import HookTransaction, batch_before
from msyncd.flow.ledger import aside
from msyncd.flow.ledger.aside import Aside, Record
from msyncd.flow.log import log_applied, log_rows
from msyncd.flow.missing import check_references
from msyncd.flow.outcome import Outcome, aside_of, take_out
from msyncd.flow.parking import ROUNDS, StillParkedError, keep_takers
from msyncd.flow.receive import Batchwork, Work
from msyncd.flow.relay import find_passing, forget_relayed, keep_relayed, split_relayed
from msyncd.flow.standing import keep_referred
from msyncd.flow.stores import find_stores
from msyncd.flow.world import FlowWorld
from msyncd.model import AppliedBatch, Changes, Cursor
from msyncd.plugins import Failed, seeing


class _HookFailedError(Exception):
    """Plugins raised while a batch was applied: what it did is undone."""

    def __init__(self, failed: Sequence[Failed]) -> None:
        super().__init__(failed[0].reason)
        self.failed = failed


def take_in(
    writer: Writer,
    here: Here,
    work: Batchwork,
    origin: int,
    mark: str,
    pushed: Cursor | None = None,
    asked_for: Collection[Record] = (),
) -> tuple[Outcome, list[AppliedBatch]]:
    """Check and apply what arrived from a site. `pushed` (on a satellite): up to where its own log was sent.

    `asked_for` names records that the sender was asked for and need not be asked for again.

    Returns what became of it, and what hooks are told once it is committed. Raises NeedsMoreError, TryLater.
    """
    with seeing(FlowWorld(lambda: here)):  # rules decide by the facts that were looked at under this very lock (P32)
        return _take_in(writer, here, work, origin, mark, pushed, asked_for)


def _take_in(
    writer: Writer,
    here: Here,
    work: Batchwork,
    origin: int,
    mark: str,
    pushed: Cursor | None,
    asked_for: Collection[Record],
) -> tuple[Outcome, list[AppliedBatch]]:
    outcome = Outcome(origin)
    asked = {(name, key) for name, one in work.items() for key in one.all_keys()} if _has_uniques(here, work) else set()
    asked |= set(asked_for)
    listed = _add_kept_aside(writer, here, work, origin)
    asked |= {(one.record_type, one.key) for one in listed}
    for one in work.values():  # what is decided below still holds when it is done: the application writes meanwhile
        writer.lock_rows(one.record_type, one.all_keys())
    find_stores(writer, here, work)
    if pushed is not None:
        conflict.keep_unsent(writer, here, work, pushed, outcome)
    check(writer, here, work, outcome)
    if here.is_primary:
        conflict.resolve(writer, here, work, outcome)
    keep_families(writer, here, work, outcome)
    if here.is_primary:
        find_passing(writer, here, work)
    references = check_references(writer, here, work, outcome)
    keep_families(writer, here, work, outcome)
    keep_referred(writer, here, work, outcome)
    relayed = split_relayed(writer, work) if here.is_primary else {}
    told: list[AppliedBatch] = []
    writer.begin_applying(origin)
    _apply(writer, here, work, outcome, asked, mark, told)
    writer.end_applying()
    if here.is_primary:
        forget_relayed(writer, work)
    if relayed:
        log_applied(writer, here, relayed)
        keep_relayed(writer, relayed)
    if not here.is_primary:
        conflict.agree_pulled(writer, work)
    put_back_cleared(writer, here, work, references, outcome)
    _keep_aside(writer, here, work, relayed, outcome)
    if here.is_primary and origin != here.site:
        _tell_accepted(writer, here, listed, outcome)
    outcome.applied = sum(map(len, work.values())) + sum(map(len, relayed.values()))
    return outcome, told


def _has_uniques(here: Here, work: Batchwork) -> bool:
    tables = map(here.types.table_of, work)
    return any(table.uniques or table.odd_uniques for table in tables)


def _add_kept_aside(writer: Writer, here: Here, work: Batchwork, origin: int) -> list[Aside]:
    """What waited is tried again with each batch, unless the batch brings a later change of it (P17).

    What was refused because of another record is tried again with that one: lines with their header, and who takes a
    unique value with who holds it. These are returned, since their site lists them.
    """
    again = aside.waiting(writer, origin)
    along = _kept_along(writer, here, work, origin)
    add_aside(here, work, [*again, *along])
    return along


def _kept_along(reader: Reader, here: Here, work: Batchwork, origin: int) -> list[Aside]:
    """What is in quarantine because of records of the work, and what is because of these, and so on."""
    if not (_has_uniques(here, work) or any(here.types.children[name] for name in work)):
        return []
    kept = aside.kept_with_others(reader, origin)
    reached = {(name, key) for name, one in work.items() for key in one.all_keys()} if kept else set()
    along: list[Aside] = []
    while more := [one for one in kept if one.header in reached]:
        kept = [one for one in kept if one.header not in reached]
        reached |= {(one.record_type, one.key) for one in more}
        along += more
    return along


def add_aside(here: Here, work: Batchwork, changes: Sequence[Aside]) -> None:
    """Add changes that were kept aside to the work, but those of which it brings a later one."""
    for one in changes:
        record_type = here.types.types.get(one.record_type)
        if record_type is not None:
            arriving = work.get(one.record_type)
            if arriving is None:
                empty = Changes(record_type, [], [])
                arriving = work[one.record_type] = Work(record_type, empty, empty)
            if one.key not in set(arriving.all_keys()):
                _add(arriving, one)
    for name in [name for name in here.types.order if name in work]:  # parents first again
        work[name] = work.pop(name)


def _add(arriving: Work, one: Aside) -> None:
    values = dict(zip(one.columns, one.row, strict=True)) if one.row is not None else {}
    row = tuple(values.get(column) for column in arriving.record_type.columns) if one.row is not None else None
    name = "writes" if row is not None else "deletes"
    changes: Changes = getattr(arriving, name)
    added = Changes(
        arriving.record_type,
        [*changes.keys, one.key],
        [*changes.rows, row],
        stores=[*changes.stores, one.store],
        origins=[*changes.origins, one.site],
    )
    setattr(arriving, name, added)
    if one.base is not None:
        arriving.numbers[one.key] = one.base


def _apply(
    writer: Writer,
    here: Here,
    work: Batchwork,
    outcome: Outcome,
    asked: set[Record],
    mark: str,
    told: list[AppliedBatch],
    rounds: int = 0,
) -> None:
    """Apply the work with its hooks. Where a plugin raises, halve it until the families at fault stand alone."""
    cleared = set(outcome.cleared)
    try:
        with writer.savepoint():
            told.append(_apply_once(writer, here, work, outcome, asked, mark))
    except StillParkedError as error:  # nothing temporary may stand: once more, without what takes those values (P16)
        outcome.cleared = cleared
        keep_takers(writer, here, work, outcome, error.parked, every=rounds >= ROUNDS)
        _apply(writer, here, work, outcome, asked, mark, told, rounds + 1)
    except _HookFailedError as error:
        if whole(here.types, work):
            _keep_failed(here, work, outcome, error.failed[0])
            return
        for half in halves(here.types, work):
            _apply(writer, here, half, outcome, asked, mark, told)
        take_out(work, outcome.kept)


def _apply_once(
    writer: Writer, here: Here, work: Batchwork, outcome: Outcome, asked: set[Record], mark: str
) -> AppliedBatch:
    listening = any(here.plugins.implemented(hook) for hook in ("before_apply", "applied", "committed"))
    batch = batch_before(writer, work, outcome.origin, mark) if listening else AppliedBatch(outcome.origin, mark)
    transaction = HookTransaction(writer, here.site)
    if here.plugins.implemented("before_apply"):
        _unless_failed(here.plugins.before_apply(transaction, batch))
    apply_rows(writer, here, work, outcome, asked)
    for one in work.values():
        log_rows(writer, here, one.record_type, fired(writer, here, one))
    if here.is_primary:
        log_applied(writer, here, work)
    if here.plugins.implemented("applied"):
        _unless_failed(here.plugins.applied(transaction, _without(batch, outcome)))
    return _without(batch, outcome)


def _unless_failed(failed: Sequence[Failed]) -> None:
    if failed:
        raise _HookFailedError(failed)


def _without(batch: AppliedBatch, outcome: Outcome) -> AppliedBatch:
    """The batch without what the database rejected."""
    if not outcome.kept:
        return batch
    kept = outcome.kept

    def some(of: dict[str, Changes]) -> dict[str, Changes]:
        chosen = {
            name: changes.select(at for at, key in enumerate(changes.keys) if (name, key) not in kept)
            for name, changes in of.items()
        }
        return {name: changes for name, changes in chosen.items() if len(changes)}

    return AppliedBatch(
        batch.origin, batch.mark, some(dict(batch.new)), some(dict(batch.changed)), some(dict(batch.same))
    )


def _keep_failed(here: Here, work: Batchwork, outcome: Outcome, failed: Failed) -> None:
    for one in work.values():
        for key in [*one.writes.keys, *one.deletes.keys]:
            kept = aside_of(here, one, key, outcome.origin, failed.reason, failed.plugin, detail=failed.traceback)
            outcome.keep("refused", kept)
    take_out(work, outcome.kept)


def _records(work: Batchwork, relayed: Batchwork) -> list[Record]:
    return [(name, key) for part in (work, relayed) for name, one in part.items() for key in one.all_keys()]


def _tell_accepted(writer: Writer, here: Here, listed: Sequence[Aside], outcome: Outcome) -> None:
    """Lines that were refused and are applied now with their header: their site learns it by their coming back."""
    for one in listed:
        if (one.record_type, one.key) not in outcome.kept and one.record_type in here.types.types:
            log_rows(writer, here, here.types.types[one.record_type], [one.key], only_site=outcome.origin)


def _release_accepted(writer: Writer, work: Batchwork, site: int) -> None:
    """What this site wrote and the primary first refused comes back just so: it was accepted after all."""
    rows = {
        (name, key): row
        for name, one in work.items()
        for key, row in zip(one.writes.keys, one.writes.rows, strict=True)
    }
    accepted = [
        one.id
        for one in aside.quarantined(writer)
        if one.site == site and one.row is not None and rows.get((one.record_type, one.key)) == one.row
    ]
    aside.release_ids(writer, accepted)


def _keep_aside(writer: Writer, here: Here, work: Batchwork, relayed: Batchwork, outcome: Outcome) -> None:
    """Note what waits and what is refused; forget what was kept of records that are settled now."""
    if aside.count_waiting(writer):
        aside.stop_waiting(writer, _records(work, relayed))
    if aside.count_quarantined(writer, outcome.origin):
        aside.release(writer, _records(work, relayed), outcome.origin)
    if not here.is_primary and aside.count_quarantined(writer, here.site):
        _release_accepted(writer, work, here.site)
    if not outcome.kept:
        return
    aside.stop_waiting(writer, outcome.kept)
    aside.keep_waiting(writer, outcome.of("waits"))
    aside.quarantine(writer, outcome.of("refused"))
