"""Routing: the set of sites to which each change goes, by the built-in rules and by plugins (on the primary)."""

from collections.abc import Iterable, Sequence

from msyncd.databases.interface import Reader
from msyncd.databases.values import Interest
from msyncd.flow.facts import destinations
from msyncd.flow.here import Here
from msyncd.model import Changes, RecordType, Route, Row, Site, Value
from msyncd.plugins import Failed

Audience = frozenset[int]


def audiences(reader: Reader, here: Here, changes: Changes) -> tuple[list[Audience], tuple[Failed, ...]]:
    """The destinations of each change. A line goes where its header goes (P10), and where it is itself sent."""
    routed = here.plugins.route(changes.record_type, changes)
    sets = _sets(here, routed.routes)
    through = changes.record_type.through
    if through is None or not here.plugins.routed_by_plugins or not len(changes):
        return sets, routed.failed
    parent = here.types.types[through.parent]
    at = changes.record_type.index(through.column)
    wanted: set[Row] = {(row[at],) for row in changes.rows if row is not None}
    headers = _headers(reader, parent, wanted)
    above, failed = audiences(reader, here, headers)
    by_key = dict(zip(headers.keys, above, strict=True))
    nowhere: Audience = frozenset()
    joined = [
        mine if row is None else mine | by_key.get((row[at],), nowhere)
        for mine, row in zip(sets, changes.rows, strict=True)
    ]
    return joined, (*routed.failed, *failed)


def _headers(reader: Reader, parent: RecordType, keys: set[Row]) -> Changes:
    rows = reader.rows(parent, keys)
    stores = reader.stores_of(parent, rows.keys())
    return Changes(
        parent,
        list(rows),
        list(rows.values()),
        stores=[stores[key][0] for key in rows],
        routes=[stores[key][1] for key in rows],
    )


def _sets(here: Here, routes: Sequence[Route]) -> list[Audience]:
    # routes are shared between changes alike, so each is resolved to sites once
    resolved: dict[int, Audience] = {}
    for route in routes:
        if id(route) not in resolved:
            added = route.add_sites | destinations(here.facts, route.add_stores)
            removed = route.remove_sites | destinations(here.facts, route.remove_stores)
            resolved[id(route)] = added - removed
    return [resolved[id(route)] for route in routes]


def interest_of(here: Here, site: Site) -> Interest:
    """What of the change log can concern a site: wider than routing, so that the database may leave out the rest."""
    types = here.types
    if site.copies_of == "all" or here.plugins.routed_by_plugins:
        return Interest(site.sync_id, frozenset(types.ids.values()), None, frozenset())
    always = frozenset(
        types.ids[name]
        for name, one in types.types.items()
        if one.sent_to == "every_site" or one.edited_on == "any_site"
    )
    stores = here.facts.stores_at(site.sync_id) | site.copies_of
    return Interest(site.sync_id, always, stores, routing_values(here, site))


def routing_values(here: Here, site: Site) -> frozenset[Value]:
    """The values of also_sent_to columns that mean this site: its stores, and the names that stand for them."""
    return values_of(here, here.facts.stores_at(site.sync_id))


def values_of(here: Here, stores: Iterable[str]) -> frozenset[Value]:
    """The values of also_sent_to columns that mean these stores: the stores, and the names that stand for them."""
    facts = [here.facts.stores[store] for store in stores if store in here.facts.stores]
    values: set[Value] = set()
    for one in here.types.types.values():
        if one.also_sent_to is not None and one.also_sent_to.names_store:
            by_name = one.also_sent_to.kind == "store_of_name"
            values |= {fact.name if by_name else fact.store for fact in facts}
    return frozenset(values - {None})
