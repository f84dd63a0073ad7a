"""`msyncd sites remove`: a site is taken out of the primary's file."""

from typing import TYPE_CHECKING

import click

from msyncd.commands.editing import confirm, document_here, edited, primary_here, save, show
from msyncd.commands.group import Command
from msyncd.commands.options import config_path, json_option
from msyncd.commands.output import count
from msyncd.errors import MsyncdError

if TYPE_CHECKING:
    from msyncd.flow.plan import Plan


class StoresStay(MsyncdError):
    """A site still has stores with records, which would be edited nowhere without it."""


def refuse_stores(plan: "Plan", site: int) -> None:
    """Raises StoresStay if stores with records are active on a site that is to be removed."""
    staying = [move for move in plan.stores if not move.possible and move.from_site == site]
    if staying:
        codes = ", ".join(f"{move.code} ({count(move.records, 'record')})" for move in staying)
        raise StoresStay(
            f"stores with records are active on site {site}: {codes}",
            hint="without it they could be edited nowhere; nothing was written; "
            f"`msyncd sites remove {site} --force` does it all the same",
        )


@click.command(cls=Command, acts=True, examples=["msyncd sites remove 4"])
@click.argument("site", metavar="N", type=int)
@click.option("--force", is_flag=True, help="Also a site whose stores have records: they can then be edited nowhere.")
@click.option("--yes", is_flag=True, help="Do not ask on the terminal.")
@json_option
def remove(site: int, force: bool, yes: bool, as_json: bool) -> int:
    """Take a satellite out of sync_with, in the primary's YAML.

    It is refused from then on. What it holds stays there, and what it has not sent reaches nobody. Comments, order and
    all other lines of the file stay.

    Exit status: 0 done, also if it is held back until the authorisation code is given; 1 if stores with records are
    active on the site, or the daemon does not take it in; 2 on a satellite, or for a site that is not in sync_with.
    """
    from msyncd.settings.editing import RemoveSite

    now = primary_here(config_path(), "remove the site")
    one = edited(now, document_here(now)[0], [RemoveSite(site)])
    if not force:
        refuse_stores(one.plan, site)
    confirm(one.plan.lines(), f"Remove site {site}?", yes=yes or as_json)
    return show(one, save(one), as_json=as_json)
