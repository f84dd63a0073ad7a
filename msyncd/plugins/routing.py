"""Routes of all plugins taken together: what is added is united, what is removed is united, and remove beats add."""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from msyncd.model import Changes, RecordType, Route
from msyncd.plugins.answers import Failed, Routed
from msyncd.plugins.plugin import Plugin, ask

_HOOK = "msyncd_route"
_NOWHERE = Route()


def route_changes(plugins: Sequence[Plugin], record_type: RecordType, changes: Changes) -> Routed:
    """One route for each change. Changes that go the same way share one object, so that a batch resolves few."""
    failed: list[Failed] = []
    answers: list[Sequence[Route | None]] = []

    def arguments(part: Sequence[int]) -> dict[str, Any]:
        return {"record_type": record_type, "changes": changes if len(part) == len(changes) else changes.select(part)}

    for plugin in plugins:
        asked = ask(plugin, _HOOK, range(len(changes)), arguments)
        failed += asked.failed
        answers += _answers(plugin, asked.pieces, len(changes), failed)
    return Routed(_combined(answers, len(changes)), tuple(failed))


def has_answer(plugin: Plugin, record_type: RecordType) -> bool:
    """Whether a plugin routes a record type at all: its answer to an empty batch is not None."""
    try:
        return plugin.call(_HOOK, {"record_type": record_type, "changes": Changes(record_type, [], [])}) is not None
    except Exception:  # noqa: BLE001  # what raises without any change cannot say no
        return True


def _answers(
    plugin: Plugin, pieces: list[tuple[Sequence[int], Any]], size: int, failed: list[Failed]
) -> list[Sequence[Route | None]]:
    """A plugin's answers that make sense, as lists as long as the batch; the rest is added to the failures."""
    usable: list[tuple[Sequence[int], Sequence[Route | None]]] = []
    for part, answer in pieces:
        reason = _nonsense(answer, len(part))
        if reason:
            failed.append(plugin.note(_HOOK, reason, indexes=part))
        elif answer is not None:
            usable.append((part, answer))
    if len(usable) == 1 and len(usable[0][0]) == size:
        return [usable[0][1]]
    if not usable:
        return []
    together: list[Route | None] = [None] * size
    for part, answer in usable:
        for index, route in zip(part, answer, strict=True):
            together[index] = route
    return [together]


def _combined(answers: list[Sequence[Route | None]], size: int) -> Sequence[Route]:
    if not answers:
        return [_NOWHERE] * size
    # By identity: hashing four sets per record would cost more than everything else here.
    identities = list(zip(*(map(id, answer) for answer in answers), strict=True))
    distinct = dict(zip(identities, zip(*answers, strict=True), strict=True))
    known = {identity: _one([route for route in opinions if route]) for identity, opinions in distinct.items()}
    return [known[identity] for identity in identities]


def _one(opinions: list[Route]) -> Route:
    if not opinions:
        return _NOWHERE
    no_sites: frozenset[int] = reduce(or_, (route.remove_sites for route in opinions))
    no_stores: frozenset[str] = reduce(or_, (route.remove_stores for route in opinions))
    sites: frozenset[int] = reduce(or_, (route.add_sites for route in opinions))
    stores: frozenset[str] = reduce(or_, (route.add_stores for route in opinions))
    return Route(sites - no_sites, no_sites, stores - no_stores, no_stores)


def _nonsense(answer: Any, asked: int) -> str:
    """Why an answer makes no sense; empty if it does."""
    if answer is None:
        return ""
    if not isinstance(answer, list | tuple):
        return f"it answered a {type(answer).__name__}, not a list of routes or None"
    if len(answer) != asked:
        return f"it answered with {len(answer)} routes for {asked} changes"
    for route in {id(route): route for route in answer}.values():
        if route is not None and not isinstance(route, Route):
            return f"it answered a {type(route).__name__}, not a Route"
        if route is not None and not _well_formed(route):
            return f"it answered {route}; sites are frozensets of sync IDs, stores frozensets of texts"
    return ""


def _well_formed(route: Route) -> bool:
    parts: tuple[tuple[Any, type], ...] = (
        (route.add_sites, int),
        (route.remove_sites, int),
        (route.add_stores, str),
        (route.remove_stores, str),
    )
    return all(isinstance(part, frozenset) and all(isinstance(value, kind) for value in part) for part, kind in parts)
