"""Which records of a table two ends are both to hold: those for a satellite on the primary, and those that it has."""

from collections.abc import Mapping, Sequence

from msyncd.databases.interface import Reader
from msyncd.flow.here import Here
from msyncd.flow.portion import standing_changes
from msyncd.flow.route import audiences
from msyncd.model import PRIMARY, Changes, Direction, RecordType, Row, Site


def compared_types(here: Here, stopped: Mapping[str, str]) -> tuple[str, ...]:
    """The record types of which both ends hold records, parents first."""
    return tuple(
        name
        for name in here.types.order
        if name not in stopped
        and (here.types.types[name].sent_to != "primary_only" or here.types.types[name].edited_on == "active_site")
    )


def for_satellite(reader: Reader, here: Here, site: Site, record_type: RecordType, rows: Sequence[Row]) -> Changes:
    """On the primary: those of these rows that a satellite is to hold, or that are edited there and copied here."""
    changes = standing_changes(reader, here, record_type, rows)
    sets, failures = audiences(reader, here, changes)
    unroutable = {at for one in failures for at in (one.indexes or ())}
    own = [owner_of(here, record_type, store) == site.sync_id for store in changes.stores]
    mine = [at for at, is_own in enumerate(own) if is_own and here.holds(changes.stores[at])]
    theirs = changes.select(
        at for at, sites in enumerate(sets) if site.sync_id in sites and not own[at] and at not in unroutable
    )
    theirs = _filtered(here, theirs, site, "pull")
    wanted = {*(changes.keys[at] for at in mine), *theirs.keys}
    return changes.select(at for at, key in enumerate(changes.keys) if key in wanted)


def on_satellite(reader: Reader, here: Here, record_type: RecordType, rows: Sequence[Row]) -> Changes:
    """On a satellite: its rows but those of which the primary keeps no copy, or that a filter keeps from it."""
    changes = standing_changes(reader, here, record_type, rows)
    primary = here.peer(PRIMARY)
    own = [owner_of(here, record_type, store) == here.site for store in changes.stores]

    def copied(store: str | None) -> bool:
        return store is None or here.facts.holds(PRIMARY, store)

    sent = changes.select(at for at, is_own in enumerate(own) if is_own and copied(changes.stores[at]))
    wanted = {
        *_filtered(here, sent, primary, "push").keys,
        *(key for key, is_own in zip(changes.keys, own, strict=True) if not is_own),
    }
    return changes.select(at for at, key in enumerate(changes.keys) if key in wanted)


def owner_of(here: Here, record_type: RecordType, store: str | None) -> int | None:
    """The site whose version of a record of this store stands; None for a store that is active nowhere."""
    if record_type.edited_on == "active_site":
        return here.facts.active_site(store)
    return PRIMARY


def _filtered(here: Here, changes: Changes, peer: Site, direction: Direction) -> Changes:
    if not len(changes) or not here.plugins.implemented("filter"):
        return changes
    return here.plugins.filter(changes.record_type, changes, peer, direction).changes
