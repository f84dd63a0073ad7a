"""Which items of a bundle presume others: what went ahead of its turn is not written a second time (P9).

An item that passes something over is right only for a receiver that has taken in the item where that went. All others
stand by themselves: a receiver may begin at any of them.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from msyncd.databases.values import Entry, LogPage
from msyncd.flow.ahead import MOST, Ahead, Sent
from msyncd.flow.reach import Family
from msyncd.flow.types import TypeSet
from msyncd.model import Cursor

T = TypeVar("T")


class ByItem(Ahead):
    """Remembers with which item each family went, and from which on the present one presumes others."""

    def __init__(self, item: int) -> None:
        super().__init__()
        self._first = self._item = item
        self._went: dict[Family, int] = {}
        self._passed: int | None = None
        self.presumes: int | None = None

    def begin(self, item: int) -> None:
        """The next item is read."""
        self._item, self.presumes = item, None

    def fresh(self, page: LogPage, types: TypeSet) -> list[Entry]:
        """As the others do; and what was passed over."""
        self._passed = None
        return super().fresh(page, types)

    def _gone(self, family: Family | None, upto: Cursor) -> bool:
        gone = super()._gone(family, upto)
        if gone and family is not None:
            self._passed = _lesser(self._passed, self._went.get(family, self._first))
        return gone

    def went(self, window: Sent) -> None:
        """As the others do; the window counts, and so does what it passed over."""
        super().went(window)
        if len(self._went) > MOST:
            self._went.clear()  # what is forgotten went with the first item at the earliest
        self._went.update(dict.fromkeys(window.early, self._item))
        if self._passed is not None:
            self.presumes = _lesser(self.presumes, self._passed)


class Runs:
    """Reads items one after the other. One that holds a place where a receiver may well stand presumes nothing."""

    def __init__(self, places: Iterable[Cursor], first: int) -> None:
        self._places, self._item = frozenset(places), first - 1
        self._ahead = ByItem(first)

    def read(
        self, after: Cursor, reading: Callable[[Ahead], T], upto: Callable[[T], Cursor]
    ) -> tuple[T, int, int | None]:
        """What `reading` reads behind a cursor, its number, and from which item on it presumes others."""
        self._item += 1
        self._ahead.begin(self._item)
        found = reading(self._ahead)
        if self._ahead.presumes is not None and any(after <= one < upto(found) for one in self._places):
            self._ahead = ByItem(self._item)
            found = reading(self._ahead)
        return found, self._item, self._ahead.presumes


def _lesser(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)
