"""Transaction lines from a satellite to the primary, beside the floor in the same run.

    python -m bench.push [LINES] [ROUNDS]

With everything on: capture at both ends, guard, families, checks, receipts, marks, durable commits, compression.
Prints rows a second of both, their ratio, and peak memory of both ends.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench import floor
from bench.sites import free_port, pair, peak_megabytes, process, wait_for
from bench.workload import connect, write


def once(lines: int) -> tuple[float, float, float, float]:
    """Rows a second of the floor and of msyncd; peak megabytes of the sender and of the primary."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = free_port()
        with pair(folder) as sites, process("-m", "bench.floor", str(folder / "floor.db"), str(port)):
            wait_for(port)
            application = connect(folder / "satellite.db")
            write(application, lines, "BUM")
            application.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            of_floor = lines / floor.push(folder / "satellite.db", port)
            started = time.perf_counter()
            sites.satellite.cycle()
            of_msyncd = lines / (time.perf_counter() - started)
            arrived = connect(folder / "primary.db").execute("SELECT count(*) FROM trans_line").fetchone()[0]
            assert arrived == lines, f"{arrived} lines arrived of {lines}"
            return of_floor, of_msyncd, peak_megabytes(), peak_megabytes(sites.primary_pid)


def main() -> None:
    """Some rounds, then the medians."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    results = []
    for number in range(1, rounds + 1):
        of_floor, of_msyncd, sender, primary = once(lines)
        results.append((of_floor, of_msyncd, sender, primary))
        peaks = f"peak memory {sender:.0f} MB at the sender, {primary:.0f} MB at the primary"
        rates = f"floor {of_floor:9,.0f} rows/s, msyncd {of_msyncd:9,.0f} rows/s, ratio {of_msyncd / of_floor:.2f}"
        print(f"{number}: {rates}; {peaks}", flush=True)
    ratio = statistics.median(ours / theirs for theirs, ours, _, _ in results)
    print(f"{lines:,} lines, median of {rounds}: {ratio:.2f} of the floor")


if __name__ == "__main__":
    main()
