"""`msyncd import`: a bundle that was carried by hand is taken in, exactly once."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from msyncd.commands.group import Command
from msyncd.commands.options import json_option
from msyncd.commands.output import count, note, print_json
from msyncd.commands.progress import progress
from msyncd.commands.site import note_problems, open_here, settings_here
from msyncd.commands.trusting import trust_of, trust_option
from msyncd.errors import WrongUsage

if TYPE_CHECKING:
    from msyncd.flow.bundle.importing import Imported
    from msyncd.flow.here import Here

EXAMPLES = ("msyncd import /media/stick/bumban.msyncd", "msyncd import /media/stick/for-bumban.msyncd --trust primary")


@click.command("import", cls=Command, acts=True, examples=EXAMPLES)
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@trust_option
@json_option
def import_(file: Path, trusted: tuple[str, ...], as_json: bool) -> int:
    """Take in a bundle that was carried here by hand.

    Its signature is seen first. Then what is new in it is applied, each change exactly once: a bundle may be imported
    twice, late, after a newer one, or when the line has been back meanwhile. One that goes on where another ends that
    is not there yet is kept, and applied by itself as soon as the gap has closed. The daemon may run meanwhile.

    Exit status: 0 when it was taken in, also if there was nothing new in it, or it is kept; 1 if it is refused, if a
    change in it was refused, or if something newer has come since; 75 if the database could not be reached.
    """
    from msyncd.wire.carrying import import_file

    settings = settings_here()
    if settings.stands_alone:
        raise WrongUsage("this site stands alone: there is nothing to sync with", hint="name the others in sync_with")
    trust = trust_of(settings, trusted)
    opened = open_here(settings)
    note_problems(opened.problems)
    with progress(quiet=as_json) as show:
        done = import_file(opened.here, file, trust=trust, show=lambda records, left: show("import", records, left))
    waiting, kept_aside = _aside(opened.here, done.sender)
    if as_json:
        print_json(_document(done, waiting, kept_aside))
    else:
        _show(done, waiting, kept_aside)
    return 1 if done.refused or done.state in ("older", "stuck") else 0


def _aside(here: "Here", sender: int) -> tuple[int, int]:
    """How many changes of the sender wait here, and how many are in quarantine."""
    from msyncd.flow.ledger import aside

    with here.database.read() as reader:
        return aside.count_waiting(reader, sender), aside.count_quarantined(reader, sender)


def _document(done: "Imported", waiting: int, kept_aside: int) -> dict[str, object]:
    return {
        "format": 1,
        "from_site": done.sender,
        "number": done.number,
        "made": done.at,
        "state": done.state,
        "applied": done.applied,
        "refused": done.refused,
        "waiting": waiting,
        "quarantine": kept_aside,
        "why": done.why or None,
    }


def _show(done: "Imported", waiting: int, kept_aside: int) -> None:
    refused = f", {done.refused} refused" if done.refused else ""
    click.echo(f"site {done.sender}: applied {count(done.applied, 'change')}{refused}")
    if done.registered:
        click.echo(f"site {done.sender} is new: `msyncd export --site {done.sender} FILE` writes its first fill")
    if done.state == "nothing new":
        click.echo("nothing new: all of it is here already")
    if done.state == "kept":
        click.echo("kept: it goes on where another one ends, and is applied by itself once that or the line was here")
    if done.state == "older":
        click.echo(f"not all of it was taken in: {done.why}; export there anew, or let the line bring the rest")
    if done.state == "stuck":
        click.echo(f"not all of it was taken in: {done.why}; import the next one, or let the line bring the rest")
    if waiting:
        click.echo(f"{waiting} waiting for another record")
    if kept_aside:
        click.echo(f"{kept_aside} in quarantine")
        note("see `msyncd quarantine list`")
