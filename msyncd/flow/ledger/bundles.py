"""Bundles (P37): those that were exported for a peer, those that it has vouched for, those that are kept."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.bundle.messages import BundleEnd, BundleHead, BundleItem
from msyncd.flow.ledger import meta
from msyncd.model import Cursor

UNDER_WAY = 20
"""So many of the last bundles for a peer may still be under way."""

_encode = msgspec.msgpack.Encoder().encode
_both = msgspec.msgpack.Decoder(tuple[BundleHead, BundleEnd]).decode
_item = msgspec.msgpack.Decoder(BundleItem).decode


# --- exported ---------------------------------------------------------------------------------------------------------


def note_exported(writer: Writer, peer: int, number: int, mark: str, upto: Cursor, now: str) -> None:
    """A bundle is about to have its name."""
    writer.put(
        "msyncd_exported",
        {"peer": peer, "number": number},
        {"mark": mark, "upto_major": upto.major, "upto_seq": upto.seq, "at": now},
    )
    rows = writer.execute("SELECT number FROM msyncd_exported WHERE peer = ? ORDER BY number DESC", (peer,))
    for (old,) in rows[UNDER_WAY:]:
        writer.execute("DELETE FROM msyncd_exported WHERE peer = ? AND number = ?", (peer, old))


def under_way(reader: Reader, peer: int) -> tuple[str, ...]:
    """The marks of the last bundles for a peer, oldest first."""
    rows = reader.execute("SELECT mark FROM msyncd_exported WHERE peer = ? ORDER BY number", (peer,))
    return tuple(str(mark) for (mark,) in rows)


def exported_places(reader: Reader, peer: int) -> set[Cursor]:
    """The places where the last bundles for a peer end."""
    rows = reader.execute("SELECT upto_major, upto_seq FROM msyncd_exported WHERE peer = ?", (peer,))
    return {Cursor(int(str(major)), int(str(seq))) for major, seq in rows}


def exported_upto(reader: Reader, peer: int) -> Cursor | None:
    """How far the last bundle for a peer goes; None if there was none."""
    rows = reader.execute(
        "SELECT upto_major, upto_seq FROM msyncd_exported WHERE peer = ? ORDER BY number DESC LIMIT 1", (peer,)
    )
    return Cursor(int(str(rows[0][0])), int(str(rows[0][1]))) if rows else None


# --- at the receiver --------------------------------------------------------------------------------------------------


def vouch(writer: Writer, peer: int, marks: Iterable[str]) -> None:
    """The peer itself has named these: they are no restored backup's, whatever has come since."""
    for mark in sorted(set(marks) - vouched(writer, peer)):
        writer.put("msyncd_vouched", {"peer": peer, "mark": mark}, {})


def vouched(reader: Reader, peer: int) -> set[str]:
    """The marks that the peer has named."""
    return {str(mark) for (mark,) in reader.execute("SELECT mark FROM msyncd_vouched WHERE peer = ?", (peer,))}


def last_taken(reader: Reader, peer: int, database_id: str) -> int:
    """The number of the newest bundle of a peer's database that was imported; 0 if none was."""
    database, _, number = (meta.get(reader, f"bundle:{peer}") or "").partition(" ")
    return int(number) if database == database_id and number else 0


def note_taken(writer: Writer, peer: int, database_id: str, number: int) -> None:
    """A bundle is being imported."""
    if number > last_taken(writer, peer, database_id):
        meta.put(writer, f"bundle:{peer}", f"{database_id} {number}")


@dataclass(frozen=True, slots=True)
class Streak:
    """Batches of a bundle that were taken in one by one, and nothing of it left out between: from which to which."""

    mark: str
    first: int
    last: int

    def follows(self, mark: str, number: int) -> bool:
        """Whether a batch goes on where it ends."""
        return (self.mark, self.last + 1) == (mark, number)


def streak(reader: Reader, peer: int) -> Streak:
    """The last batches of a peer's bundles that were taken in."""
    mark, first, last = (meta.get(reader, f"streak:{peer}") or " 0 0").split(" ")
    return Streak(mark, int(first), int(last))


def note_streak(writer: Writer, peer: int, streak: Streak) -> None:
    """Batches were taken in; it commits with their rows."""
    meta.put(writer, f"streak:{peer}", f"{streak.mark} {streak.first} {streak.last}")


def note_filled(writer: Writer, fill: int) -> None:
    """A bundle has completed a fill here; the primary is told with each pull. A number is never given twice."""
    known = [*filled(writer), fill][-UNDER_WAY:]
    meta.put(writer, "filled", " ".join(map(str, known)))


def filled(reader: Reader) -> tuple[int, ...]:
    """The fills that bundles have completed here, the last ones."""
    return tuple(map(int, (meta.get(reader, "filled") or "").split()))


# --- kept until a gap closes ------------------------------------------------------------------------------------------


def keep(writer: Writer, head: BundleHead, at: int, item: BundleItem) -> None:
    """Keep an item, counted from 1; with the first of a bundle, whatever was kept of it before goes."""
    if at == 1:
        drop(writer, head.sender, head.number)
    writer.insert("msyncd_kept", [{"peer": head.sender, "number": head.number, "item": at, "body": _encode(item)}])


def keep_whole(writer: Writer, head: BundleHead, end: BundleEnd) -> None:
    """All its items are kept: from now on it counts."""
    writer.insert(
        "msyncd_kept", [{"peer": head.sender, "number": head.number, "item": 0, "body": _encode((head, end))}]
    )


def kept(reader: Reader) -> list[tuple[BundleHead, BundleEnd]]:
    """The bundles that are kept whole, oldest first."""
    rows = reader.execute("SELECT body FROM msyncd_kept WHERE item = 0 ORDER BY peer, number")
    return [_both(body) for (body,) in rows]  # type: ignore[arg-type]  # bytes


def kept_item(reader: Reader, head: BundleHead, after: int) -> tuple[int, BundleItem] | None:
    """The next item of a bundle that is kept, behind one, with its place; None if that was the last."""
    rows = reader.execute(
        "SELECT item, body FROM msyncd_kept WHERE peer = ? AND number = ? AND item > ? ORDER BY item LIMIT 1",
        (head.sender, head.number, after),
    )
    return (int(str(rows[0][0])), _item(rows[0][1])) if rows else None  # type: ignore[arg-type]  # bytes


def drop(writer: Writer, peer: int, number: int) -> None:
    """Nothing of a bundle is needed any more."""
    writer.execute("DELETE FROM msyncd_kept WHERE peer = ? AND number = ?", (peer, number))


def forget(writer: Writer, peer: int) -> None:
    """A peer's database was replaced: its bundles are strangers'."""
    for table in ("msyncd_exported", "msyncd_vouched", "msyncd_kept", "msyncd_pulled"):
        writer.execute(f"DELETE FROM {table} WHERE peer = ?", (peer,))
