"""`msyncd remove`: every trace of msyncd goes from the database."""

import click

from msyncd.commands.group import Command
from msyncd.commands.options import json_option
from msyncd.commands.output import count, print_json
from msyncd.commands.running import is_running
from msyncd.commands.site import settings_here
from msyncd.databases.interface import Database
from msyncd.errors import WrongUsage


@click.command(cls=Command, acts=True, examples=["msyncd remove", "msyncd remove --force"])
@click.option("--force", is_flag=True, help="Also while the daemon runs.")
@json_option
def remove(force: bool, as_json: bool) -> None:
    """Take the tables and triggers away again.

    The application's own tables and records stay as they are. What only msyncd's tables hold goes with them: changes
    that were not sent yet, quarantine, and the knowledge of how far both ends have come. The files of the configuration
    stay too.
    """
    from msyncd.databases import open_database

    settings = settings_here()
    if not force and is_running(settings.state_directory):
        raise WrongUsage("the daemon runs on this database", hint="stop it first, or give --force")
    database = open_database(settings.this_site.database, zero_dates=settings.zero_dates)
    lost = _lost(database, settings.this_site.sync_id)
    gone = database.remove()
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


def _lost(database: Database, site: int) -> dict[str, int]:
    """What is forgotten: changes by what was to become of them."""
    from msyncd.flow.ledger import aside, sites
    from msyncd.model import PRIMARY

    if not database.installed():
        return {"not_sent_yet": 0, "waiting": 0, "in_quarantine": 0}
    with database.read() as reader:
        confirmed = [one.confirmed for number, one in sites.known_all(reader).items() if number != site]
        behind = min(confirmed, default=None)
        return {
            "not_sent_yet": 0 if behind is None else reader.log_count(behind, origin=None if site == PRIMARY else site),
            "waiting": aside.count_waiting(reader),
            "in_quarantine": aside.count_quarantined(reader),
        }
