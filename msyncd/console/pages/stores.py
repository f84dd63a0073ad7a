"""`/stores`: where each store is active, who keeps copies of it, and what its numbers say."""

from dataclasses import dataclass

from starlette.responses import Response

from msyncd.console.pages.page import Page
from msyncd.console.visit import Visit
from msyncd.flow.facts import renewed
from msyncd.flow.handover_waits import HandOverStatus, hand_overs
from msyncd.flow.here import Here
from msyncd.model import StoreFact


@dataclass(frozen=True, slots=True)
class Line:
    """A store; `active` and `copies` are sync IDs with names, `under_way` its hand-over."""

    fact: StoreFact
    under_way: HandOverStatus | None
    active: tuple[int, str] | None
    copies: tuple[tuple[int, str], ...]


def show(visit: Visit) -> Response:
    """The list, narrowed by `q`: a part of the code or the store's value, or the sync ID or name of a site."""
    here = visit.desk.running_site().here
    q = visit.asked("q").casefold()
    with here.database.read() as reader:
        here = renewed(reader, here)  # a satellite's message may have moved a store just now
        under_way = {one.store: one for one in hand_overs(reader, here)}
    lines = [_line(here, fact, under_way.get(fact.store)) for fact in here.facts.stores.values()]
    chosen = [one for one in lines if _fits(one, q)]
    chosen.sort(key=lambda one: (one.fact.code.casefold(), one.fact.store))
    return visit.page(
        "stores.html",
        here="stores",
        lines=chosen,
        number=len(lines),
        q=visit.asked("q"),
        places=sorted((number, name_of(here, number)) for number in here.facts.sites),
        may_move=here.is_primary and visit.may("change") and not visit.desk.lock().locked,
    )


def _line(here: Here, fact: StoreFact, under_way: HandOverStatus | None) -> Line:
    at = fact.edited_at
    active = None if at is None else (at, name_of(here, at))
    copies = tuple(
        (number, name_of(here, number))
        for number, site in sorted(here.facts.sites.items())
        if number != at and site.holds_copy(fact.store)
    )
    return Line(fact, under_way, active, copies)


def name_of(here: Here, sync_id: int) -> str:
    """What people call a site."""
    return here.settings.this_site.name if sync_id == here.site else here.peer(sync_id).name


def _fits(one: Line, q: str) -> bool:
    named = [one.fact.code, one.fact.store, *(one.active[1:] if one.active else ())]
    return (one.active is not None and q == str(one.active[0])) or any(q in word.casefold() for word in named)


PAGES = (Page("/stores", show),)
