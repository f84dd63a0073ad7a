"""Servers of the checker's own, one of a kind for all runs of a process: they may be killed and started again."""

import atexit
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from msyncd.testing.application import connect
from tests import mariadb_server, postgresql_server
from tests.faults.checker.line import free_port
from tests.servers import Databases

_MEMORY = Path("/dev/shm")
"""Where MariaDB's files are, if there is such a folder: on a disk its tables and triggers take most of a run's time."""


@dataclass(frozen=True, slots=True)
class Own:
    """A running server with its own files. `url` is of a database on it."""

    server: mariadb_server.PrivateServer | postgresql_server.PrivateServer
    url: Callable[[str], str]
    create: str
    drop: str


@cache
def own(kind: str) -> Own | None:
    """The server of a kind; None where its programs are not here, and for SQLite. It ends with this process."""
    if kind == "postgresql" and postgresql_server.PrivateServer.can_run():
        return _started(_postgresql())
    if kind == "mariadb" and mariadb_server.PrivateServer.can_run():
        return _started(_mariadb())
    return None


@contextmanager
def fresh(kind: str, folder: Path, shared: Databases) -> Iterator[str]:
    """The URL of an empty database: on a server of the checker's own, or else as the other tests get it."""
    there = own(kind)
    if there is None:
        with shared.fresh(kind, folder) as url:
            yield url
        return
    name = f"checker_{secrets.token_hex(4)}"
    _run(there, there.create.format(name))
    yield there.url(name)
    _run(there, there.drop.format(name))


def _run(there: Own, sql: str) -> None:
    with closing(connect(there.url("mysql" if there.url("").startswith("mariadb") else "postgres"))) as admin:
        admin.execute(sql)


def _started(own_one: Own) -> Own:
    atexit.register(own_one.server.__exit__, None, None, None)
    own_one.server.__enter__()
    return own_one


def _postgresql() -> Own:
    server = postgresql_server.PrivateServer(["fsync=off"])  # it is killed, and never its machine
    return Own(server, server.url, "CREATE DATABASE {} ENCODING 'UTF8'", "DROP DATABASE {} WITH (FORCE)")


def _mariadb() -> Own:
    folder = Path(tempfile.mkdtemp(prefix="msyncd-checker-", dir=_MEMORY if _MEMORY.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    port = free_port()
    server = mariadb_server.PrivateServer(folder, ["--max-connections=500"], port)
    # keys compare byte for byte (P36), which MariaDB's default collation does not
    how = "CREATE DATABASE {} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
    return Own(server, lambda name: f"mariadb://root@127.0.0.1:{port}/{name}", how, "DROP DATABASE {}")
