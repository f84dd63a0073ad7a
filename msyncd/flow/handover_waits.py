"""What a hand-over waits for, in words; nothing means that its next step is due (P34). Asked on the primary."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from msyncd.databases.interface import Reader
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside, asked, fills, handovers, sites
from msyncd.flow.ledger.handovers import Noted
from msyncd.model import PRIMARY, HandOver, StoreFact


def waits_for(reader: Reader, here: Here, fact: StoreFact) -> str | None:
    """What keeps a store's hand-over from its next step; None: nothing does."""
    way = fact.hand_over
    assert way is not None
    noted = handovers.noted(reader, fact.store)
    if asked.asking(reader):
        return "the satellites, which the primary asks for what it lost"
    if way.step == "draining":
        obstacles = _draining(reader, here, fact, way, noted)
    else:
        obstacles = _filling(reader, here, fact, way, noted)
    return next(chain(obstacles, _kept(reader, here, fact, way, noted)), None)


def _draining(reader: Reader, here: Here, fact: StoreFact, way: HandOver, noted: Noted) -> Iterator[str]:
    old = way.from_site
    if old == PRIMARY:  # its guard closed in the transaction that noted the hand-over
        return
    if old not in here.facts.sites:
        yield f"site {old}, which is no longer in sync_with: list it until it has sent what it has"
    if noted.drained is None:
        yield f"site {old} to hear of it"
    yield from _stopped(reader, here, old)
    if any(one.store == fact.store for one in fills.wanted(reader)):
        yield f"site {old} to send all records of the store, of which the primary keeps no copy"
    if not noted.drained:
        yield f"site {old} to send what it has written"


def _filling(reader: Reader, here: Here, fact: StoreFact, way: HandOver, noted: Noted) -> Iterator[str]:
    new = way.to_site
    if new == PRIMARY:
        return
    known = sites.known(reader, new)
    if known.database_id is None:
        yield f"site {new}, which has not joined yet"
    yield from _stopped(reader, here, new)
    if not is_filled(reader, fact.store, new):
        yield f"site {new} to be filled"
    if known.confirmed < noted.upto:
        yield f"site {new} to receive what has changed"
    if noted.kept_here is None:
        yield f"site {new} to say that it has it all"


def _stopped(reader: Reader, here: Here, site: int | None) -> Iterator[str]:
    """Record types of stores that do not travel between here and an end: nobody can say of them that all is there."""
    stopped = {**here.types.stopped, **(sites.known(reader, site or 0).stopped or {})}
    for one in here.settings.record_types:
        if one.edited_on == "active_site" and one.name in stopped:
            yield f"record type {one.name}, which is stopped: {stopped[one.name]}"


def is_filled(reader: Reader, store: str, site: int) -> bool:
    """Whether no fill is owed to a site that may bring records of a store."""
    return not any(one.stores is None or store in one.stores for one in fills.fills(reader, site))


def _kept(reader: Reader, here: Here, fact: StoreFact, way: HandOver, noted: Noted) -> Iterator[str]:
    """Changes of the store that are kept aside at the old site, at the new one, or here."""
    if way.step == "draining" and noted.kept_there:
        yield _kept_on(way.from_site, noted.kept_there)
    if way.step == "filling" and noted.kept_here:
        yield _kept_on(way.to_site, noted.kept_here)
    here_too = kept_aside(reader, here, fact.store, way.from_site)
    if here_too and not way.forced:  # what the dead site had sent is kept, and never applied by itself
        yield _kept_on(PRIMARY, here_too)


def kept_aside(reader: Reader, here: Here, store: str, origin: int | None) -> int:
    """How many changes of a store wait or are in quarantine on this site."""
    types = [name for name, one in here.types.types.items() if one.edited_on == "active_site"]
    return aside.count_of_store(reader, store, types, origin=origin)


def _kept_on(site: int | None, number: int) -> str:
    changes = "1 change of it that waits or is" if number == 1 else f"{number} changes of it that wait or are"
    return f"{changes} in quarantine on site {site}: retry or discard there"


# --- for people -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HandOverStatus:
    """A hand-over under way. `since` and `waits_for` are known on the primary only; None: not known, or nothing."""

    store: str
    code: str
    from_site: int | None
    to_site: int
    step: str
    forced: bool
    since: str | None = None
    waits_for: str | None = None

    def words(self) -> str:
        """One line of it."""
        if self.from_site == self.to_site:
            waits = f"; waits for {self.waits_for}" if self.waits_for else ""
            return f"store {self.code} is being taken back by site {self.to_site}, restored from a backup{waits}"
        whence = f" from site {self.from_site}" if self.from_site is not None else ""
        without = f", without waiting for site {self.from_site}" if self.forced else ""
        waits = f"; waits for {self.waits_for}" if self.waits_for else ""
        return f"store {self.code} is being handed over{whence} to site {self.to_site}{without}{waits}"


def hand_overs(reader: Reader, here: Here) -> tuple[HandOverStatus, ...]:
    """Every hand-over under way, by the store's code."""
    under_way = [one for one in here.facts.stores.values() if one.hand_over is not None]
    return tuple(_status(reader, here, one) for one in sorted(under_way, key=lambda one: (one.code, one.store)))


def _status(reader: Reader, here: Here, fact: StoreFact) -> HandOverStatus:
    way = fact.hand_over
    assert way is not None
    known = HandOverStatus(fact.store, fact.code, way.from_site, way.to_site, way.step, way.forced)
    if not here.is_primary:
        return known
    since = handovers.noted(reader, fact.store).since or None
    return replace(known, since=since, waits_for=waits_for(reader, here, fact))
