"""Peak memory of both ends, by how many lines are moved: what is bounded by a batch does not grow with the table.

    python -m bench.memory [LINES...] [push] [apart] [fill] [pull]

Satellite and primary are daemons of their own, `msyncd run`, as a user's are. Each motion, with each number of lines,
has daemons of its own. push: a satellite that has all the lines to send is started. apart: the same, where all headers
were written before any line, so that no family lies together in the change log. fill: a primary that has them, and
no change log, is called by a new satellite. pull: a satellite that is level is started again when the primary's
application has written them.

The peak is VmHWM: the most physical memory that the process has had, whoever else maps the same pages. Of that, the
anonymous part (heap, SQLite's page cache) is the process's alone; the rest is files that are mapped (the interpreter,
libraries, the index of a write-ahead log), which the system may drop or share. The parts are those of one look, ten in
a second, at which the anonymous part was largest; the peak itself misses nothing.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.sites import cpu_seconds, files, free_port, msyncd, peak_megabytes, process, wait_for
from bench.workload import connect, write

LINES = (100_000, 1_000_000)
LOOK_SECONDS = 0.1
INDEX = "CREATE INDEX line_of ON trans_line (transaction_ID);"
"""As applications have it: without it each piece of a fill reads the whole table for its lines (`check` warns)."""
END = {"push": "primary", "apart": "primary", "fill": "satellite", "pull": "satellite"}


@dataclass
class Memory:
    """Megabytes of a process: the most, and its largest anonymous part with the mapped part beside it."""

    pid: int
    peak: float = 0.0
    anonymous: float = 0.0
    mapped: float = 0.0

    def look(self) -> None:
        """Once."""
        status = dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        parts = {name: int(status[f"Rss{name}"].split()[0]) / 1024 for name in ("Anon", "File", "Shmem")}
        if parts["Anon"] > self.anonymous:
            self.anonymous, self.mapped = parts["Anon"], parts["File"] + parts["Shmem"]
        self.peak = peak_megabytes(self.pid)


def move(motion: str, lines: int) -> dict[str, Memory]:
    """Move that many lines, and look at both ends until they rest."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        files(folder, port, live=True, copies="CMS", also=INDEX)
        primary = ("-m", "msyncd", "run", "-c", str(folder / "primary.yaml"))
        satellite = ("-m", "msyncd", "run", "-c", str(folder / "satellite.yaml"))
        if motion != "fill":
            with process(*primary):
                wait_for(port)
                msyncd("sync", "-c", str(folder / "satellite.yaml"))
        source, store = ("satellite", "BUM") if END[motion] == "primary" else ("primary", "CMS")
        application = connect(folder / f"{source}.db")
        write(application, lines, store, apart=motion == "apart")
        application.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        application.close()
        with process(*primary) as one:
            wait_for(port)
            with process(*satellite) as other:
                ends = {"satellite": Memory(other.pid), "primary": Memory(one.pid)}
                arrived = connect(folder / f"{END[motion]}.db")
                _watch(ends, lambda: arrived.execute("SELECT max(rowid) FROM trans_line").fetchone()[0] == lines)
                (count,) = arrived.execute("SELECT count(*) FROM trans_line").fetchone()
                assert count == lines, f"{count} lines arrived of {lines}"
                arrived.close()
    return ends


def _watch(ends: dict[str, Memory], is_there: Callable[[], bool]) -> None:
    """Look until all is there and neither end has had anything to do for two seconds."""
    used, rested = 0.0, 0
    while rested < 2 / LOOK_SECONDS:
        time.sleep(LOOK_SECONDS)
        for one in ends.values():
            one.look()
        before, used = used, sum(cpu_seconds(one.pid) for one in ends.values())
        rested = rested + 1 if used - before < LOOK_SECONDS / 4 and is_there() else 0


def measure(motion: str, several: Sequence[int]) -> None:
    """One motion with each number of lines; the ratio of each to the first."""
    first: dict[str, Memory] = {}
    for lines in several:
        ends = move(motion, lines)
        first = first or ends
        for name, one in ends.items():
            ratio = f"{one.peak / first[name].peak:.2f} of the first" if ends is not first else ""
            parts = f"{one.anonymous:6.1f} anonymous, {one.mapped:5.1f} mapped"
            print(f"{motion} {lines:>9,} lines, {name:9}: peak {one.peak:6.1f} MB ({parts}) {ratio}", flush=True)


def main() -> None:
    """Measure and print."""
    several = [int(one) for one in sys.argv[1:] if one.isdecimal()] or LINES
    for motion in [one for one in sys.argv[1:] if one in END] or END:
        measure(motion, several)


if __name__ == "__main__":
    main()
