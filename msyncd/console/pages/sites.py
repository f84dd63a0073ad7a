"""`/sites`: every site with which this one syncs, what it owes and is owed. `/` leads here."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from msyncd.console import plots
from msyncd.console.book import BookUnavailable
from msyncd.console.desk import Desk, Snapshot
from msyncd.console.history import Sample, sample
from msyncd.console.pages.page import Page
from msyncd.console.visit import Visit
from msyncd.console.words import STATES
from msyncd.daemon.traffic import Flow
from msyncd.flow.status import PeerStatus

SLOTS: Final = 48
"""Parts of the last day in the small plot: half an hour each."""


@dataclass(frozen=True, slots=True)
class Line:
    """One site in the list."""

    peer: PeerStatus
    version: str | None
    flow: Flow
    plot: Markup


def show(visit: Visit) -> Response:
    """The list, narrowed by `q` (sync ID or name) and `state`."""
    desk = visit.desk
    if desk.settings.stands_alone:
        return visit.page("sites.html", here="sites", lines=[], found=None, counts={}, q="", state="")
    found = desk.snapshot()
    q, state = visit.asked("q"), visit.asked("state")
    peers = [one for one in found.status.peers if fits(one.sync_id, one.name, q) and state in ("", one.state)]
    counts = Counter(one.state for one in found.status.peers)
    return visit.page(
        "sites.html",
        here="sites",
        found=found,
        lines=lines(desk, found, peers),
        counts={one: counts[one] for one in STATES if counts[one]},
        q=q,
        state=state if state in STATES else "",
    )


def fits(sync_id: int, name: str, q: str) -> bool:
    """Whether a site is meant by what somebody searches: its sync ID, or a part of its name."""
    return q == str(sync_id) or q.casefold() in name.casefold()


def lines(desk: Desk, found: Snapshot, peers: list[PeerStatus]) -> list[Line]:
    """The sites with their plots of the last day."""
    now = found.at
    past = past_of(desk)
    made = []
    for one in peers:
        known, flow = found.known.get(one.sync_id), found.flows.get(one.sync_id, Flow())
        samples = [*past.get(one.sync_id, []), sample(one, flow, int(now))]
        plot = plots.moved(plots.slots(samples, now=now + 1, days=1, number=SLOTS), small=True)
        made.append(Line(one, known.version if known else None, flow, plot))
    return made


def past_of(desk: Desk, days: float = 1) -> dict[int, list[Sample]]:
    """The last days of every site; nothing where the console's file cannot be read, since the rest can be shown."""
    try:
        return dict(desk.history.all(days))
    except BookUnavailable:
        return {}


PAGES = (Page("/", show), Page("/sites", show))
