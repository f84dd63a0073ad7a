"""`msyncd stores`: where each store is active, and moving one."""

from dataclasses import asdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click

from msyncd.commands.editing import NOT_WAITED, Saved, confirm, document_here, edited, primary_here, save, show
from msyncd.commands.group import Group
from msyncd.commands.options import config_path, json_option
from msyncd.commands.output import print_json, print_table
from msyncd.commands.site import look_here
from msyncd.errors import WrongUsage

if TYPE_CHECKING:
    from msyncd.flow.handover_waits import HandOverStatus
    from msyncd.flow.here import Here
    from msyncd.model import StoreFact
    from msyncd.settings.editing import Edit
    from msyncd.settings.values import Settings

HEADINGS = ("store", "value", "active on", "name", "wished", "copies on")


SAME = "unchanged"


@click.group(cls=Group, examples=["msyncd stores list", "msyncd stores move KAL --to 2"])
def stores() -> None:
    """Where stores are active; move one."""


@stores.command("list", examples=["msyncd stores list", "msyncd stores list --json"])
@json_option
def list_(as_json: bool) -> None:
    """Where each store is active in fact, where its copies are, and where the YAML wishes it.

    On a satellite: as its primary told it at their last hello; what the primary's YAML wishes is not known there.
    """
    from msyncd.flow.handover_waits import hand_overs

    found = look_here()
    here = found.here
    wishes = _wishes(here.settings) if here.is_primary else {}
    with here.database.read() as reader:
        under_way = {one.store: one for one in hand_overs(reader, here)} if found.installed else {}
    stores = sorted(here.facts.stores.values(), key=lambda one: one.code)
    documents = [_document(here, one, wishes, under_way.get(one.store)) for one in stores]
    if as_json:
        print_json(documents)
        return
    print_table(HEADINGS, [_row(one) for one in documents], numbers=["active on", "wished"])
    for one in under_way.values():
        click.echo(one.words())


def _document(
    here: "Here", fact: "StoreFact", wishes: dict[str, int], under_way: "HandOverStatus | None"
) -> dict[str, Any]:
    copies = [number for number, site in here.facts.sites.items() if site.holds_copy(fact.store)]
    active = fact.edited_at
    return {
        "store": fact.code,
        "value": fact.store,
        "active_site": active,
        "name": here.peer(active).name if active is not None and active != here.site else _own_name(here, active),
        "wished_site": wishes.get(fact.store, wishes.get(fact.code)) if here.is_primary else None,
        "copies_on": sorted(number for number in copies if number != active),
        "epoch": fact.epoch,
        "hand_over": asdict(under_way) if under_way is not None else None,
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


@stores.command("move", acts=True, examples=["msyncd stores move KAL --to 2", "msyncd stores move KAL --to 2 --force"])
@click.argument("store", metavar="STORE")
@click.argument("site", metavar="[SITE]", type=int, required=False)
@click.option("--to", "to_site", metavar="SITE", type=int, help="The site on which it is to be active.")
@click.option(
    "--force", is_flag=True, help="The site where it is active is dead: do not wait for what it has not sent."
)
@click.option("--yes", is_flag=True, help="Do not ask on the terminal.")
@json_option
def move(store: str, site: int | None, to_site: int | None, force: bool, yes: bool, as_json: bool) -> int:
    """Make STORE active on SITE: edit the lists active_stores in the primary's YAML.

    STORE is its code, or its value in the store column. A store to which nobody can have written is active there
    at once. Any other is handed over: nobody can edit its records until the old site has sent what it has and the new
    one holds all of it. `msyncd stores list` and `msyncd status` say what is waited for. Moved back meanwhile, it
    stays.

    With --force what the old site has not sent is kept in quarantine, should it ever come back, and not applied.

    Exit status: 0 done, also if it is held back until the authorisation code is given; 1 if the daemon does not take
    it in, or --force would lose all records; 2 on a satellite, or for a store or site that does not exist.
    """
    from msyncd.flow.abandoning import abandoning

    goal = _goal(site, to_site)
    now = primary_here(config_path(), "move the store")
    found = look_here(now.settings)
    fact = _known(found.here, store)
    names = {store, *(() if fact is None else (fact.code, fact.store))}
    document, settings = document_here(now)
    edits = moving(settings, names, store if fact is None else fact.code, goal)
    one = edited(now, document, edits)
    abandoned = abandoning(found, fact, goal) if force and fact is not None else None
    if not edits and abandoned is None:
        return show(one, Saved(SAME), as_json=as_json)
    words = abandoned.words() if abandoned is not None else ()
    confirm([*one.plan.lines(), *words], f"Make {store} active on site {goal}?", yes=yes or as_json)
    if abandoned is not None:
        abandoned.note()
    saved = save(one) if edits else Saved(NOT_WAITED)
    return show(one, saved, as_json=as_json)


def _goal(site: int | None, to_site: int | None) -> int:
    if site is not None and to_site is not None and site != to_site:
        raise WrongUsage(f"site {site} and --to {to_site} contradict each other")
    goal = site if site is not None else to_site
    if goal is None:
        raise WrongUsage("say where the store is to be active", hint="e.g. `msyncd stores move KAL --to 2`")
    return goal


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
