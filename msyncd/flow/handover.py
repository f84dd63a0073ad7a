"""The hand-over of a store, as a state machine of values (P31 to P34).

    active at A ──wish: B──▶ draining A→B ──A has sent all──▶ filling A→B ──B has all──▶ active at B
         ▲                       │  │                           ▲
         └───────wish: A─────────┘  └──A is dead, --force───────┘

Draining: no guard lets an application edit the store's records; the primary still accepts from A, under the old epoch,
what A wrote before it heard of it. Filling: from nobody, under the next epoch. A wish that changes on the way turns the
hand-over: it drains from A again, since A has it all and nobody has edited it meanwhile. What lets a step be taken, in
words, is in `handover_waits`; who takes it in `advancing`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from msyncd.model import Facts, HandOver, StoreFact


def wished(
    fact: StoreFact, wish: int | None, *, records: bool, forced: bool = False, copied: bool = False
) -> StoreFact:
    """The fact after the YAML was heard: the store is to be active at `wish`.

    `records`: it has some. Without any it just moves; with some, and wished nowhere, it stays (the caller says so).
    `forced`: do not wait for the old site. `copied`: the primary keeps a copy of the store, whatever becomes of it.
    """
    way = fact.hand_over
    if way is None:
        fact = _begun(fact, wish, records=records)
    elif wish is None:
        return fact
    elif wish == way.to_site:
        pass  # also of a site that takes back its own (P35)
    elif way.step == "draining" and wish == way.from_site:
        return replace(fact, hand_over=None)  # called off: the old site has been accepted from all along
    else:
        fact = _turned(fact, way, wish, copied=copied)
    way = fact.hand_over
    if forced and way is not None and way.step == "draining":
        fact = stepped(replace(fact, hand_over=replace(way, forced=True)))
    return fact


def _turned(fact: StoreFact, way: HandOver, wish: int, *, copied: bool) -> StoreFact:
    """To another site than it was begun for. One of those that hold it all must still give it to the new one."""
    if way.step == "draining":
        return replace(fact, hand_over=replace(way, to_site=wish))
    source = way.from_site
    if way.forced:  # the old site is dead: else the one to which it was going has a copy, or it was not begun
        source = None if copied else way.to_site
    if source is None:
        return replace(fact, epoch=fact.epoch + 1, hand_over=replace(way, to_site=wish))
    if source == wish:
        return replace(fact, epoch=fact.epoch + 1, active_site=source, hand_over=None)
    return replace(fact, epoch=fact.epoch + 1, active_site=source, hand_over=HandOver(source, wish))


def _begun(fact: StoreFact, wish: int | None, *, records: bool) -> StoreFact:
    was = fact.active_site
    if was == wish:
        return fact
    if not records:
        return replace(fact, active_site=wish, epoch=fact.epoch + (was is not None))
    if wish is None:
        return fact
    if was is None:  # nobody could edit it, so there is nothing to drain
        return replace(fact, epoch=fact.epoch + 1, hand_over=HandOver(None, wish, "filling"))
    return replace(fact, hand_over=HandOver(was, wish))


def stepped(fact: StoreFact) -> StoreFact:
    """The fact after what it waits for has come: drained, or filled."""
    way = fact.hand_over
    assert way is not None
    if way.step == "draining":
        return replace(fact, active_site=None, epoch=fact.epoch + 1, hand_over=replace(way, step="filling"))
    return replace(fact, active_site=way.to_site, hand_over=None)


def goal(fact: StoreFact) -> int | None:
    """Where the store is active, or will be once its hand-over is over."""
    return fact.hand_over.to_site if fact.hand_over is not None else fact.active_site


def arrived(facts: Facts) -> Facts:
    """The facts as they will be when every hand-over is over."""
    ended = {one.store: replace(one, active_site=goal(one), hand_over=None) for one in facts.stores.values()}
    return with_stores(facts, ended)


@dataclass(frozen=True, slots=True)
class Moved:
    """A store became active on another site; None for nowhere."""

    store: str
    old_site: int | None
    new_site: int | None
    epoch: int


def moves(old: Facts, new: Facts) -> tuple[Moved, ...]:
    """Which stores have moved, for whoever believed the old facts and now hears the new."""
    found = []
    for store, fact in new.stores.items():
        was = old.stores.get(store)
        if was is None or fact.hand_over is not None:
            continue
        whence = was.hand_over.from_site if was.hand_over is not None else was.active_site
        if whence != fact.active_site:
            found.append(Moved(store, whence, fact.active_site, fact.epoch))
    return tuple(found)


def with_stores(facts: Facts, changed: Mapping[str, StoreFact]) -> Facts:
    """The next facts: some stores are otherwise."""
    stores = {**facts.stores, **changed}
    sites = {
        number: replace(
            site, active_stores=frozenset(one.store for one in stores.values() if one.active_site == number)
        )
        for number, site in facts.sites.items()
    }
    return Facts(facts.number + 1, stores, sites)
