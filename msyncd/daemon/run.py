"""`run`: from the path of a configuration to a daemon, and its exit status."""

import sys
import threading
from pathlib import Path

from msyncd.daemon import logging
from msyncd.daemon.assemble import load_plugins, may_be_one_of_several
from msyncd.daemon.daemon import Daemon
from msyncd.daemon.single import only_one
from msyncd.errors import ConfigurationInvalid, MsyncdError
from msyncd.flow.here import Clock, utc_now
from msyncd.settings.durable import StateUnreadable
from msyncd.settings.reload import Reloader


def run(config_path: Path, *, stop: threading.Event | None = None, clock: Clock = utc_now) -> int:
    """The daemon in the foreground, until SIGTERM, SIGINT or `stop`. It retries for ever what waiting can mend.

    0: it was told to stop. 78: the configuration is invalid at the start. 75: another daemon has its state directory,
    and the site is none that several workers can serve.
    """
    try:
        reloader = Reloader(config_path, clock=clock)
        settings = reloader.current
        plugins, warnings = load_plugins(settings)
    except StateUnreadable as error:
        print(f"msyncd: {error}", file=sys.stderr)
        return error.exit_status
    except ConfigurationInvalid as error:
        for problem in error.problems:
            print(" ".join(str(problem).split()))
        return error.exit_status
    logging.configure(settings.log)
    for problem in (*reloader.problems, *warnings):
        print(f"{problem.severity}: {problem}", file=sys.stderr)
    try:
        with only_one(settings.state_directory, workers=may_be_one_of_several(settings)) as home:
            Daemon(reloader, plugins, home=home, stop=stop, clock=clock).run()
    except MsyncdError as error:
        print(f"msyncd: {error}", file=sys.stderr)
        return error.exit_status
    return 0
