"""`msyncd sites ask`: a restored primary asks its satellites for what it lost."""

import sys
from typing import TYPE_CHECKING, Any

import click

from msyncd.commands.group import Command
from msyncd.commands.options import json_option
from msyncd.commands.output import note, print_json, print_table
from msyncd.commands.site import look_here
from msyncd.errors import WrongUsage

if TYPE_CHECKING:
    from msyncd.flow.asking import Asking

WORDS = {"asked": "is asked", "given": "has answered", "left_out": "left out"}


@click.command(cls=Command, acts=True, examples=["msyncd sites ask", "msyncd sites ask --without 3 --without 7"])
@click.option(
    "--without", "without", metavar="N", type=int, multiple=True, help="Do not wait for site N, which cannot answer."
)
@click.option("--yes", is_flag=True, help="Do not ask on the terminal.")
@json_option
def ask(without: tuple[int, ...], yes: bool, as_json: bool) -> None:
    """Ask all satellites for what a restored primary lost. To be run on the primary.

    Until all have answered who are not left out, the primary takes no changes and hands none out, and its own
    application edits neither central records nor its stores. Run again meanwhile, it shows who has answered.

    Exit status: 0 it is asked, or all have answered; 2 on a satellite, or for a site that is not in sync_with.
    """
    from msyncd.flow import asking

    found = look_here()
    asking.check_askable(found.here, without)
    if not found.installed:
        raise WrongUsage("msyncd has never run on this database", hint="run `msyncd init` first")
    with found.here.database.read() as reader:
        before = asking.progress(reader, found.here)
    begins = before is None or not before.under_way
    if (begins or without) and not (yes or as_json) and sys.stdin.isatty():
        for line in _before(begins=begins, without=without):
            note(line)
        click.confirm("Ask the satellites?" if begins else "Leave them out?", abort=True, err=True)
    asking.ask(found.here, without)
    with found.here.database.read() as reader:
        now = asking.progress(reader, found.here)
    assert now is not None
    if as_json:
        print_json(_document(now))
    else:
        _show(now)


def _before(*, begins: bool, without: tuple[int, ...]) -> list[str]:
    """What is to happen, for whoever is asked."""
    lines = []
    if begins:
        lines = [
            "This is for a primary that was restored from a backup, and is older than what its satellites have.",
            "What they know better comes back: store facts, central records, records of stores that are active here.",
            "Until all have answered, nobody edits central records and stores here, and nothing is synced.",
        ]
    return lines + [
        f"Site {one} is not waited for: what only it knows of central records stays lost." for one in without
    ]


def _show(now: "Asking") -> None:
    rows = [(one.site, one.name, WORDS[one.state], one.problem or "") for one in now.sites]
    print_table(("site", "name", "state", "problem"), rows, numbers=["site"])
    if now.under_way:
        click.echo(now.words())
        click.echo("each answers at its next cycle; `msyncd status` shows what has come back")
    else:
        click.echo("all have answered who were not left out: the primary goes on")


def _document(now: "Asking") -> dict[str, Any]:
    return {
        "format": 1,
        "under_way": now.under_way,
        "sites": [{"sync_id": s.site, "name": s.name, "state": s.state, "problem": s.problem} for s in now.sites],
    }
