"""Capture: which records changed beyond a cursor, so cut that no family is torn apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msyncd.databases.interface import Reader
from msyncd.databases.values import Entry, Interest, LogPage
from msyncd.flow.ahead import Ahead
from msyncd.flow.fold import Folded, fold
from msyncd.flow.reach import Family, Found, families, family_of, hidden
from msyncd.flow.types import TypeSet
from msyncd.model import Cursor

FEW = 1000
"""Entries that a family may bring with it in any case."""


@dataclass(frozen=True, slots=True)
class Window:
    """The changes in (after, upto] of a change log, folded by record type. `end` is the log's own end."""

    after: Cursor
    upto: Cursor
    end: Cursor
    folded: dict[str, Folded]
    entries: int
    """Entries of the log in (after, upto]."""
    records: int = 0
    """Entries that had not gone before, and those that go before their turn."""
    early: Mapping[Family, Cursor] = field(default_factory=dict)
    """Families of which entries go before their turn, and the place behind which they have none."""

    @property
    def more(self) -> bool:
        """Whether the log goes on."""
        return self.upto < self.end


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A page, its entries that are still to go, and those of the same families that go with them."""

    page: LogPage
    fresh: list[Entry]
    later: list[Found]


def read_window(
    reader: Reader, types: TypeSet, after: Cursor, entries: int, most: int, interest: Interest | None, ahead: Ahead
) -> Window:
    """Read up to so many entries, and with each header or line all that changed in its family up to now (P9).

    What went before its turn, as `ahead` remembers, is passed over. Fewer entries are read if they would bring much
    more than `most` records; a family that is larger by itself comes whole.
    """
    one = _stretch(reader, types, after, entries, most, interest, ahead)
    widths = {types.ids[name]: len(record_type.key) for name, record_type in types.types.items()}
    names = types.names
    going = [*one.fresh, *(entry for found in one.later for entry in found.entries)]
    going += hidden(reader, types, going)
    folded = {names[type_id]: folded for type_id, folded in fold(going, widths).items()}
    early = _early(types, one.later)
    return Window(after, one.page.upto, one.page.end, folded, len(one.page.entries), len(going), early)


def _early(types: TypeSet, later: list[Found]) -> dict[Family, Cursor]:
    parents, headers = types.parent_ids, types.header_ids
    early: dict[Family, Cursor] = {}
    for found in sorted(later, key=lambda one: one.horizon):
        for family in {family_of(entry, parents, headers) for entry in found.entries} - {None}:
            early[family] = found.horizon  # type: ignore[index]  # None was taken out
    return early


def _stretch(
    reader: Reader, types: TypeSet, after: Cursor, entries: int, most: int, interest: Interest | None, ahead: Ahead
) -> _Stretch:
    while True:
        page = reader.log_page(after, entries, interest)
        fresh = ahead.fresh(page, types)
        alone = len(page.entries) <= 1
        if len(fresh) > most and not alone:
            entries = most
            continue
        if not fresh or page.upto >= page.end:
            return _Stretch(page, fresh, [])
        reach = ahead.reach(reader, types, after, page)
        later = families(reader, types, fresh, page, reach, None if alone else max(most, FEW))
        if later is not None:
            return _Stretch(page, fresh, later)
        entries = max(1, len(page.entries) // 4)
