"""`msyncd stores`: where each store is active, and moving one."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from msyncd.commands.editing import Saved, confirm, document_here, edited, primary_here, save, show
from msyncd.commands.group import Group
from msyncd.commands.options import config_path, json_option
from msyncd.commands.output import count, print_json, print_table
from msyncd.commands.site import look_here
from msyncd.errors import MsyncdError, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Collection

    from msyncd.flow.here import Here
    from msyncd.flow.plan import StoreMove
    from msyncd.model import StoreFact
    from msyncd.settings.editing import Edit
    from msyncd.settings.values import Settings

HEADINGS = ("store", "value", "active on", "name", "wished", "copies on")


SAME = "unchanged"


class NeedsHandOver(MsyncdError):
    """A store with records is not moved by an edit."""


@click.group(cls=Group, examples=["msyncd stores list", "msyncd stores move KAL 2"])
def stores() -> None:
    """Where stores are active; move one."""


@stores.command("list", examples=["msyncd stores list", "msyncd stores list --json"])
@json_option
def list_(as_json: bool) -> None:
    """Where each store is active in fact, where its copies are, and where the YAML wishes it.

    On a satellite: as its primary told it at their last hello; what the primary's YAML wishes is not known there.
    """
    here = look_here().here
    wishes = _wishes(here.settings) if here.is_primary else {}
    documents = [_document(here, one, wishes) for one in sorted(here.facts.stores.values(), key=lambda one: one.code)]
    if as_json:
        print_json(documents)
        return
    print_table(HEADINGS, [_row(one) for one in documents], numbers=["active on", "wished"])


def _document(here: "Here", fact: "StoreFact", wishes: dict[str, int]) -> dict[str, Any]:
    copies = [number for number, site in here.facts.sites.items() if site.holds_copy(fact.store)]
    active = fact.active_site
    return {
        "store": fact.code,
        "value": fact.store,
        "active_site": active,
        "name": here.peer(active).name if active is not None and active != here.site else _own_name(here, active),
        "wished_site": wishes.get(fact.store, wishes.get(fact.code)) if here.is_primary else None,
        "copies_on": sorted(number for number in copies if number != active),
        "epoch": fact.epoch,
    }


def _own_name(here: "Here", active: int | None) -> str | None:
    return here.settings.this_site.name if active == here.site else None


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    def shown(value: Any) -> Any:
        return "-" if value is None else value

    copies = " ".join(map(str, one["copies_on"])) or "-"
    return (
        one["store"],
        one["value"],
        shown(one["active_site"]),
        shown(one["name"]),
        shown(one["wished_site"]),
        copies,
    )


def _wishes(settings: "Settings") -> dict[str, int]:
    """On the primary: the site that lists a store as active, by what the YAML calls it."""
    mine = settings.this_site
    wishes = dict.fromkeys(mine.active_stores or (), mine.sync_id)
    for one in settings.sync_with:
        wishes |= dict.fromkeys(one.active_stores, one.sync_id)
    return wishes


# --- moving -----------------------------------------------------------------------------------------------------------


@stores.command("move", acts=True, examples=["msyncd stores move KAL 2"])
@click.argument("store", metavar="STORE")
@click.argument("site", metavar="SITE", type=int)
@click.option("--yes", is_flag=True, help="Do not ask on the terminal.")
@json_option
def move(store: str, site: int, yes: bool, as_json: bool) -> int:
    """Make STORE active on SITE: edit the lists active_stores in the primary's YAML.

    STORE is its code, or its value in the store column. A store without records is active there at once. One with
    records moves only by a hand-over, which is not there yet: then nothing is written, and the exit status is 1.

    Exit status: 0 done, also if it is held back until the authorisation code is given; 1 if the store has records, or
    the daemon does not take it in; 2 on a satellite, or for a store or site that does not exist.
    """
    now = primary_here(config_path(), "move the store")
    here = look_here(now.settings).here
    fact = _known(here, store)
    names = {store, *(() if fact is None else (fact.code, fact.store))}
    document, settings = document_here(now)
    edits = moving(settings, names, store if fact is None else fact.code, site)
    one = edited(now, document, edits)
    if not edits:
        return show(one, Saved(SAME), as_json=as_json)
    refuse_moves(one.plan.stores, names)
    confirm(one.plan.lines(), f"Make {store} active on site {site}?", yes=yes or as_json)
    return show(one, save(one), as_json=as_json)


def _known(here: "Here", store: str) -> "StoreFact | None":
    """The store by its value or code; None if only the YAML names it so far. Raises WrongUsage if nobody does."""
    facts = here.facts.stores
    found = facts.get(store) or next((one for one in facts.values() if one.code == store), None)
    if found is None and store not in _wishes(here.settings):
        known = sorted(one.code for one in facts.values())
        close = get_close_matches(store, known, 1)
        hint = f"did you mean {close[0]}?" if close else "`msyncd stores list` shows them; make it in the application"
        raise WrongUsage(f"there is no store {store}", hint=hint)
    return found


def moving(settings: "Settings", names: set[str], code: str, site: int) -> "list[Edit]":
    """The edits that take a store off the list on which it stands and put it on another; none if it is there already.

    `names` are those by which files may call it, `code` the one by which it is written. Raises WrongUsage.
    """
    mine = settings.this_site
    lists = {mine.sync_id: mine.active_stores or (), **{one.sync_id: one.active_stores for one in settings.sync_with}}
    if site not in lists:
        raise WrongUsage(f"site {site} is not in sync_with", hint="`msyncd sites list` shows the sites")
    if names & set(lists[site]):
        return []
    edits: list[Edit] = []
    written = code
    for number, listed in lists.items():
        stays = [one for one in listed if one not in names]
        if number == site:
            continue
        if len(stays) != len(listed):
            written = next(one for one in listed if one in names)  # as this file calls it
            edits.append(_listing(settings, number, stays))
    edits.append(_listing(settings, site, [*lists[site], written]))
    return edits


def _listing(settings: "Settings", site: int, listed: list[str]) -> "Edit":
    from msyncd.settings.editing import Set, SetSite

    if site == settings.this_site.sync_id:
        return Set("this_site.active_stores", listed)
    return SetSite(site, "active_stores", listed)


def refuse_moves(moves: "tuple[StoreMove, ...]", names: "Collection[str]") -> None:
    """Raises NeedsHandOver if the plan says of one of these stores that it cannot move."""
    for one in moves:
        if not one.possible and {one.code, one.store} & set(names):
            raise NeedsHandOver(
                f"store {one.code} is active on site {one.from_site} and has {count(one.records, 'record')}: it stays "
                "there, since a store with records moves only by a hand-over, which is not there yet",
                hint="nothing was written",
            )
