"""`/sites/{sync_id}`: one site: how it stands, its last days, batches, refusals, stores; sync now, check connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from msyncd.console import plots
from msyncd.console.book import BookUnavailable
from msyncd.console.desk import Snapshot
from msyncd.console.history import sample
from msyncd.console.pages.page import Page
from msyncd.console.visit import Visit
from msyncd.daemon.traffic import Flow
from msyncd.errors import MsyncdError, WrongUsage
from msyncd.flow.ledger import aside
from msyncd.flow.ledger.sites import Known
from msyncd.flow.looking import Look, probe
from msyncd.flow.status import PeerStatus
from msyncd.settings.secrets import read_secret
from msyncd.settings.values import PeerSite, Settings
from msyncd.wire.connection_check import Step, Target, check_connection, check_line

PERIODS: Final = {"1": 96, "7": 84, "30": 90}
"""Days that the plots may show, each with its number of parts."""

_REFUSALS: Final = 20


@dataclass(frozen=True, slots=True)
class Plots:
    """The last days of a site."""

    days: str
    moved: Markup
    stood: Markup
    states: Markup


def show(visit: Visit, steps: Sequence[Step] | None = None, status: int = 200) -> Response:
    """The page; with the steps of a check that was just made."""
    desk, entry = visit.desk, entry_of(visit)
    found = desk.snapshot()
    peer = next(one for one in found.status.peers if one.sync_id == entry.sync_id)
    here = desk.running_site().here
    facts = here.peer(entry.sync_id)
    with here.database.read() as reader:
        origin = entry.sync_id if here.is_primary else None
        refused = aside.quarantined_page(reader, limit=_REFUSALS, site=origin)
    return visit.page(
        "site.html",
        status,
        here="sites",
        peer=peer,
        entry=entry,
        known=found.known.get(entry.sync_id) or Known(entry.sync_id),
        flow=found.flows.get(entry.sync_id, Flow()),
        active=sorted(here.facts.code(store) for store in facts.active_stores),
        copies="all" if facts.copies_of == "all" else ", ".join(sorted(map(here.facts.code, facts.copies_of))),
        refused=refused,
        plotted=_plots(visit, found, peer),
        periods=PERIODS,
        is_primary=here.is_primary,
        progress=None if here.is_primary else desk.progress,
        steps=steps,
    )


def entry_of(visit: Visit) -> PeerSite:
    """The site that the address names. Raises WrongUsage if there is none."""
    wanted = visit.request.path_params["sync_id"]
    for one in visit.desk.settings.sync_with:
        if one.sync_id == wanted:
            return one
    raise WrongUsage(f"sync ID {wanted} is not in sync_with", hint="the list of sites shows those that are")


def _plots(visit: Visit, found: Snapshot, peer: PeerStatus) -> Plots:
    days = visit.asked("days") if visit.asked("days") in PERIODS else "1"
    try:
        samples = visit.desk.history.of(peer.sync_id, int(days))
    except BookUnavailable:
        samples = []
    now = found.at
    samples = [*samples, sample(peer, found.flows.get(peer.sync_id, Flow()), int(now))]
    parts = plots.slots(samples, now=now + 1, days=int(days), number=PERIODS[days])
    return Plots(days, plots.moved(parts), plots.stood(parts), plots.states(parts))


def sync(visit: Visit) -> Response:
    """Begin a cycle now. On the primary there is none to begin: satellites call."""
    entry = entry_of(visit)
    visit.desk.sync(visit.user.name)
    visit.note("sync now")
    return visit.back(f"/sites/{entry.sync_id}#sync")


def check(visit: Visit) -> Response:
    """Try the line, step by step; nothing is changed at either end."""
    entry = entry_of(visit)
    steps = steps_to(visit, entry)
    failed = next((step for step in steps if not step.ok), None)
    visit.note(f"check connection to site {entry.sync_id}", f"failed: {failed.name}" if failed else "done")
    return show(visit, steps)


def steps_to(visit: Visit, entry: PeerSite) -> list[Step]:
    """From a satellite all the way to the log-in and stores; from the primary the line to where the entry says."""
    settings = visit.desk.settings
    if settings.is_primary:
        if not entry.url:
            raise MsyncdError(
                f"the entry of site {entry.sync_id} has no url to check",
                hint="satellites call the primary: run `msyncd check-connection` there, or add its url here",
            )
        return check_line(entry.url, entry.ca_certificate)
    site = visit.desk.running_site()
    return check_connection(target_of(settings, entry), probe(Look(site.here, (), installed=True)))


def target_of(settings: Settings, entry: PeerSite) -> Target:
    """Where and how the primary is called. The password is read when it is needed."""
    secret = entry.password or settings.this_site.password
    return Target(
        entry.url or "",
        entry.user_name or settings.this_site.user_name,
        lambda: read_secret(secret),
        entry.ca_certificate,
        entry.proxy,
        settings.allow_plain_http,
    )


PAGES = (
    Page("/sites/{sync_id:int}", show),
    Page("/sites/{sync_id:int}/sync", sync, "POST", "operate"),
    Page("/sites/{sync_id:int}/check", check, "POST", "operate"),
)
