"""Facts are taken in on the primary: the guard, the ledger, and who is filled or asked because of them (P31)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from msyncd.databases.interface import Reader, Writer
from msyncd.databases.values import Scope
from msyncd.errors import TryLater
from msyncd.flow.clearing import clear_referring
from msyncd.flow.facts import rehomed, rerouted, write_facts
from msyncd.flow.fill import scope_of_stores
from msyncd.flow.here import Here
from msyncd.flow.ledger import fills, handovers, sites, spool
from msyncd.flow.log import log_rows
from msyncd.flow.route import audiences, values_of
from msyncd.flow.world import FlowWorld
from msyncd.model import Changes, Facts, RecordType, Row
from msyncd.plugins import seeing

PAGE = 5000
"""Rows that are looked at in one step."""


def adopt(writer: Writer, here: Here, new: Facts, *, regained: bool = False) -> Here:
    """Make these the facts, in one transaction with all that follows from them. Raises TryLater.

    `regained`: they were the facts already, before this database was restored, so stores may have moved with records.
    """
    old = here.facts
    write_facts(writer, new)
    here.database.renew_guard(new, writer, here.site)
    if not regained:
        _still_empty(writer, here, old, new)
    here = replace(here, facts=new)
    for store in new.stores:
        _note_hand_over(writer, here, old, store)
    for site, changed in rerouted(old, new).items():
        if site == here.site:
            _reroute_here(writer, here, old, changed)
        elif sites.known(writer, site).has_called:
            _fill(writer, here, site, changed)
    for site, changed in rehomed(old, new).items():
        if site == here.site:
            _rehome_here(writer, here, changed)
        elif sites.known(writer, site).has_called:
            _rehome(writer, here, site, changed)
    return here


def _note_hand_over(writer: Writer, here: Here, old: Facts, store: str) -> None:
    """What the primary notes beside the fact: since when, and where the log stood when all was in it."""
    was = old.stores[store].hand_over if store in old.stores else None
    now = here.facts.stores[store].hand_over
    if now is None or now == was:
        return
    if was is None:
        handovers.note(writer, store, since=here.now())
    if now.step == "filling":
        handovers.begin_filling(writer, store)
        for one in fills.wanted(writer):
            if one.store == store:  # nobody is asked any more: the old site is not waited for
                fills.given(writer, store, one.number)


def _fill(writer: Writer, here: Here, site: int, changed: frozenset[str]) -> None:
    """A satellite is to hold other stores: it is filled, and what only passes through here is asked for (P29)."""
    fills.begin(writer, site, because="its stores or copies changed", now=here.now(), stores=changed)
    come = {store for store in changed if here.facts.holds(site, store)}
    _ask(writer, here, site, {*come, *_transfers_to(writer, here, site, come)})


def _ask(writer: Writer, here: Here, site: int, wanted: Iterable[str]) -> None:
    for store in sorted(wanted):
        if not here.holds(store) and here.facts.active_site(store) not in (None, site):
            fills.want(writer, store)


def _transfers_to(reader: Reader, here: Here, site: int, stores: Iterable[str]) -> set[str]:
    """The stores of which transfers to these stores, if they are that site's own, have passed through here."""
    return spool.stores_with(reader, values_of(here, here.facts.stores_at(site).intersection(stores)))


# --- stores of which a site has or keeps a copy, and that become its own or are no longer ----------------------------


def _rehome(writer: Writer, here: Here, site: int, changed: frozenset[str]) -> None:
    """The transfers to a store go where it is at home: they come to a satellite now, or leave it."""
    come = _transfers_to(writer, here, site, changed)
    left = spool.stores_with(writer, values_of(here, changed - here.facts.stores_at(site)))
    if left:  # they are in no table here: a fill takes away what it does not bring
        fills.begin(writer, site, because="its stores changed", now=here.now(), stores=changed)
    _ask(writer, here, site, come)
    scope = Scope(frozenset(), values_of(here, changed))
    for name in here.types.order if scope.routes else ():
        one = here.types.types[name]
        if one.also_sent_to is not None and one.also_sent_to.names_store:
            after = None
            while rows := writer.page(one, after, PAGE, scope):
                after = one.key_of(rows[-1])
                _send_again(writer, here, site, one, rows)


def _send_again(writer: Writer, here: Here, site: int, one: RecordType, rows: Sequence[Row]) -> None:
    """Log headers with their lines for one site: it is sent them, or they leave it."""
    log_rows(writer, here, one, [one.key_of(row) for row in rows], only_site=site)
    for name in here.types.children[one.name]:
        child = here.types.types[name]
        lines = writer.children_of(child, [one.key_of(row)[0] for row in rows])
        if lines:
            _send_again(writer, here, site, child, lines)


def _rehome_here(writer: Writer, here: Here, changed: frozenset[str]) -> None:
    _ask(writer, here, here.site, _transfers_to(writer, here, here.site, changed))
    if gone := values_of(here, changed - here.facts.stores_at(here.site)):
        _let_go(writer, here, Scope(frozenset(), gone))


# --- the primary's own tables -----------------------------------------------------------------------------------------


def _still_empty(writer: Writer, here: Here, old: Facts, new: Facts) -> None:
    """A store that moves had no records; while the guard was renewed somebody may have written the first one."""
    for store, fact in old.stores.items():
        now = new.stores.get(store)
        if fact.hand_over is not None or fact.active_site is None or (now is not None and now.hand_over is not None):
            continue
        if (now is None or now.active_site != fact.active_site) and has_records(writer, here, store):
            raise TryLater(f"store {fact.code} was written to while it was to be moved", hint="trying again")


def has_records(reader: Reader, here: Here, store: str) -> bool:
    """Whether a store has records that are edited where it is active, here or passing through."""
    scope = Scope(frozenset({store}))
    for name in here.types.order:
        one = here.types.types[name]
        if one.edited_on == "active_site" and one.store_column and reader.page(one.keys_only, None, 1, scope):
            return True
    return bool(reader.execute("SELECT 1 FROM msyncd_relayed WHERE store = ? LIMIT 1", (store,)))


def _reroute_here(writer: Writer, here: Here, old: Facts, changed: frozenset[str]) -> None:
    """The primary's own copies: ask for what it is now to hold, let go of what it is not."""
    for store in changed:
        if here.holds(store):
            if here.facts.active_site(store) not in (None, here.site):
                fills.want(writer, store)
            _ask(writer, here, here.site, _transfers_to(writer, here, here.site, {store}))
        elif old.stores.get(store) is not None:
            _let_go(writer, here, scope_of_stores(here, {store}))


def _let_go(writer: Writer, here: Here, scope: Scope) -> None:
    """What the primary is no longer to hold is indexed as relayed, and leaves its tables (P30)."""
    writer.begin_applying(here.site)
    with seeing(FlowWorld(lambda: here)):  # routing is asked about facts that are not in force yet
        for name in reversed(here.types.order):
            one = here.types.types[name]
            if one.sent_to != "sites_of_store" or one.edited_on != "active_site":
                continue
            after = None
            while rows := writer.page(one, after, PAGE, scope):
                after = one.key_of(rows[-1])
                _relay_from_here(writer, here, one, rows)
    writer.end_applying()


def _relay_from_here(writer: Writer, here: Here, one: RecordType, rows: Sequence[Row]) -> None:
    writer.lock_rows(one, [one.key_of(row) for row in rows])
    by_key = writer.rows(one, [one.key_of(row) for row in rows])
    places = writer.stores_of(one, by_key.keys())
    keys = list(places)
    changes = Changes(
        one,
        keys,
        [by_key[key] for key in keys],
        stores=[p[0] for p in places.values()],
        routes=[p[1] for p in places.values()],
    )
    sets, _ = audiences(writer, here, changes)
    # a transfer to a store that is active here stays
    gone = [key for key, sites_of_it in zip(keys, sets, strict=True) if here.site not in sites_of_it]
    at = one.index(one.through.column) if one.through else None
    known = [spool.Relayed(key, by_key[key][at] if at is not None else None, *places[key]) for key in gone]
    spool.keep(writer, one, zip(known, [by_key[key] for key in gone], strict=True), writer.log_written())
    clear_referring(writer, here, one, gone)
    writer.delete(one, gone)
