"""Capture: which records changed beyond a cursor, so cut that no family is torn apart."""

from dataclasses import dataclass

from msyncd.databases.interface import KEY, TYPE, Interest, Reader
from msyncd.flow.ahead import Ahead, Record, families
from msyncd.flow.fold import Folded, fold
from msyncd.flow.types import TypeSet
from msyncd.model import Cursor


@dataclass(frozen=True, slots=True)
class Window:
    """The changes in (after, upto] of a change log, folded by record type. `end` is the log's own end."""

    after: Cursor
    upto: Cursor
    end: Cursor
    folded: dict[str, Folded]
    entries: int
    ahead: frozenset[Record] = frozenset()
    """Records that are taken in before their own turn."""
    passed: frozenset[Record] = frozenset()
    """Records whose turn this was and that had gone before."""

    @property
    def more(self) -> bool:
        """Whether the log goes on."""
        return self.upto < self.end


def read_window(
    reader: Reader, types: TypeSet, after: Cursor, limit: int, interest: Interest | None, ahead: Ahead
) -> Window:
    """Read up to `limit` entries, and with each header or line all that changed in its family up to now (P9).

    What went before its turn, as `ahead` remembers, is passed over.
    """
    page = reader.log_page(after, limit, interest)
    widths = {types.ids[name]: len(one.key) for name, one in types.types.items()}
    entries, passed = ahead.fresh(page, widths)
    going_ahead: frozenset[Record] = frozenset()
    if page.upto < page.end and entries:
        later = families(reader, types, entries, page, ahead.reach(reader, types, after, page))
        going_ahead = frozenset((one[TYPE], one[KEY : KEY + widths.get(one[TYPE], 1)]) for one in later)
        entries = entries + later
    names = types.names
    folded = {names[type_id]: one for type_id, one in fold(entries, widths).items()}
    return Window(after, page.upto, page.end, folded, len(page.entries), going_ahead, frozenset(passed - going_ahead))
