"""`msyncd run`: the daemon, in the foreground."""

import click

from msyncd.commands.group import Command
from msyncd.commands.options import config_path


@click.command(cls=Command, examples=["msyncd run", "msyncd run --config config/primary.yaml"])
def run() -> int:
    """The daemon, in the foreground.

    It syncs until it is told to stop (SIGTERM or Ctrl-C: the batch in hand is finished), picks up edits of the
    configuration (also on SIGHUP), and retries for ever what waiting can mend. By itself it ends only at its start,
    with exit status 78, if the configuration is invalid.
    """
    from msyncd.daemon.run import run as run_daemon

    return run_daemon(config_path())
