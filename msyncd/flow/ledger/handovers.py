"""What the primary notes of each hand-over beside the facts (P34)."""

from dataclasses import dataclass

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.ledger import meta
from msyncd.model import START, Cursor, Value

FORCE = "force:"
"""In msyncd_meta, behind it a store: its old site is not to be waited for, if it moves to the site of the value."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What is known of a hand-over. None: not known yet.

    `upto`: where the primary's log stood when the store was drained. `drained`: whether the old site has sent all that
    it had. `kept_there`, `kept_here`: how many of the store's changes are kept aside at the old and at the new site.
    """

    since: str = ""
    upto: Cursor = START
    drained: bool | None = None
    kept_there: int | None = None
    kept_here: int | None = None


def noted(reader: Reader, store: str) -> Noted:
    """What is known of a store's hand-over."""
    rows = reader.execute(
        "SELECT since, upto_major, upto_seq, drained, kept_there, kept_here FROM msyncd_hand_over WHERE store = ?",
        (store,),
    )
    if not rows:
        return Noted()
    since, major, seq, drained, there, here = rows[0]
    upto = START if major is None else Cursor(int(str(major)), int(str(seq)))
    return Noted(str(since or ""), upto, None if drained is None else bool(drained), _number(there), _number(here))


def note(writer: Writer, store: str, **values: Value) -> None:
    """Note things about a store's hand-over, by the ledger's column names."""
    writer.put("msyncd_hand_over", {"store": store}, values)


def force(writer: Writer, store: str, site: int) -> None:
    """An admin says that the old site is not to be waited for when the store moves to that site."""
    meta.put(writer, FORCE + store, str(site))


def forced(reader: Reader) -> dict[str, int]:
    """The stores of which that was said, and the site to which they are then to move."""
    rows = reader.execute("SELECT name, value FROM msyncd_meta WHERE name LIKE 'force:%'")
    return {str(name).removeprefix(FORCE): int(str(site)) for name, site in rows}


def forget_forced(writer: Writer, store: str) -> None:
    """It was done, or is not wanted any more."""
    writer.execute("DELETE FROM msyncd_meta WHERE name = ?", (FORCE + store,))


def begin_filling(writer: Writer, store: str) -> None:
    """All of the store is in the primary's log now, or in its tables: what the new site is to receive lies before."""
    upto = writer.log_written()
    note(writer, store, upto_major=upto.major, upto_seq=upto.seq, kept_here=None)


def _number(value: Value) -> int | None:
    return None if value is None else int(str(value))
