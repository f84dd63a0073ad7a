"""What an idle cycle costs: requests, and CPU at both ends together.

python -m bench.idle [CYCLES]
"""

import resource
import sys
import tempfile
from pathlib import Path

from bench.sites import cpu_seconds, pair
from bench.workload import connect, write
from msyncd.flow.compare.messages import Compare, Compared
from msyncd.flow.conversation import (
    Give,
    GiveReply,
    Hello,
    Peer,
    Pull,
    PullReply,
    Push,
    PushReply,
    Waiting,
    WaitReply,
    Welcome,
)


def main() -> None:
    """The mean of many idle cycles, with 100,000 lines in the tables."""
    cycles = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as name, pair(Path(name)) as sites:
        write(connect(Path(name) / "satellite.db"), 100_000, "BUM")
        sites.satellite.cycle()
        sites.satellite.cycle()
        requests = Counting(sites.satellite.peer)
        sites.satellite.peer = requests
        before, primary_before = _own(), cpu_seconds(sites.primary_pid)
        for _ in range(cycles):
            sites.satellite.cycle()
        own, primary = _own() - before, cpu_seconds(sites.primary_pid) - primary_before
        print(
            f"{requests.count / cycles:.2f} requests a cycle; {1000 * (own + primary) / cycles:.2f} ms of CPU"
            f" ({1000 * own / cycles:.2f} at the satellite, {1000 * primary / cycles:.2f} at the primary),"
            f" mean of {cycles}"
        )


class Counting:
    """A peer that counts what it is asked."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.count = 0

    def hello(self, hello: Hello) -> Welcome:
        """Counted."""
        self.count += 1
        return self._peer.hello(hello)

    def push(self, push: Push) -> PushReply:
        """Counted."""
        self.count += 1
        return self._peer.push(push)

    def pull(self, pull: Pull) -> PullReply:
        """Counted."""
        self.count += 1
        return self._peer.pull(pull)

    def compare(self, question: Compare) -> Compared:
        """Counted."""
        self.count += 1
        return self._peer.compare(question)

    def give(self, give: Give) -> GiveReply:
        """Counted."""
        self.count += 1
        return self._peer.give(give)

    def wait(self, waiting: Waiting) -> WaitReply:
        """Counted."""
        self.count += 1
        return self._peer.wait(waiting)


def _own() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
