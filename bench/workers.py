"""A PostgreSQL primary as one, two and four workers: satellites push at the same time, then all pull the same.

    python -m bench.workers [SATELLITES] [LINES] [WORKERS…]

Each satellite is a process with a SQLite database, and pushes so many lines of its own store; then the primary's store
gets so many, and each pulls them. Workers share one port and one configuration. Prints rows a second of all together,
and what the workers and the database used of the processors.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench.push_postgresql import database
from bench.sites import cpu_seconds, free_port, process, wait_for
from bench.workload import LINE_COLUMNS, RECORD_TYPES, SCHEMA, connect, lines, write
from msyncd.daemon.assemble import assemble
from msyncd.settings import load

PRIMARY = """
this_site: {{sync_id: 1, name: Central, database: "{url}", active_stores: [CMS], copies_of: all, user_name: sync,
            password: only-for-measuring}}
state_directory: primary-state
listen: {{port: {port}}}
sync_with:
{satellites}
record_types: [types.yaml]
log: {{level: warning}}
"""
ENTRY = "  - {{sync_id: {number}, name: Site {number}, active_stores: [S{number}], copies_of: [CMS]}}\n"
SATELLITE = """
this_site: {{sync_id: {number}, name: Site {number}, database: "sqlite:///site{number}.db", user_name: sync,
            password: only-for-measuring}}
state_directory: state{number}
sync_with: [{{sync_id: 1, name: Central, url: "http://127.0.0.1:{port}"}}]
record_types: [types.yaml]
sync: {{live: false}}
log: {{level: warning}}
"""


def once(workers: int, satellites: int, count: int) -> str:
    """One measurement, in words."""
    with tempfile.TemporaryDirectory() as name, database() as url, contextlib.ExitStack() as stack:
        folder, port, numbers = Path(name), free_port(), range(2, satellites + 2)
        files(folder, url, port, numbers)
        server = stack.enter_context(psycopg.connect(url, autocommit=True))
        server.execute(SCHEMA.replace("REAL", "DOUBLE PRECISION").encode())
        run = ("-m", "msyncd", "run", "-c", str(folder / "primary.yaml"))
        running = [stack.enter_context(process(*run)).pid for _ in range(workers)]
        wait_for(port)
        time.sleep(2.0)  # the others come too
        sites = [stack.enter_context(satellite(folder, number, count)) for number in numbers]
        for one in sites:  # said hello
            answer(one)
        total = satellites * count
        used = [cpu_seconds(pid) for pid in running]
        pushed = total / all_at_once(sites)
        write_centrally(server, count)
        pulled = total / all_at_once(sites)
        cpu = [cpu_seconds(pid) - before for pid, before in zip(running, used, strict=True)]
        found = server.execute("SELECT count(*) FROM trans_line").fetchone()
        assert found == (total + count,), found
        shares = ", ".join(f"{one:.1f}" for one in cpu)
        return f"push {pushed:8,.0f} rows/s, pull {pulled:8,.0f} rows/s; seconds of CPU of each worker: {shares}"


def files(folder: Path, url: str, port: int, numbers: range) -> None:
    """Every configuration."""
    (folder / "types.yaml").write_text(RECORD_TYPES)
    entries = "".join(ENTRY.format(number=number) for number in numbers)
    (folder / "primary.yaml").write_text(PRIMARY.format(url=url, port=port, satellites=entries))
    for number in numbers:
        (folder / f"site{number}.yaml").write_text(SATELLITE.format(number=number, port=port))
    for path in folder.glob("*.yaml"):
        path.chmod(0o600)


@contextlib.contextmanager
def satellite(folder: Path, number: int, count: int) -> Iterator["subprocess.Popen[str]"]:
    """A satellite's process, which runs a cycle for each line that it is sent, and answers with one."""
    command = [sys.executable, "-m", "bench.workers", "satellite", str(folder), str(number), str(count)]
    one = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield one
    finally:
        one.terminate()
        one.wait(30)


def be_satellite(folder: Path, number: int, count: int) -> None:
    """In the process of a satellite."""
    connect(folder / f"site{number}.db").executescript(SCHEMA)
    site = assemble(load(folder / f"site{number}.yaml").settings)
    assert site.satellite is not None
    site.satellite.cycle()
    write(connect(folder / f"site{number}.db"), count, f"S{number}", seed=number)
    print("ready", flush=True)
    for _ in sys.stdin:
        site.satellite.cycle()
        print("done", flush=True)


def answer(one: "subprocess.Popen[str]") -> None:
    """Wait for a satellite's line."""
    assert one.stdout is not None
    assert one.stdout.readline(), "a satellite has ended"


def all_at_once(sites: list["subprocess.Popen[str]"]) -> float:
    """A cycle of each, all at the same time; the seconds until the last has ended."""
    started = time.perf_counter()
    for one in sites:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    for one in sites:
        answer(one)
    return time.perf_counter() - started


def write_centrally(server: "psycopg.Connection[tuple[object, ...]]", count: int) -> None:
    """The primary's application writes lines of its own store."""
    rows = list(lines(count, seed=1))
    with server.transaction(), server.cursor() as cursor:
        headers = dict.fromkeys(row[1] for row in rows)
        cursor.executemany("INSERT INTO transact VALUES (%s, 'CMS', 'n', 'fn')", [(header,) for header in headers])
        cursor.executemany(f"INSERT INTO trans_line VALUES ({', '.join(['%s'] * len(LINE_COLUMNS))})".encode(), rows)


def main() -> None:
    """Each number of workers in turn."""
    satellites = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5000
    for workers in map(int, sys.argv[3:] or ("1", "2", "4")):
        print(f"{workers} workers, {satellites} satellites of {count:,} lines: {once(workers, satellites, count)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["satellite"]:
        be_satellite(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
