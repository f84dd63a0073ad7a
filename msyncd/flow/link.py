"""What two ends agree on at hello: which record types travel between them, and what is wrong where one does not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msyncd.flow.compare.digests import kinds_of
from msyncd.flow.conversation import Hello, SpokenSite, SpokenStore, SpokenType
from msyncd.flow.here import Here
from msyncd.flow.types import TypeSet
from msyncd.model import PRIMARY, Facts, HandOver, RecordType, Site, StoreFact


@dataclass(frozen=True, slots=True)
class Link:
    """What was agreed at the last hello: record types that do not travel and why, problems in words."""

    stopped: Mapping[str, str]
    spoken: Mapping[str, SpokenType]
    """The record types as the primary speaks them."""
    problems: tuple[str, ...] = ()


def spoken_types(types: TypeSet, rows: Mapping[str, bool] | None = None) -> tuple[SpokenType, ...]:
    """The record types as this end speaks them, those that are stopped here too."""
    rows = rows or {}
    spoken = [
        SpokenType(one.name, one.columns, one.key, rows=rows.get(one.name, False), kinds=kinds_of(types, one))
        for one in types.types.values()
    ]
    return (*spoken, *(SpokenType(name, (), (), stopped=reason) for name, reason in types.stopped.items()))


def stopped_between(types: TypeSet, theirs: Sequence[SpokenType], *, peer: int) -> dict[str, str]:
    """Why a record type does not travel between this site and a peer. Both ends come to the same words."""
    by_name = {one.name: one for one in theirs}
    stopped: dict[str, str] = {
        name: f"on site {peer} {one.stopped}" for name, one in by_name.items() if one.stopped is not None
    }
    for name, one in types.types.items():
        other = by_name.get(name)
        if other is None:
            stopped[name] = f"site {peer} has no record type {name}"
        elif other.stopped is None and (reason := _difference(one, other, peer)):
            stopped[name] = reason
    changed = True
    while changed:
        changed = False
        for name, one in types.types.items():
            if one.through is not None and one.through.parent in stopped and name not in stopped:
                stopped[name] = f"its parent {one.through.parent} is stopped"
                changed = True
    return {name: reason for name, reason in stopped.items() if name in types.types}


def _difference(here: RecordType, there: SpokenType, peer: int) -> str | None:
    mine, theirs = _folded(here.columns), _folded(there.columns)
    if _folded(here.key) != _folded(there.key):
        return f"its key is {', '.join(here.key)} here and {', '.join(there.key)} on site {peer}"
    from_satellite = here.edited_on != "primary"
    lacking_there = [column for column in here.columns if column.casefold() not in theirs]
    lacking_here = [column for column in there.columns if column.casefold() not in mine]
    i_am_primary = peer != PRIMARY
    if lacking_there and (i_am_primary or from_satellite):
        return f"site {peer} has no column {', '.join(lacking_there)}"
    if lacking_here and (not i_am_primary or from_satellite):
        return f"there is no column {', '.join(lacking_here)} here, as site {peer} has"
    return None


def _folded(names: Iterable[str]) -> set[str]:
    return {name.casefold() for name in names}


def spoken_facts(facts: Facts) -> tuple[tuple[SpokenStore, ...], tuple[SpokenSite, ...]]:
    """The facts as they are told to satellites."""
    stores = tuple(map(_spoken_store, facts.stores.values()))
    return stores, tuple(spoken_site(site) for site in facts.sites.values())


def _spoken_store(fact: StoreFact) -> SpokenStore:
    way = fact.hand_over
    ends = (way.from_site, way.to_site, way.step) if way is not None else (None, None, "")
    return SpokenStore(fact.store, fact.code, fact.active_site, fact.epoch, fact.name, *ends)


def _heard_store(one: SpokenStore) -> StoreFact:
    way = None
    if one.to_site is not None:
        way = HandOver(one.from_site, one.to_site, "draining" if one.step == "draining" else "filling")
    return StoreFact(one.store, one.code, one.active_site, one.epoch, one.name, way)


def spoken_site(site: Site) -> SpokenSite:
    """A site as it is told."""
    copies = "all" if site.copies_of == "all" else tuple(sorted(site.copies_of))
    return SpokenSite(site.sync_id, site.name, tuple(sorted(site.active_stores)), copies)  # type: ignore[arg-type]  # "all" or names


def heard_facts(number: int, stores: Iterable[SpokenStore], sites: Iterable[SpokenSite]) -> Facts:
    """The facts as a satellite hears them."""
    return Facts(
        number,
        {one.store: _heard_store(one) for one in stores},
        {
            one.sync_id: Site(
                one.sync_id,
                one.name,
                frozenset(one.active_stores),
                "all" if one.copies_of == "all" else frozenset(one.copies_of),
            )
            for one in sites
        },
    )


def disagreements(here: Here, hello: Hello) -> tuple[str, ...]:
    """Where the satellite's own YAML says something else than the primary's facts, as the one thing to correct."""
    site = here.peer(hello.sync_id)
    problems = []
    wish = hello.active_stores
    if wish is not None:
        mine = here.facts.stores_at(hello.sync_id)  # an end of a hand-over may list the store, or no more
        codes = {here.facts.code(store) for store in mine} | mine
        extra = [store for store in wish if store not in codes]
        settled = [s for s in site.active_stores if here.facts.stores[s].hand_over is None]
        lacking = [s for s in settled if s not in wish and here.facts.code(s) not in wish]
        for store in extra:
            active = next((f.active_site for f in here.facts.stores.values() if store in (f.store, f.code)), None)
            where = f"on site {active}" if active is not None else "on no site"
            problems.append(
                f"site {hello.sync_id} lists store {store} as active, but the primary has it active {where};"
                f" correct active_stores on site {hello.sync_id}, or on the primary"
            )
        problems += [
            f"the primary has store {here.facts.code(store)} active on site {hello.sync_id}, whose own active_stores"
            f" does not list it; add it there, or leave active_stores out"
            for store in lacking
        ]
    if hello.copies_of not in (None, ()) and hello.copies_of != site.copies_of:
        theirs = "all" if hello.copies_of == "all" else ", ".join(hello.copies_of or ())
        ours = set() if site.copies_of == "all" else {here.facts.code(s) for s in site.copies_of} | site.copies_of
        if theirs == "all" or (site.copies_of != "all" and not set(hello.copies_of or ()) <= ours):
            problems.append(
                f"site {hello.sync_id} asks for copies of {theirs}, which the primary does not route to it;"
                f" correct copies_of on site {hello.sync_id}, or on the primary"
            )
    return tuple(problems)
