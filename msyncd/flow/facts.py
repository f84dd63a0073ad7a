"""Store facts: where each store is active, numbered, in the primary's database. The YAML is only the wish (P31)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from msyncd.databases.interface import Reader, Scope, Writer
from msyncd.errors import Problem
from msyncd.flow.types import TypeSet
from msyncd.model import PRIMARY, Facts, RecordType, Site, StoreFact, Value
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
    """The facts after the wish was heard. `problems` says which wishes could not be fulfilled, and why.

    `widened` and `narrowed` name, per site, the stores whose records are now, or no longer, to be held there.
    """

    facts: Facts
    changed: bool
    problems: tuple[Problem, ...] = ()
    rerouted: Mapping[int, frozenset[str]] | None = None


def read_facts(reader: Reader) -> Facts:
    """The facts as the database has them."""
    number = reader.execute("SELECT value FROM msyncd_meta WHERE name = 'facts_number'")
    stores = {
        str(store): StoreFact(str(store), str(code), _number(active), int(str(epoch)), name)
        for store, code, active, epoch, name in reader.execute(
            "SELECT store, code, active_site, epoch, name FROM msyncd_store"
        )
    }
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


def settle(settings: Settings, stores: Mapping[str, DeclaredStore], old: Facts, *, holds: Iterable[str]) -> Settled:
    """Hear the primary's YAML: make facts of the wishes that can be fulfilled now.

    `holds` names the stores that have records, whose activity only a hand-over may move.
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
    with_records = set(holds)
    for store in {**dict.fromkeys(old.stores), **dict.fromkeys(stores), **wishes}:
        declared = stores.get(store) or DeclaredStore(store, store, None)
        was, wish = old.stores.get(store), wishes.get(store)
        if was is None and wish is None and store not in stores:
            continue
        if wish is None and store not in stores and store in by_code and store not in with_records:
            continue  # the code by which the YAML called a store before it existed: that store has its own value now
        active, epoch = wish, was.epoch if was else 1
        if was is not None and was.active_site not in (None, wish):
            if store in with_records:
                active = was.active_site
                problems.append(_moved(_place(settings, wish or was.active_site or 1), declared.code, was, wish))
            else:
                epoch += 1
        facts[store] = StoreFact(store, declared.code, active, epoch, declared.name)
    for sync_id, site in sites.items():
        mine = frozenset(one.store for one in facts.values() if one.active_site == sync_id)
        sites[sync_id] = replace(site, active_stores=mine)
    changed = facts != dict(old.stores) or sites != dict(old.sites)
    new = Facts(old.number + changed, facts, sites)
    return Settled(new, changed, tuple(problems), _rerouted(old, new))


def _rerouted(old: Facts, new: Facts) -> dict[int, frozenset[str]]:
    """Per satellite, the stores whose records it is now to hold and was not, or the other way round."""
    rerouted = {}
    for sync_id, site in new.sites.items():
        before = old.sites.get(sync_id)
        if before is None:
            continue
        was = {store for store in old.stores if before.holds_copy(store) or store in before.active_stores}
        now = {store for store in new.stores if site.holds_copy(store) or store in site.active_stores}
        if was ^ now:
            rerouted[sync_id] = frozenset(was ^ now)
    return rerouted


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
    """The sites that hold these stores' records: where each is active, and where copies are kept."""
    found: set[int] = set()
    for store in stores:
        active = facts.active_site(store)
        if active is not None:
            found.add(active)
        found.update(sync_id for sync_id, site in facts.sites.items() if site.holds_copy(store))
    return frozenset(found)


def _moved(place: Place, code: str, was: StoreFact, wish: int | None) -> Problem:
    where = f"on site {wish}" if wish is not None else "on no site"
    return Problem(
        place.file,
        place.line,
        place.column,
        f"store {code} is active on site {was.active_site} and has records; this edit would make it active {where}",
        f"write {code} back to site {was.active_site}: a store with records moves only by a hand-over",
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
