"""Making a plan: an edited configuration beside what runs, held against the database. Nothing is written."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from msyncd.databases.counts import EVERYTHING, NOTHING, Reach, count
from msyncd.databases.interface import Reader
from msyncd.flow.facts import NO_FACTS, Settled, declared_stores, read_facts, settle
from msyncd.flow.handover import arrived, goal, with_stores
from msyncd.flow.ledger import sites
from msyncd.flow.ledger.sites import Known
from msyncd.flow.looking import Look
from msyncd.flow.pace import WIRE_SECONDS
from msyncd.flow.plan import Flow, Plan, StoreMove, Triggers, duration
from msyncd.flow.types import TypeSet, resolve
from msyncd.flow.wishes import behind, in_force
from msyncd.model import PRIMARY, Facts, RecordType, Value
from msyncd.settings.show import changes
from msyncd.settings.values import Settings

SLOW_SECONDS: Final = 3600.0
"""A fill that would take longer is warned of."""
ROUTED: Final = "plugins route records here: the numbers are what may go at most"
MANY: Final = 100_000
"""Records from which a fill is warned of where nobody knows how fast the line is."""


def settings_plan(old: Settings | None, new: Settings, *warnings: str) -> Plan:
    """What can be said without the database: which settings would change."""
    mine = new.this_site
    found = changes(old, new) if old is not None else ()
    return Plan(mine.sync_id, mine.name, old is None, found, warnings=warnings)


def make_plan(old: Settings | None, found: Look) -> Plan:
    """What the configuration that `found` was looked at with would change; `old` is what runs (None: nothing yet).

    Raises DatabaseUnavailable.
    """
    plan = settings_plan(old, found.here.settings)
    with found.here.database.read() as reader:
        made = _Planning(old, found, reader)
        plan = replace(plan, triggers=tuple(made.triggers()), names=made.names, warnings=tuple(made.warnings()))
        if not plan.empty:
            plan = made.of_primary(plan) if found.here.is_primary else made.of_satellite(plan)
    return plan


@dataclass(frozen=True)
class _Audience:
    """A site's reach before the edit and after it, by record type."""

    site: int
    before: Mapping[str, Reach]
    after: Mapping[str, Reach]


class _Planning:
    def __init__(self, old: Settings | None, found: Look, reader: Reader) -> None:
        self._found, self._reader = found, reader
        here = self._here = found.here
        self._types: TypeSet = here.types
        self._old = None if old is None or old.this_site.sync_id != here.site else old
        self._old_types = resolve(self._old, here.types.tables)[0] if self._old is not None else None
        self._old_facts = read_facts(reader) if found.installed else NO_FACTS
        self._known: dict[int, Known] = sites.known_all(reader) if found.installed else {}
        self._behind = behind(reader, here) if found.installed else None
        mine = here.settings.this_site
        self.names = {one.sync_id: one.name for one in here.settings.sync_with} | {mine.sync_id: mine.name}

    # --- triggers, warnings -------------------------------------------------------------------------------------------

    def triggers(self) -> Iterator[Triggers]:
        """Which tables get triggers, lose them, or get others."""
        before = self._captured()
        for name in self._types.order:
            one = self._types.types[name]
            if name not in before:
                yield Triggers("make", one.table, name)
            elif before[name] not in (None, one):
                yield Triggers("renew", one.table, name)
        for name, was in before.items():
            if name not in self._types.types and was is not None:
                yield Triggers("drop", was.table, name)

    def _captured(self) -> dict[str, RecordType | None]:
        """The record types that are captured now; None: captured, and nobody knows how it was declared."""
        if self._found.installed and self._old_types is None:
            rows = self._reader.execute("SELECT name FROM msyncd_record_type WHERE captured = 1")
            return dict.fromkeys(str(name) for (name,) in rows)
        return dict(self._old_types.types) if self._old_types is not None and self._found.installed else {}

    def warnings(self) -> Iterator[str]:
        """What the database says of the new configuration and did not say of the old."""
        before = {one.message for one in resolve(self._old, self._types.tables)[1]} if self._old is not None else set()
        for one in self._found.problems:
            if one.message not in before:
                yield f"{one.message}; {one.hint}" if one.hint else one.message
        if self._behind is not None:
            yield f"{self._behind.message}; {self._behind.hint}"
        if self._found.was_site not in (None, self._here.site):
            yield f"this database has synced as site {self._found.was_site}, not {self._here.site}"
        if self._old is not None and self._old.this_site.database != self._here.settings.this_site.database:
            yield "it is another database: the numbers are those of that one"

    # --- the primary --------------------------------------------------------------------------------------------------

    def of_primary(self, plan: Plan) -> Plan:
        """Stores that would move, and records that would go to sites or leave them."""
        here = self._here
        settings = in_force(self._reader, here) if self._behind is not None else here.settings
        stores = declared_stores(self._reader, settings, here.types)
        wished = settle(settings, stores, self._old_facts, holds=lambda _store: False)
        moves = tuple(self._moves(wished.facts))
        stay = {one.store: self._old_facts.stores[one.store] for one in moves if not one.possible}
        settled = replace(wished, facts=arrived(with_stores(wished.facts, stay)))
        flows = tuple(self._flows(settled))
        seconds = dict(self._seconds(flows))
        warnings = (*plan.warnings, *self._of_stores(settled, moves), *self._of_lines(flows, seconds))
        warnings = (*warnings, *self._of_leavers())
        if flows and self._here.plugins.routed_by_plugins:
            warnings = (*warnings, ROUTED)
        return replace(plan, stores=moves, records=flows, seconds=seconds, warnings=tuple(dict.fromkeys(warnings)))

    def _moves(self, wished: Facts) -> Iterator[StoreMove]:
        for store, was in self._old_facts.stores.items():
            fact = wished.stores.get(store)
            wish = goal(fact) if fact is not None else None
            if goal(was) != wish and goal(was) is not None:
                records = self._records_of(store)
                whence = was.hand_over.from_site if was.hand_over is not None else was.active_site
                # a satellite's application may have written what has not come
                stays = records > 0 or (whence is not None and whence != PRIMARY and self._has_called(whence))
                by_hand_over = stays and wish is not None
                yield StoreMove(store, was.code, whence, wish, records, not stays or by_hand_over, by_hand_over)

    def _has_called(self, site: int) -> bool:
        known = self._known.get(site)
        return known is not None and known.has_called

    def _records_of(self, store: str) -> int:
        """How many records that are edited where their store is active there are, here or passing through."""
        owned = [one for one in self._types.types.values() if one.edited_on == "active_site" and one.store is not None]
        reach = Reach(stores=frozenset({store}))
        total = sum(self._count(one, reach) for one in owned)
        if not self._found.installed:
            return total
        rows = self._reader.execute("SELECT count(*) FROM msyncd_relayed WHERE store = ?", (store,))
        return total + int(str(rows[0][0]))

    def _flows(self, settled: Settled) -> Iterator[Flow]:
        for site in settled.facts.sites:
            yield from self._flows_of(self._audience(site, settled.facts), settled.facts)

    def _audience(self, site: int, facts: Facts) -> _Audience:
        """What a site reaches. One that has not joined yet reaches nothing, and is owed all once it is listed."""
        listed = self._old is not None and site in {one.sync_id for one in self._old.sync_with}
        after = _reaches(self._types, facts, site)
        if site != PRIMARY and not self._has_called(site):
            return _Audience(site, after if listed else {}, after)
        return _Audience(site, _reaches(self._old_types or self._types, self._old_facts, site), after)

    def _flows_of(self, audience: _Audience, facts: Facts) -> Iterator[Flow]:
        for name in self._types.order:
            one = self._types.types[name]
            before, after = audience.before.get(name, NOTHING), audience.after.get(name, NOTHING)
            if before == after:
                continue
            if audience.site != PRIMARY:
                come = self._count(one, after, before)
                if come:
                    yield Flow("fill", name, PRIMARY, audience.site, come)
            yield from self._from_elsewhere(audience.site, one, before, after, facts)
            go = self._count(one, before, after)
            if go and not after.everything:
                yield Flow("leave", name, audience.site, audience.site, go)

    def _from_elsewhere(self, site: int, one: RecordType, before: Reach, after: Reach, facts: Facts) -> Iterator[Flow]:
        """Stores of which the primary holds no copy: only their active sites know how many records there are."""
        if one.store is None or one.edited_on != "active_site":
            return
        mine = {store for store in facts.stores if facts.holds(PRIMARY, store)}
        if site == PRIMARY:
            mine = {store for store in self._old_facts.stores if self._old_facts.holds(PRIMARY, store)}
        gained = after.stores - before.stores - mine
        for whence in sorted({facts.active_site(store) or 0 for store in gained} - {0, site, PRIMARY}):
            yield Flow("fill", one.name, whence, site, None)

    def _count(self, one: RecordType, inside: Reach, outside: Reach = NOTHING) -> int:
        return count(self._here.database.lookups(), one, self._types.types, inside, outside)

    def _seconds(self, flows: Iterable[Flow]) -> Iterator[tuple[int, float]]:
        """How long the records for each site would take, as far as somebody knows how fast its line is."""
        totals: dict[int, int] = {}
        for one in flows:
            if one.action == "fill" and one.records is not None:
                totals[one.to_site] = totals.get(one.to_site, 0) + one.records
        for site, total in totals.items():
            known = self._known.get(site)
            if known is not None and known.batch_size:
                yield site, total * WIRE_SECONDS / known.batch_size

    def _of_stores(self, settled: Settled, moves: Iterable[StoreMove]) -> Iterator[str]:
        staying = {one.code for one in moves if not one.possible}
        for one in settled.problems:
            if not any(one.message.startswith(f"store {code} has records") for code in staying):
                yield f"{one.message}; {one.hint}"

    def _of_lines(self, flows: Iterable[Flow], seconds: Mapping[int, float]) -> Iterator[str]:
        totals: dict[int, int] = {}
        for one in flows:
            if one.action == "fill":
                totals[one.to_site] = totals.get(one.to_site, 0) + (one.records or 0)
        for site, total in totals.items():
            name = self.names.get(site, "")
            if seconds.get(site, 0.0) >= SLOW_SECONDS:
                yield f"{total:,} records for site {site}, {name}, take about {duration(seconds[site])} on its line"
            elif site not in seconds and total >= MANY:
                yield f"{total:,} records go to site {site}, {name}, and how fast its line is, nobody knows yet"

    def _of_leavers(self) -> Iterator[str]:
        """Sites that the edit takes out and that have synced: they are refused from then on."""
        if self._old is None:
            return
        stay = {one.sync_id for one in self._here.settings.sync_with}
        for one in self._old.sync_with:
            if one.sync_id not in stay and self._has_called(one.sync_id):
                yield f"site {one.sync_id}, {one.name}, is refused from then on; what it has not sent yet stays there"

    # --- a satellite --------------------------------------------------------------------------------------------------

    def of_satellite(self, plan: Plan) -> Plan:
        """Records of this site's stores that a newly declared record type brings to the primary."""
        here, made = self._here, {one.record_type for one in plan.triggers if one.action == "make"}
        mine = here.facts.sites.get(here.site)
        stores = mine.active_stores if mine is not None else frozenset()
        flows = []
        for name in self._types.order:
            one = self._types.types[name]
            if name in made and one.edited_on == "active_site" and one.store is not None and stores:
                number = self._count(one, Reach(stores=stores))
                if number:
                    flows.append(Flow("fill", name, here.site, PRIMARY, number))
        warnings = plan.warnings
        if any(one.setting in ("this_site.active_stores", "this_site.copies_of") for one in plan.settings):
            warnings = (*warnings, "which stores are where is decided by the primary's lists; these must only agree")
        return replace(plan, records=tuple(flows), warnings=warnings)


def _reaches(types: TypeSet, facts: Facts, site: int) -> dict[str, Reach]:
    """What a site is to hold, by record type."""
    return {name: _reach(types, one, facts, site) for name, one in types.types.items()}


def _reach(types: TypeSet, one: RecordType, facts: Facts, site: int) -> Reach:
    if one.sent_to == "every_site" or (site == PRIMARY and one.sent_to == "primary_only"):
        return EVERYTHING
    known = facts.sites.get(site)
    if one.sent_to == "primary_only" or known is None:
        return NOTHING
    if known.copies_of == "all":
        return Reach(everything=True, stores=frozenset(facts.stores))
    held = {store for store in facts.stores if facts.holds(site, store)} | set(known.copies_of)
    return Reach(stores=frozenset(held), routes=_routes(types, one, facts, site))


def _routes(types: TypeSet, one: RecordType, facts: Facts, site: int) -> frozenset[Value]:
    """The routing values by which another store's record goes to a site: those of the stores that are active there."""
    also = one.also_sent_to or types.types[types.root(one.name)].also_sent_to
    if also is None or not also.names_store:
        return frozenset()
    active = [fact for fact in facts.stores.values() if site in fact.home]
    return frozenset(fact.name if also.kind == "store_of_name" else fact.store for fact in active) - {None}
