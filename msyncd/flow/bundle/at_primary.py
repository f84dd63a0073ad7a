"""The primary imports a satellite's bundle: a hello, pushes, and the place where it stands, as they come by line."""

from collections.abc import Iterable, Iterator

import msgspec

from msyncd.databases.interface import Reader, RowRejected, Writer
from msyncd.errors import BundleRefused, DatabaseUnavailable, FactsChanged, RestoredBackup
from msyncd.flow import asking
from msyncd.flow.accepting import speaker, take_batch
from msyncd.flow.bundle.importing import (
    PRESUMES,
    Imported,
    Items,
    Show,
    Step,
    Work,
    check_head,
    fit_of,
    mark_after,
    may_count,
    steps,
)
from msyncd.flow.bundle.messages import BundleEnd, BundleHead, BundleItem
from msyncd.flow.confirming import confirm, look_up
from msyncd.flow.conversation import Batch, Hello
from msyncd.flow.greeting import greet, recognise
from msyncd.flow.here import Here
from msyncd.flow.ledger import bundles, marks, meta, receipts, sites, staged
from msyncd.flow.ledger.aside import Record
from msyncd.flow.ledger.receipts import Pulled
from msyncd.flow.ledger.sites import Known
from msyncd.model import AppliedBatch, Refusal


def import_at_primary(here: Here, head: BundleHead, end: BundleEnd, items: Items, show: Show) -> Imported:
    """Take a satellite's bundle in. Raises BundleRefused, CloneRefused, RestoredBackup with nothing applied."""
    hello = _hello_of(head)
    with here.database.read() as reader:
        asking.refuse_bundles(reader, head.sender)
        check_head(reader, here, head)
        known = sites.known(reader, head.sender)
        recognise(reader, known, hello)
        older = head.number <= bundles.last_taken(reader, head.sender, head.database_id)
        _recognise_place(reader, known, head)
    if known.database_id is None or not older:
        greet(here, hello)
    with here.database.write() as writer:
        bundles.note_taken(writer, head.sender, head.database_id, head.number)
    report = Imported(head.sender, head.number, head.at, registered=known.database_id is None)
    report = take_pushes(here, head, end, items, show, report)
    _hear_place(here, head)
    return report


def take_pushes(
    here: Here, head: BundleHead, end: BundleEnd, items: Items, show: Show, report: Imported | None = None
) -> Imported:
    """Take in what goes on where the receipt ends."""
    report = report or Imported(head.sender, head.number, head.at)

    def take(work: Work, asked: tuple[Record, ...]) -> Step:
        return _take(here, head, work, asked)

    for step in steps(here, _whole(items()), take, closed=end.closed):
        report = report.plus(step)
        show(report.applied)
    return report


def _hello_of(head: BundleHead) -> Hello:
    hello = head.hello
    told = (head.sender, head.database_id, head.generation, head.installation_id)
    if hello is None or (hello.sync_id, hello.database_id, hello.generation, hello.installation_id) != told:
        raise BundleRefused("this bundle does not say whose it is", hint="export it again")
    return hello


def _whole(items: Iterable[BundleItem]) -> Iterator[BundleItem]:
    """The items, a family that was too large for one put together again (P9)."""
    parts: list[Batch] = []
    for one in items:
        if one.push is None:
            raise BundleRefused("a satellite's bundle holds something that is no push", hint="export it again")
        batch = one.push.batch
        if batch.parts > 1:
            parts.append(batch)
            if batch.part < batch.parts:
                continue
            batch, parts = staged.joined(batch, parts), []
        yield msgspec.structs.replace(one, push=msgspec.structs.replace(one.push, batch=batch))


def _take(here: Here, head: BundleHead, one: Work, asked: tuple[Record, ...]) -> Step:
    assert one.item.push is not None
    push = msgspec.structs.replace(one.item.push, included=asked)
    told: list[AppliedBatch] = []
    refused: list[Refusal] = []

    def work(writer: Writer) -> Step:
        told.clear()
        refused.clear()
        known = speaker(writer, here, head.sender, push, here.facts.number)
        if asking.holds_up(writer, head.sender):
            return Step("ahead")  # it is looked at again
        receipt = receipts.receipt_of(writer, head.sender, push.database_id, push.generation)
        assert receipt is not None, "a hello came first"
        fit = fit_of(push.batch, receipt.cursor)
        if fit != "fits":
            return Step(fit)
        if not may_count(writer, head, receipt.mark):
            return Step("older", why="something newer of that site has come since")
        before = bundles.streak(writer, head.sender)
        if not one.follows(before, head.mark):
            return PRESUMES
        if (streak := one.streak(before, head.mark)) is not None:
            bundles.note_streak(writer, head.sender, streak)
        _, applied, no = take_batch(writer, here, known, push, mark_after(head, receipt.mark))
        told.extend(applied)
        refused.extend(no)
        return Step("fits", len(push.batch), len(no))

    try:
        step = here.database.with_care(work)
    except FactsChanged as error:
        with here.database.read() as reader:
            if int(meta.get(reader, "facts_number") or 0) != here.facts.number:
                raise  # this process is behind: run again
        return Step("older", why=f"{error.what} since it was made")
    except RowRejected as error:
        raise DatabaseUnavailable(f"the batch could not be committed: {error}", hint="import it again") from error
    for batch in told:
        here.plugins.committed(batch)
    if refused:
        here.plugins.refused(refused)
    return step


# --- where the satellite stands ---------------------------------------------------------------------------------------


def _recognise_place(reader: Reader, known: Known, head: BundleHead) -> None:
    """A satellite that is further than this database ever sent it anything has met another future of it (P8)."""
    place = head.place
    if place is None or known.database_id is None or place.cursor <= known.confirmed:
        return
    if place.mark and not marks.knows(reader, marks.SHARED, place.mark):
        raise RestoredBackup(
            f"site {head.sender} has seen changes of the primary that the primary's database does not know",
            hint="an older copy of the primary's database runs: see docs/restore.md before anything is edited",
        )


def _hear_place(here: Here, head: BundleHead) -> None:
    """Note how far the satellite is, and what it tells besides; an older bundle than what is known tells nothing."""
    if head.place is None:
        return
    place = msgspec.structs.replace(head.place, facts_number=here.facts.number, digests=False)
    with here.database.read() as reader:
        receipt = receipts.receipt_of(reader, head.sender, head.database_id, head.generation)
        newer = receipt is not None and receipt.mark not in ("", *head.knows)
        if newer or head.place.facts_number != here.facts.number:
            place = msgspec.structs.replace(place, handing=())  # what it tells of a hand-over may be over (P31)
        known = sites.known(reader, head.sender)
        older = head.number < bundles.last_taken(reader, head.sender, head.database_id)
        if older or place.cursor < known.confirmed:
            return
        if place.mark and not marks.knows(reader, marks.SHARED, place.mark):
            return  # it was forgotten, since the site showed a later one over the line
        asked = look_up(reader, here, head.sender, place)
    confirm(here, head.sender, place, asked, known.batch_size)
    fill = place.fill or (None, "", None)
    with here.database.write() as writer:
        receipts.put_pulled(
            writer,
            head.sender,
            Pulled(place.cursor, place.mark, fill[0], fill[1], None if fill[2] is None else tuple(fill[2])),
        )
