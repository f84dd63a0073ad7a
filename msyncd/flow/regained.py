"""Store facts that a restored primary lost come back from its satellites (P31, P35).

A satellite is believed about where a store is only as far as the primary's YAML wishes the store there: the wish is an
admin's, and no satellite can write it. The highest epoch stands; of a hand-over that was under way, the beginning.
"""

from dataclasses import dataclass, replace

from msyncd.errors import MessageInvalid
from msyncd.flow.conversation import SpokenStore, Standpoint
from msyncd.flow.here import Here
from msyncd.model import PRIMARY, Facts, HandOver, StoreFact

MOST = 1 << 48
"""Numbers of facts and epochs that anybody has come to by itself lie far below."""


@dataclass(frozen=True, slots=True)
class Regained:
    """The facts with what a satellite knows better; or in `problem` why that is not believed, in words.

    `moved`: a store is otherwise than before, so what was given before may not be all that is wanted now.
    """

    facts: Facts
    moved: bool = False
    problem: str = ""


def regained(here: Here, site: int, told: Standpoint) -> Regained:
    """What a satellite's facts add to those here. Raises MessageInvalid for numbers that nobody has come to."""
    epochs = [one.epoch for one in told.stores]
    if not all(0 <= one < MOST for one in (*epochs, told.facts_number, told.generation)):
        raise MessageInvalid("a number of store facts lies beyond all that can be")
    changed: dict[str, StoreFact] = {}
    for one in told.stores:
        home = one.to_site if one.to_site is not None else one.active_site
        mine = here.facts.stores.get(one.store)
        if home is None or (mine is not None and not _is_later(one, mine)):
            continue
        wish = _wish(here, one, mine)
        if wish != home:
            return Regained(here.facts, problem=_words(site, one, home, wish))
        changed[one.store] = _fact(one, mine, home)
    number = max(here.facts.number, told.facts_number)
    if not changed and number == here.facts.number:
        return Regained(here.facts)
    stores = {**here.facts.stores, **changed}
    sites = {
        sync_id: replace(one, active_stores=frozenset(s for s, fact in stores.items() if fact.active_site == sync_id))
        for sync_id, one in here.facts.sites.items()
    }
    return Regained(Facts(number + 1, stores, sites), moved=bool(changed))


def _is_later(one: SpokenStore, mine: StoreFact) -> bool:
    """Whether a satellite has heard of a later state of a store than stands here."""
    if one.epoch != mine.epoch:
        return one.epoch > mine.epoch
    way = mine.hand_over
    arrived = one.to_site is None and way is not None and way.step == "filling"
    return arrived and way is not None and one.active_site == way.to_site


def _wish(here: Here, one: SpokenStore, mine: StoreFact | None) -> int | None:
    """Where the YAML wishes the store. Its code counts as the primary knows it; a new store's, if no other has it."""
    code = mine.code if mine is not None else one.code
    others = {fact.store for fact in here.facts.stores.values() if fact.code == code} - {one.store, code}
    names = {one.store} if others else {one.store, code}
    mine_too = here.settings.this_site
    listed = [(PRIMARY, mine_too.active_stores or ()), *((s.sync_id, s.active_stores) for s in here.settings.sync_with)]
    return next((sync_id for sync_id, stores in listed if names & set(stores)), None)


def _fact(one: SpokenStore, mine: StoreFact | None, home: int) -> StoreFact:
    code = mine.code if mine is not None else one.code
    name = mine.name if mine is not None else one.name
    fact = StoreFact(one.store, code, home, one.epoch, name)
    if one.to_site is None:
        # nobody edits it here before all is back
        return replace(fact, hand_over=HandOver(PRIMARY, PRIMARY)) if home == PRIMARY else fact
    # what had been drained into the lost database is drained once more: nobody has edited it since
    if one.from_site is None or one.from_site == home:
        way = HandOver(None, home, "filling")
        return replace(fact, active_site=None, epoch=one.epoch + 1, hand_over=way)
    return replace(fact, active_site=one.from_site, epoch=one.epoch + 1, hand_over=HandOver(one.from_site, home))


def _words(site: int, one: SpokenStore, home: int, wish: int | None) -> str:
    at = f"lists it at site {wish}" if wish is not None else "lists it nowhere"
    return (
        f"site {site} knows store {one.code} as active on site {home} (epoch {one.epoch}), and the primary's YAML {at}:"
        f" correct active_stores on the primary, or leave site {site} out: `msyncd sites ask --without {site}`"
    )
