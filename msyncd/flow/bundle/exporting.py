"""What both ends do alike when they export a bundle."""

from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex

from msyncd import __version__
from msyncd.databases.interface import Writer
from msyncd.flow.bundle.messages import BundleEnd, BundleHead, BundleItem
from msyncd.flow.conversation import PROTOCOL_VERSION
from msyncd.flow.here import Here
from msyncd.flow.ledger import bundles, meta, sites
from msyncd.model import Cursor

ITEM_RECORDS = 2000
"""Records in an item, about: as many as the receiver applies while it holds its write lock for a moment (P25)."""

Put = Callable[[BundleHead | BundleItem | BundleEnd], None]
"""Writes the next message of the bundle."""

Show = Callable[[int, int | None], None]
"""Called with how many records are through, and how many are left if that is known."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What a bundle holds. `upto`: how far in this site's log it goes."""

    receiver: int
    number: int
    items: int
    records: int
    upto: Cursor
    public_key: str
    joined: bool = True
    closed: bool = True
    """Not closed: a transaction that is open in the database holds up what was changed since it began."""


def begin_head(writer: Writer, here: Here, receiver: int, knows: set[str]) -> BundleHead:
    """A head without what the two ends tell besides. Its number is taken, its mark not yet noted."""
    known = sites.known(writer, receiver)
    mark = token_hex(8)
    return BundleHead(
        PROTOCOL_VERSION,
        __version__,
        here.now(),
        here.site,
        receiver,
        meta.get(writer, "database_id") or "",
        meta.generation(writer),
        here.installation_id,
        meta.next_number(writer, "bundle_number"),
        mark,
        here.public_key,
        tuple(sorted({*knows, mark})),
        known.database_id or "",
        known.generation if known.database_id is not None else 0,
        heard=bundles.last_taken(writer, receiver, known.database_id or ""),
    )


@dataclass(slots=True)
class Written:
    """Counts what goes into a bundle."""

    put: Put
    show: Show
    items: int = 0
    records: int = 0

    def item(self, item: BundleItem, records: int, left: int | None) -> None:
        """Write the next item."""
        self.put(item)
        self.items += 1
        self.records += records
        self.show(self.records, left)

    def end(self, head: BundleHead, upto: Cursor, *, closed: bool, joined: bool = True) -> Exported:
        """Write the end."""
        self.put(BundleEnd(self.items, self.records, closed))
        return Exported(head.receiver, head.number, self.items, self.records, upto, head.public_key, joined, closed)


def note_exported(writer: Writer, here: Here, head: BundleHead, upto: Cursor) -> None:
    """The last thing before the file has its name: durable with it is all that was read (P8)."""
    bundles.note_exported(writer, head.receiver, head.number, head.mark, upto, here.now())
