"""`msyncd init`: tables and triggers, without waiting for the daemon's start."""

from dataclasses import asdict

import click

from msyncd.commands.group import Command
from msyncd.commands.options import json_option
from msyncd.commands.output import count, print_json
from msyncd.commands.site import loaded_here, note_problems, open_here
from msyncd.databases.values import Installed

INVALID = 78


@click.command(cls=Command, acts=True, examples=["msyncd init", "msyncd init -c config/satellite.yaml"])
@json_option
def init(as_json: bool) -> int:
    """Install tables and triggers in the database.

    They begin with msyncd_; the application's own tables are left as they are, and it may go on working meanwhile. Run
    again, it renews what is out of date and touches nothing else. The daemon does the same at its start.

    A record type with an error is left out, and the exit status is 78.
    """
    loaded = loaded_here()
    opened = open_here(loaded.settings)
    made, problems = opened.installed, (*loaded.warnings, *opened.problems)
    if as_json:
        document = {"made": made.made, "dropped": made.dropped, "lost": made.lost}
        print_json({"format": 1, **document, "problems": [asdict(one) for one in problems]})
    else:
        note_problems(problems)
        click.echo(f"{opened.here.settings.this_site.name}: {_words(made)}")
        for name in made.lost:
            click.echo(f"{name}: its table was rebuilt and had lost its triggers; it is filled anew")
    return INVALID if any(one.severity == "error" for one in problems) else 0


def _words(made: Installed) -> str:
    """What was made, e.g. `made 31 tables and 120 triggers`. What has no table's name is a trigger or a view."""
    if not made.made and not made.dropped:
        return "everything was in place; nothing was changed"
    done = (
        [f"made {count(len(made.made), 'table, trigger or view', 'tables, triggers and views')}"] if made.made else []
    )
    if made.dropped:
        done.append(f"dropped {len(made.dropped)} that were out of date")
    return ", ".join(done)
