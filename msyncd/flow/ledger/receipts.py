"""Receipts (P14): what the primary has applied of each satellite; and where a satellite stands in the primary's log."""

from dataclasses import dataclass

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.values import packed, unpacked
from msyncd.model import START, Cursor, Row


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far a site's change log has been applied here, and the mark of the last batch."""

    site: int
    database_id: str
    generation: int
    cursor: Cursor = START
    mark: str = ""


def receipt_of(reader: Reader, site: int, database_id: str, generation: int) -> Receipt | None:
    """The receipt of one database of a site, if any batch or hello of it was ever heard."""
    found = reader.execute(
        "SELECT cursor_major, cursor_seq, mark FROM msyncd_receipt"
        " WHERE site = ? AND database_id = ? AND generation = ?",
        (site, database_id, generation),
    )
    if not found:
        return None
    major, seq, mark = found[0]
    return Receipt(site, database_id, generation, Cursor(int(str(major)), int(str(seq))), str(mark))


def put_receipt(writer: Writer, receipt: Receipt) -> None:
    """Note a receipt; it commits with the rows: a lost reply only replays."""
    writer.put(
        "msyncd_receipt",
        {"site": receipt.site, "database_id": receipt.database_id, "generation": receipt.generation},
        {"cursor_major": receipt.cursor.major, "cursor_seq": receipt.cursor.seq, "mark": receipt.mark},
    )


@dataclass(frozen=True, slots=True)
class Pulled:
    """A satellite's place in its primary's log (P15), and in a fill: its number, record type, last key.

    `fill_type` "" with a fill: that fill is complete here, and the primary has not heard so yet.
    """

    cursor: Cursor = START
    mark: str = ""
    fill: int | None = None
    fill_type: str = ""
    fill_after: Row | None = None


def pulled_from(reader: Reader, peer: int) -> Pulled | None:
    """Where this satellite stands; None before its first pull."""
    found = reader.execute(
        "SELECT cursor_major, cursor_seq, mark, fill, fill_type, fill_after FROM msyncd_pulled WHERE peer = ?", (peer,)
    )
    if not found:
        return None
    major, seq, mark, fill, fill_type, after = found[0]
    return Pulled(
        Cursor(int(str(major)), int(str(seq))),
        str(mark),
        None if fill is None else int(str(fill)),
        str(fill_type or ""),
        None if after is None else unpacked(after),
    )


def put_pulled(writer: Writer, peer: int, pulled: Pulled) -> None:
    """Note where this satellite stands now; it commits with the rows."""
    writer.put(
        "msyncd_pulled",
        {"peer": peer},
        {
            "cursor_major": pulled.cursor.major,
            "cursor_seq": pulled.cursor.seq,
            "mark": pulled.mark,
            "fill": pulled.fill,
            "fill_type": pulled.fill_type,
            "fill_after": packed(pulled.fill_after),
        },
    )
