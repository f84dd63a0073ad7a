"""`msyncd sites`: who takes part."""

from typing import TYPE_CHECKING, Any

import click

from msyncd.commands.group import Group
from msyncd.commands.options import json_option
from msyncd.commands.output import print_json, print_table, when
from msyncd.commands.reading import status_of
from msyncd.commands.site import look_here

if TYPE_CHECKING:
    from msyncd.flow.here import Here
    from msyncd.flow.status import PeerStatus
    from msyncd.model import Site

HEADINGS = ("site", "name", "active stores", "copies of", "url", "state", "last success")


@click.group(cls=Group, examples=["msyncd sites list"])
def sites() -> None:
    """The sites of this installation."""


@sites.command("list", examples=["msyncd sites list", "msyncd sites list --json"])
@json_option
def list_(as_json: bool) -> None:
    """Sync ID, name, stores, copies, url, state and last success of each site.

    Stores are shown by their codes, as they are active in fact: an edit of `active_stores` counts once the primary has
    taken it. A satellite knows what its primary told it at their last hello.
    """
    found = look_here()
    peers = {one.sync_id: one for one in status_of(found).peers}
    here = found.here
    known = {**here.facts.sites, **{number: here.peer(number) for number in (here.site, *peers)}}
    urls = {one.sync_id: one.url for one in here.settings.sync_with}
    documents = [_document(here, known[number], urls.get(number), peers.get(number)) for number in sorted(known)]
    if as_json:
        print_json(documents)
        return
    print_table(HEADINGS, [_row(one) for one in documents], numbers=["site"])


def _document(here: "Here", site: "Site", url: str | None, peer: "PeerStatus | None") -> dict[str, Any]:
    def codes(stores: frozenset[str]) -> list[str]:
        return sorted(here.facts.code(store) for store in stores)

    return {
        "sync_id": site.sync_id,
        "name": here.settings.this_site.name if site.sync_id == here.site else site.name,
        "this_site": site.sync_id == here.site,
        "active_stores": codes(site.active_stores),
        "copies_of": "all" if site.copies_of == "all" else codes(site.copies_of),
        "url": url,
        "state": peer.state if peer else None,
        "last_success": peer.last_success if peer else None,
    }


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    copies = one["copies_of"]
    last = when(one["last_success"]) if one["state"] else "-"
    state = one["state"] or ("this site" if one["this_site"] else "-")
    copied = "all" if copies == "all" else " ".join(copies) or "-"
    return one["sync_id"], one["name"], " ".join(one["active_stores"]) or "-", copied, one["url"] or "-", state, last
