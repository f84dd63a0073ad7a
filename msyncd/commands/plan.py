"""`msyncd plan`: what an edited configuration would change, before it does."""

import os
from typing import TYPE_CHECKING

import click

from msyncd.commands.group import Command
from msyncd.commands.options import json_option
from msyncd.commands.output import print_json
from msyncd.commands.site import in_force_here
from msyncd.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from msyncd.settings.in_force import InForce
    from msyncd.settings.values import Settings


@click.command(cls=Command, examples=["msyncd plan", "msyncd plan -c config/primary.yaml --json"])
@json_option
def plan(as_json: bool) -> None:
    """What an edited configuration would change.

    The files as they stand are compared with what was last accepted: settings old and new, triggers to make or drop,
    stores that would move, how many records would go where and how long that takes, and what to be warned of. Nothing
    is changed. Numbers are those of the tables here; what plugins filter out is counted too.

    Exit status: 0; 78 if the files have errors.
    """
    from msyncd.daemon.planned import plan_of

    now = in_force_here()
    newest = now.newest.loaded
    if newest is None:
        raise ConfigurationInvalid(now.newest.problems)
    found = plan_of(_before(now), newest.settings)
    if as_json:
        print_json({"format": 1, "file": str(newest.settings.file), "held": now.held is not None, **found.document()})
        return
    for line in found.lines():
        click.echo(line)
    if found.empty:
        click.echo("nothing would change")
    elif now.held is not None:
        click.echo("it is held back until the authorisation code is given: `msyncd unlock`", err=True)


def _before(now: "InForce") -> "Settings | None":
    """What was accepted last; None if nothing ever was."""
    from msyncd.settings.accepted import load_accepted

    if now.accepted is None:
        return None
    made = load_accepted(now.accepted, now.path, os.environ)
    if made.loaded is None:
        return None if now.loaded is None else now.loaded.settings
    return made.loaded.settings
