"""Where databases for tests can be made: a server of each kind, found once, and databases that are dropped again."""

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from msyncd.testing.application import connect
from tests.mariadb_server import in_memory

KINDS: Final = ("sqlite", "postgresql", "mariadb")
OLDEST: Final = 6 * 3600
"""Seconds after which a database of a test is nobody's any more."""
ADVISORY_HERE: Final = (
    "locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
"""Which rows of PostgreSQL's pg_locks, which shows those of the whole server, are advisory locks of this database."""

_PREFIX: Final = "msyncd_test_"
_USUAL: Final = {
    "postgresql": (
        "MSYNCD_TEST_POSTGRES",
        (
            "postgresql://postgres@127.0.0.1:5432/postgres",
            "postgresql://127.0.0.1:5432/postgres",
            "postgresql:///postgres",
        ),
    ),
    "mariadb": ("MSYNCD_TEST_MARIADB", ("mariadb://root@127.0.0.1:3306/",)),
}


class NoServer(Exception):
    """No server of a kind answers; says where it was looked for and what to do."""


@cache
def server(kind: str) -> str:
    """The URL of a server on which databases can be made. Raises NoServer."""
    variable, usual = _USUAL[kind]
    given = os.environ.get(variable)
    if kind == "mariadb" and not given and (own := in_memory()):
        return own
    reasons = []
    for url in [given] if given else usual:
        try:
            with closing(connect(url)) as connection:
                _drop_leftovers(kind, connection)
                return url
        except Exception as error:  # noqa: BLE001 - whatever it is, this server cannot be used
            reasons.append(f"{_bare(url)}: {' '.join(str(error).split())}")
    raise NoServer(f"no {kind} server: {'; '.join(reasons)}. Start one, or set {variable}=URL of an administrator")


class Databases:
    """Makes empty databases. Those of PostgreSQL are emptied and used again: dropping one costs a checkpoint."""

    def __init__(self) -> None:
        self._idle: list[str] = []

    @contextmanager
    def fresh(self, kind: str, folder: Path) -> Iterator[str]:
        """The URL of an empty database that nobody else uses. Without a server the test is skipped, or fails in CI."""
        if kind == "sqlite":
            path = folder / f"application-{secrets.token_hex(4)}.db"
            path.touch()
            yield f"sqlite:///{path}"
            return
        try:
            name = self._idle.pop() if kind == "postgresql" and self._idle else _create(kind)
        except NoServer as missing:
            absent(str(missing))
        try:
            yield _with_database(server(kind), name)
        finally:
            if kind == "postgresql":
                _empty(name)
                self._idle.append(name)
            else:
                with closing(connect(server(kind))) as connection:
                    _drop(kind, connection, name)

    def close(self) -> None:
        """Drop what was kept."""
        for name in self._idle:
            with closing(connect(server("postgresql"))) as connection:
                _drop("postgresql", connection, name)


def absent(reason: str) -> NoReturn:
    """Without a server its tests cannot run: skipped on anyone's machine, a failure where everything must run."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _create(kind: str) -> str:
    name = f"{_PREFIX}{int(time.time()):x}_{os.getpid()}_{secrets.token_hex(4)}"
    # keys compare byte for byte (P36), which MariaDB's default collation does not
    how = {
        "postgresql": "ENCODING 'UTF8' TEMPLATE template0",
        "mariadb": "CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
    }
    with closing(connect(server(kind))) as connection:
        connection.execute(f"CREATE DATABASE {name} {how[kind]}")
    return name


def _empty(name: str) -> None:
    """Leave nothing in a database of PostgreSQL, nor anyone in it."""
    with closing(connect(_with_database(server("postgresql"), name))) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        schemas = connection.execute(
            "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        )
        for (trigger,) in connection.execute("SELECT quote_ident(evtname) FROM pg_event_trigger"):
            connection.execute(f"DROP EVENT TRIGGER {trigger}")
        for (schema,) in schemas:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute(f"ALTER DATABASE {name} RESET ALL")


def _with_database(url: str, name: str) -> str:
    base, query = url.partition("?")[::2]
    scheme, rest = base.split("://", 1)
    return f"{scheme}://{rest.partition('/')[0]}/{name}" + (f"?{query}" if query else "")


def _bare(url: str) -> str:
    """A URL without its password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _drop(kind: str, connection: Any, name: str) -> None:
    if kind == "postgresql":
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        return
    # a forgotten open transaction would hold its tables for ever; who is killed takes a moment to let go of its files
    give_up = time.monotonic() + 5
    others = "SELECT id FROM information_schema.processlist WHERE db = ?"
    while (threads := connection.execute(others, (name,))) and time.monotonic() < give_up:
        for (thread,) in threads:
            with suppress(Exception):
                connection.execute(f"KILL {thread}")
        time.sleep(0.01)
    connection.execute(f"DROP DATABASE IF EXISTS {name}")


def _drop_leftovers(kind: str, connection: Any) -> None:
    """Drop what killed runs left: databases whose process is gone, or that are older than any run."""
    sql = {"postgresql": "SELECT datname FROM pg_database", "mariadb": "SHOW DATABASES"}[kind]
    for (name,) in connection.execute(sql):
        ours = re.fullmatch(rf"{_PREFIX}([0-9a-f]+)_([0-9]+)_.*", str(name))
        if ours is None:
            continue
        age = time.time() - int(ours[1], 16)
        if age > OLDEST or (age > 60 and not Path(f"/proc/{ours[2]}").exists()):
            with suppress(Exception):  # another worker drops the same
                _drop(kind, connection, str(name))
