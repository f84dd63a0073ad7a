"""Bundles that are kept until a gap closes (P37), for people to read: from whom, and what each waits for."""

from dataclasses import dataclass

from msyncd.databases.interface import Reader
from msyncd.flow.bundle.messages import BundleHead, BundleItem
from msyncd.flow.here import Here
from msyncd.flow.ledger import bundles, receipts
from msyncd.model import PRIMARY, START, Cursor


@dataclass(frozen=True, slots=True)
class KeptBundle:
    """A bundle of a peer: its number there, when it was made, its records.

    It waits for what the peer's log has from one place to another: `waits_from`, up to where it was applied here, and
    `waits_to`, where the bundle goes on. Both are None once that is here: the bundle is about to be applied or dropped.
    """

    number: int
    made: str
    records: int
    waits_from: str | None
    waits_to: str | None

    def words(self) -> str:
        """What it waits for."""
        made = f"bundle {self.number}, made {self.made}"
        if self.waits_to is None:
            return f"{made}, is about to be taken in"
        missing = f"an earlier bundle or the line brings its changes from {self.waits_from} to {self.waits_to}"
        return f"{made}, is kept until {missing}"


def kept_of(reader: Reader, here: Here, peer: int) -> tuple[KeptBundle, ...]:
    """What is kept of a peer, oldest first."""
    return tuple(_kept(reader, here, head, end.records) for head, end in bundles.kept(reader) if head.sender == peer)


def _kept(reader: Reader, here: Here, head: BundleHead, records: int) -> KeptBundle:
    place = _place(reader, here, head)
    gap, at = None, 0
    while gap is None and (found := bundles.kept_item(reader, head, at)) is not None:
        at, item = found
        after = _after(item)
        gap = after if after > place else None
    waits = (None, None) if gap is None else (_shown(place), _shown(gap))
    return KeptBundle(head.number, head.at, records, *waits)


def _place(reader: Reader, here: Here, head: BundleHead) -> Cursor:
    """Up to where the sender's log has been applied here."""
    if here.is_primary:
        receipt = receipts.receipt_of(reader, head.sender, head.database_id, head.generation)
        return receipt.cursor if receipt is not None else START
    pulled = receipts.pulled_from(reader, PRIMARY)
    return pulled.cursor if pulled is not None else START


def _after(item: BundleItem) -> Cursor:
    """The place in the sender's log behind which an item begins."""
    told = item.push if item.push is not None else item.reply
    return told.batch.after if told is not None and told.batch is not None else START


def _shown(cursor: Cursor) -> str:
    """A place in a log, as the table `msyncd_change_log` there has it."""
    return f"{cursor.major}/{cursor.seq}" if cursor.major else str(cursor.seq)
