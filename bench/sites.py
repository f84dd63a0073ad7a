"""A primary as a real daemon process and a satellite in this one, for measurements over loopback HTTP."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.workload import RECORD_TYPES, SCHEMA, connect
from msyncd.daemon.assemble import assemble, primary_client
from msyncd.flow.satellite import Satellite
from msyncd.settings import load

PRIMARY = """
this_site: {{sync_id: 1, name: Central, database: "{database}", active_stores: [CMS], copies_of: all,
            user_name: sync, password: only-for-measuring}}
state_directory: primary-state
listen: {{port: {port}}}
sync_with: [{{sync_id: 2, name: Bumban, active_stores: [BUM], copies_of: [{copies}]}}]
record_types: [types.yaml]
log: {{level: warning}}
"""
SATELLITE = """
this_site: {{sync_id: 2, name: Bumban, database: "sqlite:///satellite.db", active_stores: [BUM], user_name: sync,
            password: only-for-measuring}}
state_directory: satellite-state
sync_with: [{{sync_id: 1, name: Central, url: "http://127.0.0.1:{port}"}}]
record_types: [types.yaml]
sync: {{live: {live}}}
log: {{level: warning}}
"""


@dataclass(frozen=True)
class Pair:
    """A running primary, by its process, and a satellite that has said hello."""

    folder: Path
    satellite: Satellite
    primary_pid: int


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(port: int, seconds: float = 20) -> None:
    """Until somebody listens. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


@contextlib.contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that ends with the block."""
    one = subprocess.Popen([sys.executable, *arguments])
    try:
        yield one
    finally:
        one.terminate()
        one.wait(30)


def msyncd(*arguments: str) -> None:
    """Run a command to its end. Raises CalledProcessError."""
    subprocess.run([sys.executable, "-m", "msyncd", *arguments], check=True, stdout=subprocess.DEVNULL)


def files(
    folder: Path,
    port: int,
    *,
    live: bool = False,
    copies: str = "",
    also: str = "",
    database: str = "sqlite:///primary.db",
) -> None:
    """The configurations of both ends, and their databases with empty tables; `also`: SQL that is run on them.

    The tables of a primary whose database is on a server make its caller.
    """
    values = {"port": port, "live": str(live).lower(), "copies": copies, "database": database}
    (folder / "types.yaml").write_text(RECORD_TYPES)
    (folder / "primary.yaml").write_text(PRIMARY.format(**values))
    (folder / "satellite.yaml").write_text(SATELLITE.format(**values))
    for name in ("primary", "satellite"):
        (folder / f"{name}.yaml").chmod(0o600)  # a password stands in them
    for name in ("primary", "satellite"):
        connection = connect(folder / f"{name}.db")
        connection.executescript(SCHEMA + also)
        connection.close()


@contextlib.contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """A primary daemon and a satellite on empty SQLite databases."""
    port = free_port()
    files(folder, port)
    with process("-m", "msyncd", "run", "-c", str(folder / "primary.yaml")) as primary:
        wait_for(port)
        site = assemble(load(folder / "satellite.yaml").settings)
        satellite = Satellite(site.here, primary_client(site.here.settings))
        satellite.cycle()
        yield Pair(folder, satellite, primary.pid)


@contextlib.contextmanager
def on_postgresql(folder: Path, url: str) -> Iterator[Pair]:
    """A primary daemon on an empty PostgreSQL database, and a satellite on SQLite."""
    port = free_port()
    files(folder, port, database=url)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(SCHEMA.replace("REAL", "DOUBLE PRECISION").encode())
    with process("-m", "msyncd", "run", "-c", str(folder / "primary.yaml")) as primary:
        wait_for(port)
        site = assemble(load(folder / "satellite.yaml").settings)
        satellite = Satellite(site.here, primary_client(site.here.settings))
        satellite.cycle()
        yield Pair(folder, satellite, primary.pid)


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_megabytes(pid: int | str = "self") -> float:
    """The most memory that a process has had resident."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0
