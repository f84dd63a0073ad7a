"""`msyncd lock`: edits need the authorisation code again, at once."""

import click

from msyncd.commands.asking import by_whom
from msyncd.commands.group import Command
from msyncd.commands.locking import close, need_code
from msyncd.commands.options import config_path


@click.command(cls=Command, acts=True, examples=["msyncd lock"])
def lock() -> None:
    """Accept no more edits without the authorisation code.

    It ends the 15 minutes of `msyncd unlock` before their time; it needs no code itself.

    Exit status: 0 done, also if it was locked already; 1 if no code is set.
    """
    was = close(need_code(config_path()), by=by_whom("lock"))
    click.echo("locked" if was else "it was locked already")
