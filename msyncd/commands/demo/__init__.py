"""`msyncd demo`: a primary and two satellites on this machine, with real-looking stock."""

import click

from msyncd.commands.group import Command
from msyncd.errors import WrongUsage


@click.command(cls=Command, examples=["msyncd demo", "msyncd demo --once", "msyncd demo --once --json"])
@click.option("--once", is_flag=True, help="Tell the story to its end, compare every record, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --once: the result as one JSON document.")
@click.option("--keep", is_flag=True, help="Leave the folder with databases, YAML and logs, and say where it is.")
@click.option("--seed", type=int, default=1, show_default=True, help="What chance decides is decided by this number.")
def demo(*, once: bool, as_json: bool, keep: bool, seed: int) -> int:
    """A primary and two satellites on this machine, with a live view.

    A central medical store and two district stores, each with a daemon beside its own SQLite database in a temporary
    folder. They receive and issue medicines, send each other goods and count their shelves; a line is cut and let back,
    the power fails, and what may not be edited is refused. Then it goes on until Ctrl-C, and leaves nothing behind.

    Exit status of --once: 0 if every site holds exactly what it should in the end, else 1.
    """
    if as_json and not once:
        raise WrongUsage("--json shows how the story ended, and without --once it has no end", hint="add --once")
    from msyncd.commands.demo.run import Wanted, run_demo

    return run_demo(Wanted(once, as_json, keep, seed))
