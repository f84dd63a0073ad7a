"""`msyncd unlock`: the authorisation code is given, and an edit that was held back is taken in."""

import click

from msyncd.commands.asking import ask_unseen, by_whom
from msyncd.commands.group import Command
from msyncd.commands.locking import give_code, need_code
from msyncd.commands.options import config_path, json_option
from msyncd.commands.output import print_json, when

REFUSED = 1


@click.command(cls=Command, acts=True, examples=["msyncd unlock"])
@json_option
def unlock(as_json: bool) -> int:
    """Give the authorisation code.

    An edit that is held back is taken in at once, and further edits are for 15 minutes, or until `msyncd lock`. The
    code is asked for on the terminal, or is one line of standard input where that is none. Five wrong codes are free;
    then each next one has to wait, and longer each time.

    Exit status: 0 done; 1 the code is wrong, no code is set, or the edit could not be taken in; 75 wait.
    """
    found = need_code(config_path())
    done = give_code(found, ask_unseen("authorisation code"), by=by_whom("unlock"))
    if as_json:
        print_json({"format": 1, **done})
    else:
        _show(done["until"], done["applied"], done["left"])
    return REFUSED if done["left"] else 0


def _show(until: str, applied: list[str], left: list[str]) -> None:
    click.echo(f"unlocked until {when(until)}")
    for line in applied:
        click.echo(f"  {line}")
    for line in left:
        click.echo(f"not taken in: {line}")
