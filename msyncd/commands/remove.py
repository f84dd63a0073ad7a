"""`msyncd remove`: every trace of msyncd goes from the database."""

from typing import TYPE_CHECKING

import click

from msyncd.commands.group import Command
from msyncd.commands.options import json_option
from msyncd.commands.output import count, print_json
from msyncd.commands.running import is_running
from msyncd.commands.site import look_here, settings_here
from msyncd.errors import WrongUsage

if TYPE_CHECKING:
    from msyncd.flow.looking import Look


@click.command(cls=Command, acts=True, examples=["msyncd remove", "msyncd remove --force"])
@click.option("--force", is_flag=True, help="Also while the daemon runs.")
@json_option
def remove(force: bool, as_json: bool) -> None:
    """Take the tables and triggers away again.

    The application's own tables and records stay as they are. What only msyncd's tables hold goes with them: changes
    that were not sent yet, quarantine, and the knowledge of how far both ends have come. The files of the configuration
    stay too.
    """
    settings = settings_here()
    if not force and is_running(settings.state_directory):
        raise WrongUsage("the daemon runs on this database", hint="stop it first, or give --force")
    found = look_here(settings)
    lost = _lost(found)
    gone = found.here.database.remove()
    if as_json:
        print_json({"format": 1, "dropped": gone, **lost})
        return
    if not gone:
        click.echo("there was nothing to remove")
        return
    click.echo(f"dropped {count(len(gone), 'table, trigger or view', 'tables, triggers and views')} of msyncd")
    for what, number in lost.items():
        if number:
            click.echo(f"gone with them: {count(number, 'change')} {what.replace('_', ' ')}")


def _lost(found: "Look") -> dict[str, int]:
    """What is forgotten: changes by what was to become of them. What is owed to two sites counts twice."""
    from msyncd.flow.ledger import aside
    from msyncd.flow.status import peers

    if not found.installed:
        return {"not_sent_yet": 0, "waiting": 0, "in_quarantine": 0}
    here = found.here
    with here.database.read() as reader:
        owed = [one.to_send or 0 for one in peers(reader, here, installed=True, heard={}, now=here.clock())]
        return {
            "not_sent_yet": sum(owed),
            "waiting": aside.count_waiting(reader),
            "in_quarantine": aside.count_quarantined(reader),
        }
