"""A satellite imports the primary's bundle: a welcome, then the replies to the pulls that it would have made (P37).

The primary read them when the satellite had sent it so much, and no more, of its own log (`welcome.pushed`): what this
site has written since is its own still, though the line may have sent it meanwhile.
"""

from collections.abc import Iterator, Mapping

import msgspec

from msyncd.databases.interface import Reader
from msyncd.errors import BundleRefused
from msyncd.flow.bundle.importing import (
    PRESUMES,
    Fit,
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
from msyncd.flow.compare.digests import digested, in_common, kinds_of
from msyncd.flow.conversation import Piece, Pull, PullReply, TypeChanges
from msyncd.flow.here import Here
from msyncd.flow.ledger import bundles, meta, receipts, sites
from msyncd.flow.ledger.aside import Record
from msyncd.flow.ledger.receipts import Pulled
from msyncd.flow.pulling import Incoming, moved, take
from msyncd.flow.telling import mark_heard
from msyncd.flow.welcoming import Heard, hear_welcome, meet
from msyncd.model import PRIMARY

ATTEMPTS = 20
"""Times that an item is looked at again because somebody else has moved the cursor meanwhile, such as the daemon."""


def import_at_satellite(
    here: Here, head: BundleHead, end: BundleEnd, items: Items, show: Show, *, trust: Mapping[str, str] | None = None
) -> Imported:
    """Take the primary's bundle in. `trust`: which side stands where both hold records at the first sync (P28).

    Raises BundleRefused, RestoredBackup, JoiningUndecided with nothing applied.
    """
    welcome = head.welcome
    if welcome is None or head.sender != PRIMARY:
        raise BundleRefused("this bundle does not come from a primary", hint="export it there with --site")
    with here.database.read() as reader:
        check_head(reader, here, head)
        known = sites.known(reader, PRIMARY)
        if known.database_id not in (None, head.database_id) or head.generation < known.generation:
            raise BundleRefused(
                "this bundle does not come from the primary's database as this site knows it",
                hint="an older copy of it runs there, or another one: see docs/restore.md",
            )
        older = head.number < bundles.last_taken(reader, PRIMARY, head.database_id)
        if known.joined and welcome.pushed < min(known.confirmed, meta.trimmed(reader)):
            raise BundleRefused(
                "this bundle is older than what this site's log still tells", hint="export a new one on the primary"
            )
    if not older:
        heard = hear_welcome(here, welcome, by_bundle=True)
        meet(heard, _Carried(heard, items).pull, trust or {})
        here = heard.here
    with here.database.write() as writer:
        bundles.note_taken(writer, PRIMARY, head.database_id, head.number)
        mark_heard(writer, head.heard)
        sites.note(writer, PRIMARY, last_contact=here.now())
    return take_replies(here, head, end, items, show)


def take_replies(here: Here, head: BundleHead, end: BundleEnd, items: Items, show: Show) -> Imported:
    """Take in what goes on where this site stands."""
    report = Imported(head.sender, head.number, head.at)
    with here.database.read() as reader:
        stopped = sites.known(reader, PRIMARY).stopped or {}
        pulled = receipts.pulled_from(reader, PRIMARY) or Pulled()
    taking = _Taking(here, stopped, head, _fill_to_restart(pulled, items))
    for step in steps(here, items(), taking.take, closed=end.closed):
        report = report.plus(step)
        show(report.applied)
    return report


def _fill_to_restart(pulled: Pulled, items: Items) -> int | None:
    """The fill that is begun here at a place where no piece of the bundle begins: it goes through all of its pieces.

    The line has brought other pieces meanwhile. Taking one in twice does no harm: what has changed since is in the log.
    """
    if pulled.fill is None or pulled.fill_type == "":
        return None
    found = False
    for item in items():
        piece = item.reply.piece if item.reply is not None else None
        if piece is not None and piece.fill == pulled.fill:
            found = True
            if _place_of(piece) == (pulled.fill_type, pulled.fill_after):
                return None
    return pulled.fill if found else None


def _place_of(piece: Piece) -> tuple[str, object]:
    return piece.type, None if piece.after is None else tuple(piece.after)


class _Taking:
    """Takes items in, one after the other."""

    def __init__(self, here: Here, stopped: Mapping[str, str], head: BundleHead, restart: int | None) -> None:
        self._here, self._stopped, self._head, self._restart = here, stopped, head, restart

    def take(self, work: Work, asked: tuple[Record, ...]) -> Step:
        """Take one in, if it fits. Raises NeedsMoreError."""
        item, head, here = work.item, self._head, self._here
        reply = item.reply
        if reply is None or reply.batch is None:
            raise BundleRefused("a primary's bundle holds something that is no reply", hint="export it again")
        for _ in range(ATTEMPTS):
            with here.database.read() as reader:
                pulled = receipts.pulled_from(reader, PRIMARY) or Pulled()
                fit = self._fit(reader, pulled, item)
                if fit != "fits":
                    return Step(fit)
                if not may_count(reader, head, pulled.mark):
                    return Step("older", why="something newer of the primary has come since")
                before = bundles.streak(reader, PRIMARY)
            if not work.follows(before, head.mark):
                return PRESUMES
            if moved_stores := self._moved_stores(reply):
                return Step("older", why=f"store {', '.join(moved_stores)} was handed over since it was made")
            mark = mark_after(head, pulled.mark)
            pushed = head.welcome.pushed if head.welcome is not None else None
            got = take(
                Incoming(
                    here,
                    self._stopped,
                    pulled,
                    reply,
                    mark,
                    asked,
                    pushed=pushed,
                    by_bundle=True,
                    streak=work.streak(before, head.mark),
                )
            )
            with here.database.read() as reader:
                if receipts.pulled_from(reader, PRIMARY) == moved(pulled, reply, mark):
                    if reply.piece is not None and reply.piece.fill == self._restart:
                        self._restart = None
                    return Step("fits", got)
        return Step("stuck", why="somebody else moves the cursor all the time")

    def _fit(self, reader: Reader, pulled: Pulled, item: BundleItem) -> Fit:
        assert item.reply is not None
        assert item.reply.batch is not None
        piece, batch = item.reply.piece, item.reply.batch
        if piece is None:
            return fit_of(batch, pulled.cursor)
        if batch.after > pulled.cursor:
            return "ahead"
        gone = pulled.cursor != batch.after if item.initial else pulled.cursor > item.end
        if gone or piece.fill in bundles.filled(reader):
            return "behind"  # the log has brought what a piece of then must not overwrite (P27)
        return "fits" if self._follows(pulled, piece) else "behind"

    def _follows(self, pulled: Pulled, piece: Piece) -> bool:
        """Whether the fill stands here just where the piece begins."""
        if pulled.fill == piece.fill and pulled.fill_type != "":
            return self._restart == piece.fill or _place_of(piece) == (pulled.fill_type, pulled.fill_after)
        newer = pulled.fill is None or pulled.fill < piece.fill
        return newer and piece.after is None and piece.done == 0

    def _moved_stores(self, reply: PullReply) -> list[str]:
        """The stores that have been handed over since the reply was made (P32)."""
        facts, epochs = self._here.facts, reply.batch.epochs if reply.batch is not None else {}
        return sorted(facts.code(store) for store, epoch in epochs.items() if facts.epoch(store) != epoch)


class _Carried:
    """What a bundle holds of the primary, when the first sync asks for digests (P28)."""

    def __init__(self, heard: Heard, items: Items) -> None:
        self._heard, self._items = heard, items
        self._pieces: Iterator[Piece] | None = None

    def pull(self, pull: Pull) -> PullReply:
        """The digests of the next piece of the fill."""
        if self._pieces is None or pull.fill is None or pull.fill[1] == "":
            self._pieces = self._fill()
        piece = next(self._pieces, None)
        if not pull.digests or piece is None:
            raise BundleRefused(
                "both ends hold records, and this bundle does not hold all that they are compared with",
                hint="export here, import that there, and export there again",
            )
        types = tuple(map(self._digested, piece.types))
        return PullReply(piece=msgspec.structs.replace(piece, types=types, digests=True), level=False)

    def _digested(self, changes: TypeChanges) -> TypeChanges:
        types, theirs = self._heard.here.types, self._heard.link.spoken[changes.type]
        mine = types.types[changes.type]
        shared = in_common(theirs.key, (changes.columns, theirs.kinds), (mine.columns, kinds_of(types, mine)))
        return digested(changes, len(theirs.key), shared)

    def _fill(self) -> Iterator[Piece]:
        for item in self._items():
            if item.reply is not None and item.reply.piece is not None and item.initial:
                yield item.reply.piece
