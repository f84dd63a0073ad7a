"""Marks (P8): what a sender noted durably before a batch left, so that a restored backup betrays itself."""

from secrets import token_hex

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.ledger import meta
from msyncd.model import START, Cursor

SHARED = 0
"""The peer of the primary's marks: one serves all sites."""


def note(writer: Writer, peer: int, after: Cursor, upto: Cursor, now: str, *, mark: str | None = None) -> str:
    """Note what is about to be sent. Durable with the transaction, and so is all that was read before it.

    `mark` is given where it is in what is sent already; nothing of that may have left.
    """
    mark = mark or token_hex(8)
    writer.insert(
        "msyncd_mark",
        [
            {
                "mark": mark,
                "peer": peer,
                "after_major": after.major,
                "after_seq": after.seq,
                "upto_major": upto.major,
                "upto_seq": upto.seq,
                "at": now,
                "confirmed": 0,
                "number": meta.next_number(writer, "mark_number"),
            }
        ],
    )
    return mark


def knows(reader: Reader, peer: int, mark: str) -> bool:
    """Whether the mark is one that this database noted and has not outlived: the last confirmed, or one since."""
    return bool(reader.execute("SELECT 1 FROM msyncd_mark WHERE peer = ? AND mark = ?", (peer, mark)))


def reach(reader: Reader, peer: int, mark: str) -> Cursor:
    """How far a mark reaches; START if it is not known."""
    found = reader.execute("SELECT upto_major, upto_seq FROM msyncd_mark WHERE peer = ? AND mark = ?", (peer, mark))
    return Cursor(int(str(found[0][0])), int(str(found[0][1]))) if found else START


def known(reader: Reader, peer: int, since: str = "") -> set[str]:
    """The marks that a peer may show: the last that was confirmed, `since` if it is given, and all noted after it."""
    first = reader.execute("SELECT number FROM msyncd_mark WHERE peer = ? AND mark = ?", (peer, since))
    number = first[0][0] if first else 0
    rows = reader.execute("SELECT mark FROM msyncd_mark WHERE peer = ? AND number >= ?", (peer, number))
    return {str(mark) for (mark,) in rows}


def uptos(reader: Reader, peer: int) -> set[Cursor]:
    """The places up to which a peer may have what was sent it since the last that was confirmed."""
    rows = reader.execute("SELECT DISTINCT upto_major, upto_seq FROM msyncd_mark WHERE peer = ?", (peer,))
    return {Cursor(int(str(major)), int(str(seq))) for major, seq in rows}


def confirm(writer: Writer, peer: int, mark: str) -> None:
    """The receiver holds this mark: forget those before it."""
    found = writer.execute("SELECT number FROM msyncd_mark WHERE peer = ? AND mark = ?", (peer, mark))
    if found:
        writer.execute("DELETE FROM msyncd_mark WHERE peer = ? AND number < ?", (peer, found[0][0]))
        writer.execute("UPDATE msyncd_mark SET confirmed = 1 WHERE mark = ?", (mark,))


def confirmed(reader: Reader, peer: int) -> str:
    """The last mark that a peer was seen to hold; "" if there is none."""
    found = reader.execute(
        "SELECT mark FROM msyncd_mark WHERE peer = ? AND confirmed = 1 ORDER BY number DESC LIMIT 1", (peer,)
    )
    return str(found[0][0]) if found else ""


def newest(reader: Reader, peer: int) -> tuple[str, Cursor]:
    """The newest mark and how far it reaches; ("", START) if there is none."""
    found = reader.execute(
        "SELECT mark, upto_major, upto_seq FROM msyncd_mark WHERE peer = ? ORDER BY number DESC LIMIT 1", (peer,)
    )
    return (str(found[0][0]), Cursor(int(str(found[0][1])), int(str(found[0][2])))) if found else ("", START)


def forget_shared(writer: Writer, still_held: set[str]) -> None:
    """Forget the primary's marks that are older than every one that a satellite still shows."""
    rows = writer.execute("SELECT mark, number FROM msyncd_mark WHERE peer = ?", (SHARED,))
    held = [int(str(number)) for mark, number in rows if mark in still_held]
    if held:
        writer.execute("DELETE FROM msyncd_mark WHERE peer = ? AND number < ?", (SHARED, min(held)))
