"""What both ends do alike when they import a bundle: whether it is for here, whether it may count, step by step."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from msyncd.databases.interface import Reader
from msyncd.errors import BundleRefused
from msyncd.flow.bundle.merging import merged
from msyncd.flow.bundle.messages import BundleHead, BundleItem
from msyncd.flow.conversation import PROTOCOL_VERSION, Batch
from msyncd.flow.here import Here
from msyncd.flow.keys import key_of
from msyncd.flow.ledger import bundles, meta, sites
from msyncd.flow.ledger.aside import Record
from msyncd.flow.ledger.bundles import Streak
from msyncd.flow.parking import NeedsMoreError
from msyncd.flow.types import TypeSet
from msyncd.model import Cursor

Fit = Literal["behind", "fits", "ahead", "older", "stuck"]
"""Where an item stands to this site. `older`: something newer has come since; `stuck`: it needs a later bundle."""

Show = Callable[[int], None]
"""Called with how many changes were taken in."""

Items = Callable[[], Iterable[BundleItem]]
"""The items of a bundle, from the first on, as often as they are asked for."""


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one item."""

    fit: Fit
    applied: int = 0
    refused: int = 0
    why: str = ""


PRESUMES = Step("older", why="the line has brought a part of it, and the rest does not go on from there")


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a bundle. `items` by where they stood; `why` in words if not all of it could be taken in."""

    sender: int
    number: int
    at: str
    applied: int = 0
    refused: int = 0
    items: dict[Fit, int] = field(default_factory=dict)
    why: str = ""
    registered: bool = False

    def plus(self, step: "Step") -> "Imported":
        """With one more item."""
        return replace(
            self,
            applied=self.applied + step.applied,
            refused=self.refused + step.refused,
            items={**self.items, step.fit: self.items.get(step.fit, 0) + 1},
            why=self.why or step.why,
        )

    @property
    def state(self) -> str:
        """In a word: applied, kept, older, stuck, or nothing new."""
        for fit, word in (("stuck", "stuck"), ("older", "older"), ("ahead", "kept"), ("fits", "applied")):
            if self.items.get(fit):  # type: ignore[call-overload]  # one of Fit
                return word
        return "applied" if self.registered else "nothing new"


def sender_key(here: Here, reader: Reader, head: BundleHead) -> str:
    """The key by which the sender's bundles are known. Raises BundleRefused if none is, or it is nobody's."""
    _for_here(here, head)
    key = key_of(here, sites.known(reader, head.sender))
    if not key:
        raise BundleRefused(
            f"the signing key of site {head.sender} is not known here: the two have never met on the line",
            hint=f"if `msyncd export` there says {head.public_key}, give its entry of sync_with that public_key",
        )
    return key


def _for_here(here: Here, head: BundleHead) -> None:
    if head.receiver != here.site or here.site == head.sender:
        raise BundleRefused(f"this bundle is for site {head.receiver}, and this is site {here.site}")
    expected = {one.sync_id for one in here.settings.sync_with}
    if head.sender not in expected:
        raise BundleRefused(f"site {head.sender} is not in sync_with", hint="is it of another country?")


def check_head(reader: Reader, here: Here, head: BundleHead) -> None:
    """Raises BundleRefused for a bundle that is for others, or of another protocol. Its signature is right."""
    _for_here(here, head)
    if head.protocol != PROTOCOL_VERSION:
        raise BundleRefused(
            f"this bundle speaks protocol {head.protocol}, this end {PROTOCOL_VERSION}",
            hint="upgrade the older of the two, and export again",
        )
    mine = meta.get(reader, "database_id") or ""
    if head.for_database and head.for_database != mine:
        raise BundleRefused(
            f"this bundle is for another database of site {here.site}",
            hint="a restored or replaced database first has to show itself: export here, and import that there",
        )
    generation = meta.generation(reader)
    if head.for_database and head.for_generation != generation:
        raise BundleRefused(
            f"this bundle is for generation {head.for_generation} of this database, which is now at {generation}",
            hint="export here, import that there, and then export there again",
        )


def may_count(reader: Reader, head: BundleHead, held: str) -> bool:
    """Whether the mark that is held here is one that the sender knew, or has vouched for the bundle since (P8)."""
    return not held or held in head.knows or head.mark in bundles.vouched(reader, head.sender)


def mark_after(head: BundleHead, held: str) -> str:
    """The mark that is held behind an item: the newer of the two, since it tells more of what has come."""
    return head.mark if not held or held in head.knows else held


def fit_of(batch: Batch, cursor: Cursor) -> Fit:
    """Where a batch stands to a cursor. One that ends behind it holds all that lies between, wherever it begins."""
    if batch.upto <= cursor:
        return "behind"
    return "fits" if batch.after <= cursor else "ahead"


@dataclass(frozen=True, slots=True)
class Work:
    """One item, or several as one: those from `first` to its own number."""

    item: BundleItem
    first: int
    presumes: int | None

    @classmethod
    def of(cls, item: BundleItem) -> "Work":
        """One item alone."""
        return cls(item, item.number, item.presumes)

    def follows(self, streak: Streak, mark: str) -> bool:
        """Whether all that it presumes was taken in."""
        if self.presumes is None:
            return True
        return streak.follows(mark, self.first) and streak.first <= self.presumes

    def streak(self, before: Streak, mark: str) -> Streak | None:
        """What was taken in one by one, with it; None for a piece of a fill."""
        if not self.item.number:
            return None
        first = before.first if before.follows(mark, self.first) else self.first
        return Streak(mark, first, self.item.number)

    def and_then(self, types: TypeSet, other: BundleItem) -> "Work | None":
        """This and the next as one; None if they cannot be one."""
        both = merged(types, self.item, other)
        if both is None:
            return None
        outside = [one for one in (self.presumes, other.presumes) if one is not None and one < self.first]
        return Work(both, self.first, min(outside, default=None))


Take = Callable[[Work, tuple[Record, ...]], Step]
"""Takes one in; the records named were asked for already. Raises NeedsMoreError."""


def steps(here: Here, items: Iterable[BundleItem], take: Take, *, closed: bool) -> Iterator[Step]:
    """Take items in, one after the other; several as one where a unique value is in the way (P16)."""
    held: Work | None = None
    for one in items:
        current = Work.of(one)
        if held is not None:
            both = held.and_then(here.types, one)
            if both is None:  # what is in the way is then said by the database itself, and kept with its reason
                yield _forced(held, take)
            current = both or current
        held = None
        try:
            step = take(current, ())
        except NeedsMoreError:
            held = current
            continue
        yield step
        if step.fit in ("ahead", "older", "stuck"):
            return  # and so is all that comes behind it
    if held is not None:
        yield _forced(held, take) if closed else Step("stuck", why="a later bundle has to go with it")


def _forced(work: Work, take: Take) -> Step:
    asked: tuple[Record, ...] = ()
    while True:
        try:
            return take(work, asked)
        except NeedsMoreError as error:
            asked = (*asked, *error.records)
