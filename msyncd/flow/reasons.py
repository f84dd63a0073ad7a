"""The destinations of one record, each with the reason for which it is one."""

from collections.abc import Iterator
from dataclasses import dataclass

from msyncd.flow.facts import destinations
from msyncd.flow.here import Here
from msyncd.model import PRIMARY, Changes, StoreFact, Value


@dataclass(frozen=True, slots=True)
class Destination:
    """A site that is to hold the record, and why."""

    site: int
    reason: str


@dataclass(frozen=True)
class Reasons:
    """A record as routing sees it. `also` is kind and column of the also_sent_to that holds for it."""

    here: Here
    changes: Changes
    store: str | None
    route: Value
    also: tuple[str, str] | None


def destinations_of(asked: Reasons) -> tuple[Destination, ...]:
    """What routing says, in the words of the rules; what no rule says was added, or taken away, by a plugin."""
    by_rule = dict(_by_rule(asked))
    routed = asked.here.plugins.route(asked.changes.record_type, asked.changes).routes
    facts = asked.here.facts
    wanted = {
        site
        for one in routed
        for site in (one.add_sites | destinations(facts, one.add_stores))
        - (one.remove_sites | destinations(facts, one.remove_stores))
    }
    found = [Destination(site, by_rule.get(site, "a plugin that routes sends it there")) for site in sorted(wanted)]
    if PRIMARY not in wanted:
        found.insert(0, Destination(PRIMARY, "every copy passes through the primary, which keeps none of this store"))
    return tuple(found)


def _by_rule(asked: Reasons) -> Iterator[tuple[int, str]]:
    """Sites with reasons; of several for one site the last holds, so the strongest comes last."""
    record_type, facts = asked.changes.record_type, asked.here.facts
    if record_type.sent_to == "every_site":
        yield from ((site, "sent_to: every_site") for site in facts.sites)
    elif record_type.sent_to == "primary_only":
        yield PRIMARY, "sent_to: primary_only"
    if asked.also is not None and asked.also[0] != "by_plugins" and asked.route is not None:
        yield from _other_party(asked, *asked.also)
    if record_type.sent_to == "sites_of_store" and asked.store is not None:
        yield from _of_store(asked, asked.store)


def _other_party(asked: Reasons, kind: str, column: str) -> Iterator[tuple[int, str]]:
    for fact in asked.here.facts.stores.values():
        value = fact.name if kind == "store_of_name" else fact.store
        if value == asked.route:
            for site in sorted(fact.home):
                yield site, f"also_sent_to: {column} is store {fact.code}, which {_at_home(fact, site)}"


def _of_store(asked: Reasons, store: str) -> Iterator[tuple[int, str]]:
    facts = asked.here.facts
    code = facts.code(store)
    for number, site in facts.sites.items():
        if site.holds_copy(store):
            yield number, f"it keeps copies of {'all stores' if site.copies_of == 'all' else f'store {code}'}"
    fact = facts.stores.get(store)
    for number in sorted(facts.home(store)):
        assert fact is not None
        yield number, f"store {code} {_at_home(fact, number)}"


def _at_home(fact: StoreFact, site: int) -> str:
    way = fact.hand_over
    if way is None:
        return "is active there"
    return f"is being handed over {'to' if site == way.to_site else 'from'} it"
