"""A signal ends the demo whenever it comes, also in the moment in which its thread begins or ends to wait."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

# It comes at another moment each time, and `rest` does nothing but look: some come while a lock of it would be held.
STORM = """
import signal
from msyncd.commands.demo.stopping import StopAskedError, Stopping

for round in range(300):
    stopping = Stopping()
    with stopping.on_signals():
        signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGINT))
        signal.setitimer(signal.ITIMER_REAL, 0.00005 + round * 0.000003)
        try:
            while True:
                stopping.rest(0.0)
        except StopAskedError:
            pass
print("ended each time")
"""


def test_a_signal_at_any_moment_of_waiting_ends_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STORM], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stdout == "ended each time\n", done.stderr
