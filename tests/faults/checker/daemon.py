"""A site's daemon as the checker starts it: `python -m tests.faults.checker.daemon CONFIGURATION DAYS ASKED [BROKEN]`.

Its clock is off by so many days; it ends at a named point if the file ASKED says so (see points.py); and it may be
broken on purpose (see broken.py).
"""

import sys
from datetime import timedelta
from pathlib import Path

from msyncd.daemon.run import run
from msyncd.flow.here import utc_now
from tests.faults.checker import broken, points


def main(configuration: str, days: str, asked: str, break_it: str = "") -> int:
    """Until it is told to stop."""
    if break_it:
        getattr(broken, break_it)()
    points.plant(Path(asked))
    off = timedelta(days=float(days))
    return run(Path(configuration), clock=lambda: utc_now() + off)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
