"""Store facts: where each store is active, numbered, in the primary's database. The YAML is only the wish (P31)."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from msyncd.databases.interface import Reader, Writer
from msyncd.databases.values import Scope
from msyncd.errors import Problem
from msyncd.flow.handover import wished
from msyncd.flow.here import Here
from msyncd.flow.types import TypeSet
from msyncd.model import PRIMARY, Facts, HandOver, RecordType, Site, StoreFact, Value
from msyncd.settings.values import PeerSite, Place, Settings

NO_FACTS = Facts(0, {}, {})


@dataclass(frozen=True, slots=True)
class DeclaredStore:
    """A store as the application's table of stores has it."""

    store: str
    code: str
    name: Value


@dataclass(frozen=True)
class Settled:
    """The facts after the wish was heard. `problems` says which wishes could not be fulfilled, and why."""

    facts: Facts
    changed: bool
    problems: tuple[Problem, ...] = ()


def read_facts(reader: Reader) -> Facts:
    """The facts as the database has them."""
    number = reader.execute("SELECT value FROM msyncd_meta WHERE name = 'facts_number'")
    ways = {
        str(store): HandOver(_number(old), int(str(new)), "draining" if step == "draining" else "filling", bool(forced))
        for store, old, new, step, forced in reader.execute(
            "SELECT store, from_site, to_site, step, forced FROM msyncd_hand_over"
        )
    }
    stores = {}
    for value, code, active, epoch, name in reader.execute(
        "SELECT store, code, active_site, epoch, name FROM msyncd_store"
    ):
        store = str(value)
        way = ways.get(store)
        # what the guard reads says nobody; the primary still accepts from there
        accepted = way.from_site if way is not None and way.step == "draining" else _number(active)
        stores[store] = StoreFact(store, str(code), accepted, int(str(epoch)), name, way)
    sites = {}
    for sync_id, name, active, copies in reader.execute(
        "SELECT sync_id, name, active_stores, copies_of FROM msyncd_site WHERE active_stores IS NOT NULL"
    ):
        held = json.loads(str(copies))
        sites[int(str(sync_id))] = Site(
            int(str(sync_id)),
            str(name),
            frozenset(json.loads(str(active))),
            "all" if held == "all" else frozenset(held),
        )
    return Facts(int(str(number[0][0])) if number else 0, stores, sites)


def renewed(reader: Reader, here: Here) -> Here:
    """This site with the facts as the database has them now: somebody else may have changed them."""
    number = reader.execute("SELECT value FROM msyncd_meta WHERE name = 'facts_number'")
    if (int(str(number[0][0])) if number else 0) == here.facts.number:
        return here
    return replace(here, facts=read_facts(reader))


def write_facts(writer: Writer, facts: Facts) -> None:
    """Note number and sites; the stores are written by the database itself, since the guard reads them."""
    writer.put("msyncd_meta", {"name": "facts_number"}, {"value": str(facts.number)})
    writer.execute("UPDATE msyncd_site SET active_stores = NULL, copies_of = NULL")
    for site in facts.sites.values():
        copies: object = "all" if site.copies_of == "all" else sorted(site.copies_of)
        writer.put(
            "msyncd_site",
            {"sync_id": site.sync_id},
            {
                "name": site.name,
                "active_stores": json.dumps(sorted(site.active_stores)),
                "copies_of": json.dumps(copies),
            },
        )


def declared_stores(reader: Reader, settings: Settings, types: TypeSet) -> dict[str, DeclaredStore]:
    """The stores that the application's table of stores declares, by value."""
    if settings.stores is None:
        return {}
    table = types.tables.get(settings.stores.table.casefold())
    wanted = [
        settings.stores.key,
        settings.stores.code or settings.stores.key,
        settings.stores.name or settings.stores.key,
    ]
    columns = tuple(found.name for one in wanted if table and (found := table.column(one)))
    if table is None or len(columns) != len(wanted):
        return {}
    shape = RecordType("stores", table.name, columns[:1], columns, "primary", "every_site")
    return {
        str(row[0]): DeclaredStore(str(row[0]), str(row[1]), row[2] if settings.stores.name else None)
        for row in reader.page(shape, None, 1_000_000, Scope())
    }


def settle(
    settings: Settings,
    stores: Mapping[str, DeclaredStore],
    old: Facts,
    *,
    holds: Callable[[str], bool],
    unheard: Callable[[int | None], bool] = lambda _site: False,
    forced: Mapping[str, int] | None = None,
) -> Settled:
    """Hear the primary's YAML: make facts of the wishes that can be fulfilled, now or by a hand-over.

    `holds` says whether a store has records, so that only a hand-over may move it; `unheard`, whether a site may have
    written some that have not come. `forced`: stores whose old site is not to be waited for, and where they then go.
    """
    problems: list[Problem] = []
    by_code = {one.code: one.store for one in stores.values()}
    wishes: dict[str, int] = {}
    sites: dict[int, Site] = {}
    for sync_id, name, listed, copies in _sites_of(settings):
        place = _place(settings, sync_id)
        for store in listed:
            value = _value_of(store, stores, by_code)
            wishes[value] = sync_id
            if stores and value not in stores:
                problems.append(_warning(place, f"store {store} does not exist yet", "it will be active once it does"))
        held = "all" if copies == "all" else frozenset(_value_of(store, stores, by_code) for store in copies)
        sites[sync_id] = Site(sync_id, name, frozenset(), held)  # type: ignore[arg-type]  # "all" or a set
    facts: dict[str, StoreFact] = {}
    for store in {**dict.fromkeys(old.stores), **dict.fromkeys(stores), **wishes}:
        declared = stores.get(store) or DeclaredStore(store, store, None)
        was, wish = old.stores.get(store), wishes.get(store)
        if was is None and wish is None and store not in stores:
            continue
        if was is None:
            facts[store] = StoreFact(store, declared.code, wish, 1, declared.name)
            continue
        records = was.hand_over is not None or (was.active_site != wish and holds(store))
        if wish is None and store not in stores and store in by_code and not records:
            continue  # the code by which the YAML called a store before it existed: that store has its own value now
        known, records = records, records or (was.active_site != wish and unheard(was.active_site))
        if wish is None and records and was.home:
            problems.append(_homeless(_place(settings, min(was.home)), declared.code, was, known=known))
        fact = replace(was, code=declared.code, name=declared.name)
        spared = not known or (wish is not None and held_elsewhere(old, store, wish))
        dead = wish is not None and (forced or {}).get(store) == wish and spared
        facts[store] = wished(fact, wish, records=records, forced=dead, copied=_copied(old, PRIMARY, store))
    for sync_id, site in sites.items():
        mine = frozenset(one.store for one in facts.values() if one.active_site == sync_id)
        sites[sync_id] = replace(site, active_stores=mine)
    changed = facts != dict(old.stores) or sites != dict(old.sites)
    new = Facts(old.number + changed, facts, sites)
    return Settled(new, changed, tuple(problems))


def held_elsewhere(facts: Facts, store: str, site: int) -> bool:
    """Whether a store's records are held by more than the site where it is active: without it they would be gone."""
    return _copied(facts, PRIMARY, store) or _copied(facts, site, store)


def _copied(facts: Facts, site: int, store: str) -> bool:
    """Whether a site keeps a copy of a store; not that it is, or is to be, its own."""
    known = facts.sites.get(site)
    return known is not None and known.holds_copy(store)


def rerouted(old: Facts, new: Facts) -> dict[int, frozenset[str]]:
    """Per site, the stores whose records it is now to hold and was not, or the other way round."""
    rerouted = {}
    for sync_id in new.sites:
        if sync_id not in old.sites:
            continue
        was = {store for store in old.stores if old.holds(sync_id, store)}
        now = {store for store in new.stores if new.holds(sync_id, store)}
        if was ^ now:
            rerouted[sync_id] = frozenset(was ^ now)
    return rerouted


def rehomed(old: Facts, new: Facts) -> dict[int, frozenset[str]]:
    """Per site, the stores that it holds as before, but as its own now and as a copy before, or the other way round."""
    found = {}
    for sync_id in new.sites:
        if sync_id in old.sites:
            both = {store for store in new.stores if old.holds(sync_id, store) and new.holds(sync_id, store)}
            changed = both & (old.stores_at(sync_id) ^ new.stores_at(sync_id))
            if changed:
                found[sync_id] = frozenset(changed)
    return found


def _sites_of(
    settings: Settings,
) -> Iterable[tuple[int, str, tuple[str, ...], tuple[str, ...] | Literal["all"]]]:
    here = settings.this_site
    yield PRIMARY, here.name, here.active_stores or (), here.copies_of or ()
    for one in settings.sync_with:
        yield one.sync_id, one.name, one.active_stores, one.copies_of


def satellite_facts(settings: Settings) -> Facts:
    """What a satellite may believe before it has heard from its primary: its own YAML, with number 0."""
    here = settings.this_site
    stores = {one: StoreFact(one, one, here.sync_id, 0) for one in here.active_stores or ()}
    copies = here.copies_of if here.copies_of == "all" else frozenset(here.copies_of or ())
    primary: list[PeerSite] = [one for one in settings.sync_with if one.sync_id == PRIMARY]
    return Facts(
        0,
        stores,
        {
            here.sync_id: Site(here.sync_id, here.name, frozenset(stores), copies),
            PRIMARY: Site(PRIMARY, primary[0].name if primary else "primary"),
        },
    )


def destinations(facts: Facts, stores: Iterable[str]) -> frozenset[int]:
    """The sites that hold these stores' records: as their own, or as copies."""
    found: set[int] = set()
    for store in stores:
        found |= facts.home(store)
        found.update(sync_id for sync_id, site in facts.sites.items() if site.holds_copy(store))
    return frozenset(found)


def _homeless(place: Place, code: str, was: StoreFact, *, known: bool) -> Problem:
    at = was.hand_over.to_site if was.hand_over is not None else was.active_site
    has = f"has records and is active on site {at}" if known else f"may have records that site {at} has not sent"
    return Problem(
        place.file,
        place.line,
        place.column,
        f"store {code} {has}; this edit would make it active on no site",
        f"write {code} back to site {at}, or to the list of the site to which it is to be handed over",
    )


def _warning(place: Place, message: str, hint: str) -> Problem:
    return Problem(place.file, place.line, place.column, message, hint, "warning")


def _place(settings: Settings, sync_id: int) -> Place:
    for at, one in enumerate(settings.sync_with):
        if one.sync_id == sync_id:
            found = settings.places.get(f"sync_with.{at}.active_stores") or settings.places.get(f"sync_with.{at}")
            if found:
                return found
    return settings.places.get("this_site.active_stores") or Place(settings.file.name, 1, 1)


def _value_of(name: str, stores: Mapping[str, DeclaredStore], by_code: Mapping[str, str]) -> str:
    """A store's value by what the YAML calls it: a value is looked up before a code."""
    return name if name in stores else by_code.get(name, name)


def _number(value: Value) -> int | None:
    return None if value is None else int(str(value))
