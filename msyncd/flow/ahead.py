"""Families that went before their turn, with a page that touched them (P9), so that they go only once."""

from collections.abc import Mapping
from typing import Protocol

from msyncd.databases.interface import Reader
from msyncd.databases.values import Entry, LogPage
from msyncd.flow import reach
from msyncd.flow.reach import Family, Reach, family_of
from msyncd.flow.types import TypeSet
from msyncd.model import Cursor, Value

MOST = 100_000
"""Families that are remembered, in about 20 MB. What is forgotten costs time only."""
GROWTH = 4
"""How many times as many entries may be read in the next step as in the last."""


class Sent(Protocol):
    """A window that is being sent."""

    @property
    def upto(self) -> Cursor: ...
    @property
    def end(self) -> Cursor: ...
    @property
    def early(self) -> Mapping[Family, Cursor]: ...
    @property
    def entries(self) -> int: ...
    @property
    def records(self) -> int: ...


class Ahead:
    """Which families went whole, so that what went before its turn is not sent a second time when its turn comes.

    It holds for one unbroken run of batches: after anything else than "applied", begin with a new one. Each family is
    kept with the log's end when it was read: what was logged since is news. One that does not reach far is forgotten
    once the run is past its entries, so that in most logs next to nothing is remembered.
    """

    def __init__(self) -> None:
        self._near: dict[Family, tuple[Cursor, Cursor]] = {}
        self._far: dict[int, dict[Value, Cursor | None]] = {}
        self._looked: Cursor | None = None
        self._too_many = False
        self._share = 1.0

    @property
    def remembered(self) -> int:
        """How many families."""
        return len(self._near) + sum(map(len, self._far.values()))

    def entries(self, records: int) -> int:
        """How many entries to read for so many records, by what the last ones brought with them."""
        return max(1, min(records, int(records * self._share)))

    def fresh(self, page: LogPage, types: TypeSet) -> list[Entry]:
        """The entries of a page that have not gone."""
        if not self.remembered:
            return page.entries
        parents, headers = types.parent_ids, types.header_ids
        return [one for one in page.entries if not self._gone(family_of(one, parents, headers), page.upto)]

    def _gone(self, family: Family | None, upto: Cursor) -> bool:
        if family is None:
            return False
        until = self._far.get(family[0], {}).get(family[1])
        if until is None:
            until = self._near.get(family, (None, None))[0]
        return until is not None and upto <= until

    def went(self, window: Sent) -> None:
        """The window is being sent: remember the families that went whole, forget those that the run has passed."""
        self._near = {family: one for family, one in self._near.items() if one[1] > window.upto}
        if len(self._near) > MOST:
            self._near.clear()
        for family, horizon in window.early.items():
            far = self._far.get(family[0], {})
            if family[1] in far:
                far[family[1]] = window.end
            else:
                self._near[family] = (window.end, horizon)
        if window.entries:
            self._share = min(1.0, GROWTH * self._share, window.entries / max(window.records, 1))

    def reach(self, reader: Reader, types: TypeSet, after: Cursor, page: LogPage) -> Reach:
        """Which families reach far. A long log is looked through once for them."""
        if self._looked is None and not self._too_many and reader.log_beyond(page.upto, reach.FAR) < page.end:
            wide = reader.log_wide_families(after, page.end, types.parent_ids, reach.NEAR, MOST + 1)
            self._too_many = len(wide) > MOST
            self._looked = page.end
            for type_id, key in () if self._too_many else wide:
                self._far.setdefault(type_id, {})[key] = None
        return Reach() if self._looked is None or self._too_many else Reach(self._looked, self._far)
