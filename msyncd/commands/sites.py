"""`msyncd sites`: who takes part."""

import sys
from typing import TYPE_CHECKING, Any

import click

from msyncd.commands.group import Group
from msyncd.commands.options import json_option
from msyncd.commands.output import note, print_json, print_table, when
from msyncd.commands.reading import status_of
from msyncd.commands.site import look_here
from msyncd.commands.sites_add import add
from msyncd.commands.sites_ask import ask
from msyncd.commands.sites_remove import remove
from msyncd.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from msyncd.flow.here import Here
    from msyncd.flow.ledger.replaced import Replaced
    from msyncd.flow.looking import Look
    from msyncd.flow.replacing import Replacement
    from msyncd.flow.status import PeerStatus
    from msyncd.model import Site

HEADINGS = ("site", "name", "active stores", "copies of", "url", "state", "last success")


@click.group(cls=Group, examples=["msyncd sites list", "msyncd sites add 4 --name Dorsi", "msyncd sites replace 2"])
def sites() -> None:
    """The sites of this installation."""


sites.add_command(add)
sites.add_command(ask)
sites.add_command(remove)


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


@sites.command("replace", acts=True, examples=["msyncd sites replace 2", "msyncd sites replace 2 --by 3f9a1c07d2be"])
@click.argument("site", metavar="N", type=int)
@click.option(
    "--by",
    metavar="ID",
    help="A machine that was replaced before and is to come back: the beginning of its installation ID, as it is told.",
)
@click.option("--yes", is_flag=True, help="Do not ask on the terminal.")
@json_option
def replace(site: int, by: str | None, yes: bool, as_json: bool) -> None:
    """Let another machine take over sync ID N. To be run on the primary.

    The database that syncs as site N is let go, and refused from then on. The next other one that says hello as site N
    takes its place and is filled. What the old one has sent stays; what it has not sent stays in it and reaches nobody.

    Exit status: 0 done; 1 if --by names none; 2 on a satellite, or for a site that is not in sync_with.
    """
    from msyncd.flow.replacing import check_replaceable, replace_site

    found = look_here()
    check_replaceable(found.here, site)
    if not found.installed:
        raise WrongUsage("msyncd has never run on this database", hint="there is nothing to replace yet")
    if not (yes or as_json) and sys.stdin.isatty():
        for line in _before(found, site):
            note(line)
        click.confirm(f"Replace site {site}?", abort=True, err=True)
    done = replace_site(found.here, site, by=by)
    if as_json:
        print_json(_replacement(done))
        return
    for line in _after(done):
        click.echo(line)


def _before(found: "Look", site: int) -> list[str]:
    """What is to happen, for whoever is asked."""
    from msyncd.flow.replacing import not_held

    here = found.here
    name = here.peer(site).name
    last = {one.sync_id: one for one in status_of(found).peers}.get(site)
    success = when(last.last_success if last else None)
    lines = [
        f"The database that syncs as site {site}, {name}, is refused from now on. Its last success: {success}.",
        "What it has not sent stays in it and reaches nobody: keep it. The next new machine takes its place.",
    ]
    return lines + _lacking(not_held(here, site))


def _lacking(stores: "Sequence[str]") -> list[str]:
    if not stores:
        return []
    return [f"No copy here: of {', '.join(stores)} the primary has no records, so a new machine begins without any."]


def _after(done: "Replacement") -> list[str]:
    """What was done, and what comes next."""
    site, old = done.site, done.old
    lines = [f"the database that synced as site {site} is refused from now on"] if old else []
    if old is None:
        lines.append(f"no database has the place of site {site}")
    lines += [f"the database replaced on {one.at[:10]} may come back" for one in done.readmitted]
    lines.append(
        f"the next {'' if done.readmitted else 'new '}one that says hello as site {site} takes it, and is filled"
    )
    return lines + _lacking(done.not_held)


def _replacement(done: "Replacement") -> dict[str, Any]:
    def named(one: "Replaced") -> dict[str, str]:
        return {"database_id": one.database_id, "installation_id": one.installation_id}

    return {
        "format": 1,
        "site": done.site,
        "replaced": named(done.old) if done.old else None,
        "readmitted": [named(one) for one in done.readmitted],
        "not_held": list(done.not_held),
    }
