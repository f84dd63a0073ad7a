"""The primary's store facts are settled anew when the application's table of stores has changed (P31)."""

import time
from collections.abc import Callable

from msyncd.daemon.loop import Loop
from msyncd.daemon.site import Site
from msyncd.databases.values import Interest
from msyncd.flow.advancing import settle_facts
from msyncd.flow.facts import declared_stores
from msyncd.flow.here import Here
from msyncd.flow.wishes import in_force
from msyncd.model import Cursor

LOOK_SECONDS = 5.0
_UNDECLARED_SECONDS = 30.0
_PAGE = 1000


class Settling:
    """`step` reads the log for entries of that table; where it is no record type, it reads the table now and then."""

    def __init__(self, site: Site, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._site = site
        self._seen: tuple[Here, Cursor] | None = None
        self.loop = Loop("store facts", self.step, clock=clock)

    def step(self) -> float:
        """One look."""
        with self._site.boundary.shared():
            here = self._site.here
            if here.settings.stores is None or not here.database.leads():
                return _UNDECLARED_SECONDS
            types = _types_of(here, here.settings.stores.table)
            with here.database.read() as reader:
                end = reader.log_end()
            if not types or self._changed(here, types):
                self._settle(here)
            self._seen = self._site.here, end
        return LOOK_SECONDS if types else _UNDECLARED_SECONDS

    def _changed(self, here: Here, types: frozenset[int]) -> bool:
        """Whether the log has entries of these types beyond what was seen. After a swap: as if it had."""
        if self._seen is None or self._seen[0].settings is not here.settings:
            return True
        with here.database.read() as reader:
            interest = Interest(here.site, types, frozenset(), frozenset())
            return bool(reader.log_page(self._seen[1], _PAGE, interest).entries)

    def _settle(self, here: Here) -> None:
        with here.database.read() as reader:
            stores = declared_stores(reader, in_force(reader, here), here.types)
        known = {store: (fact.code, fact.name) for store, fact in here.facts.stores.items()}
        if all(known.get(one.store) == (one.code, one.name) for one in stores.values()) and len(known) == len(stores):
            return
        with here.database.write() as writer:
            settled = settle_facts(writer, here)
        if settled.here is not here:
            self._site.here = settled.here
            self._site.wake()
        settled.tell()
        if settled.problems:
            self._site.problems = tuple(dict.fromkeys((*self._site.problems, *settled.problems)))


def _types_of(here: Here, table: str) -> frozenset[int]:
    wanted = table.casefold()
    return frozenset(
        here.types.ids[name]
        for name, one in here.types.types.items()
        if one.table.casefold() == wanted and name in here.types.ids
    )
