"""What the primary applies for others goes into its change log, with the origin that brought it."""

from collections.abc import Iterable, Sequence
from itertools import repeat

from msyncd.databases.interface import Writer
from msyncd.databases.values import DELETE, WRITE, Entry
from msyncd.flow.facts import destinations
from msyncd.flow.here import Here
from msyncd.flow.receive import Batchwork, Work
from msyncd.model import Changes, RecordType, Row, Value


def log_applied(writer: Writer, here: Here, work: Batchwork) -> None:
    """Append an entry for each change of the work, and for the lines of headers whose store or route moved (P10)."""
    for name, one in work.items():
        type_id, width = here.types.ids[name], len(one.record_type.key)
        for changes, operation in ((one.writes, WRITE), (one.deletes, DELETE)):
            going_on = _going_on(here, changes, one)
            if len(going_on):
                writer.append(width, _entries(type_id, operation, going_on, one))
        if here.types.children[name]:
            _log_lines(writer, here, one)


def log_rows(
    writer: Writer, here: Here, record_type: RecordType, keys: Iterable[Row], only_site: int | None = None
) -> None:
    """Append entries of this site's own for records: to be sent, or to one site only, where all is decided anew."""
    keys = list(keys)
    if not keys:
        return
    stands = writer.stores_of(record_type, keys)
    rows = writer.rows(record_type, keys) if record_type.through else {}
    at = record_type.index(record_type.through.column) if record_type.through else 0
    nowhere: tuple[str | None, Value] = (None, None)
    writer.append(
        len(record_type.key),
        [
            (
                here.types.ids[record_type.name],
                WRITE,
                here.site,
                stands.get(key, nowhere)[0],
                None,
                stands.get(key, nowhere)[1],
                None,
                only_site,
                rows[key][at] if key in rows else None,
                *key,
            )
            for key in keys
        ],
    )


def _going_on(here: Here, changes: Changes, one: Work) -> Changes:
    """Those changes that have a further destination than this site and the one they came from: others need no entry."""
    record_type = one.record_type
    if record_type.sent_to == "every_site" or record_type.edited_on == "any_site" or here.plugins.routed_by_plugins:
        return changes
    if not one.stands and not any(changes.stores_before):
        arrivals = set(zip(changes.origins, changes.stores, changes.routes, strict=True))
        if not any(_goes_on(here, record_type, origin, store, None, route, None) for origin, store, route in arrivals):
            return changes.select(())
    places = list(
        zip(
            changes.origins,
            changes.stores,
            changes.stores_before,
            changes.routes,
            _routes_before(changes, one),
            strict=True,
        )
    )
    ends = {place for place in set(places) if not _goes_on(here, record_type, *place)}
    if not ends:
        return changes
    return changes.select(at for at, place in enumerate(places) if place not in ends)


def _goes_on(
    here: Here,
    record_type: RecordType,
    origin: int,
    store: str | None,
    store_before: str | None,
    route: Value,
    route_before: Value,
) -> bool:
    sites = destinations(here.facts, [one for one in (store, store_before) if one is not None])
    if route is not None or route_before is not None:
        also = here.types.types[here.types.root(record_type.name)].also_sent_to or record_type.also_sent_to
        by_name = also is not None and also.kind == "store_of_name"
        values = {route, route_before}
        named = (one for one in here.facts.stores.values() if (one.name if by_name else one.store) in values)
        sites |= {site for one in named for site in one.home}
    # an origin of this very site means that the row is not as its sender wrote it: the sender is to have it too
    return bool(sites - {here.site, origin}) or origin == here.site


def _entries(type_id: int, operation: int, changes: Changes, one: Work) -> Iterable[Entry]:
    routes_before = _routes_before(changes, one)
    return zip(
        repeat(type_id),
        repeat(operation),
        changes.origins,
        changes.stores,
        changes.stores_before,
        changes.routes,
        routes_before,
        repeat(None),
        _parents(changes, one),
        *zip(*changes.keys, strict=True),
        strict=False,  # the repeated ones have no end
    )


def _parents(changes: Changes, one: Work) -> Sequence[Value]:
    through = changes.record_type.through
    if through is None:
        return [None] * len(changes)
    rows, at = changes.rows, changes.record_type.index(through.column)
    return [row[at] if row is not None else one.above.get(key) for key, row in zip(changes.keys, rows, strict=True)]


def _routes_before(changes: Changes, one: Work) -> Sequence[Value]:
    if not one.stands or (one.record_type.also_sent_to is None and one.record_type.through is None):
        return [None] * len(changes)
    return [
        one.stands[key][1] if key in one.stands and one.stands[key][1] != route else None  # type: ignore[misc]  # values
        for key, route in zip(changes.keys, changes.routes, strict=True)
    ]


def _log_lines(writer: Writer, here: Here, one: Work) -> None:
    routes_before = _routes_before(one.writes, one)
    moved = {
        key[0]: (store, before, route, route_before)
        for key, store, before, route, route_before in zip(
            one.writes.keys,
            one.writes.stores,
            one.writes.stores_before,
            one.writes.routes,
            routes_before,
            strict=True,
        )
        if before is not None or route_before is not None
    }
    for name in here.types.children[one.record_type.name] if moved else ():
        child = here.types.types[name]
        assert child.through is not None
        at = child.index(child.through.column)
        lines = writer.children_of(child, moved.keys())
        writer.append(
            len(child.key),
            [
                (here.types.ids[name], WRITE, here.site, *moved[line[at]], None, line[at], *child.key_of(line))
                for line in lines
            ],
        )
