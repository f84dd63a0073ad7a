"""Transaction lines from a SQLite satellite to a PostgreSQL primary, beside a COPY-and-merge floor in the same run.

    python -m bench.push_postgresql [LINES] [ROUNDS]

The floor: SELECT, MessagePack, HTTP, decode, COPY into a temporary table, INSERT … SELECT ON CONFLICT, 5,000 rows a
batch, one after the other; no capture, checks or receipts. The server is that of MSYNCD_TEST_POSTGRES, or the usual.
"""

import contextlib
import gc
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench import floor
from bench.sites import free_port, on_postgresql, process, wait_for
from bench.workload import connect, write

SERVER = os.environ.get("MSYNCD_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


@contextlib.contextmanager
def database() -> Iterator[str]:
    """The URL of an empty database, dropped at the end."""
    name = f"msyncd_bench_{secrets.token_hex(4)}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield f"{SERVER.rpartition('/')[0]}/{name}"
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def once(lines: int) -> tuple[float, float]:
    """Rows a second of the floor and of msyncd."""
    with tempfile.TemporaryDirectory() as name, database() as of_floor, database() as primary:
        folder, port = Path(name), free_port()
        with (
            on_postgresql(folder, primary) as sites,
            process("-m", "bench.floor_postgresql", of_floor, str(port)),
        ):
            wait_for(port)
            application = connect(folder / "satellite.db")
            write(application, lines, "BUM")
            application.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            with psycopg.connect(primary, autocommit=True) as server:
                server.execute("CHECKPOINT")
                floor_rate = lines / floor.push(folder / "satellite.db", port)
                server.execute("CHECKPOINT")
                started = time.perf_counter()
                sites.satellite.cycle()
                rate = lines / (time.perf_counter() - started)
                arrived = server.execute("SELECT count(*) FROM trans_line").fetchone()
            assert arrived == (lines,), f"{arrived} lines arrived of {lines}"
            return floor_rate, rate


def main() -> None:
    """Some rounds, then the medians."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    gc.set_threshold(100_000, 50, 50)  # as the daemon does
    ratios = []
    for number in range(1, rounds + 1):
        of_floor, of_msyncd = once(lines)
        ratios.append(of_msyncd / of_floor)
        rates = f"COPY and merge {of_floor:9,.0f} rows/s, msyncd {of_msyncd:9,.0f} rows/s"
        print(f"{number}: {rates}, ratio {ratios[-1]:.2f}", flush=True)
    print(f"{lines:,} lines, median of {rounds}: {statistics.median(ratios):.2f} of COPY and merge")


if __name__ == "__main__":
    main()
