"""Locks: the turn of msyncd's writers, and the application's tables, which are never queued for longer than a blink.

CREATE TRIGGER waits for every open transaction that wrote to its table, and whoever comes after waits behind it. So
such a lock is asked for only for a moment, again and again.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from msyncd.databases.postgresql.connection import Connection, transaction
from msyncd.databases.postgresql.errors import mapped
from msyncd.errors import DatabaseUnavailable

WRITING: Final = (0x6D73796E, 1)
"""The advisory lock of msyncd's writers: one at a time, of all workers."""
LEADING: Final = (0x6D73796E, 3)
"""The advisory lock of the worker that does what only one is to do, held for as long as it listens."""
INSTALLING: Final = (0x6D73796E, 2)
"""The advisory lock of whoever installs or removes."""

MOMENT: Final = "100ms"
PATIENCE: Final = 60.0
"""Seconds after which it is given up to find a table without an open transaction."""

_HOLDERS: Final = """
SELECT string_agg(DISTINCT format('%%s (pid %%s, open for %%s s)',
    coalesce(nullif(a.application_name, ''), a.usename, 'another program'), a.pid,
    round(extract(epoch FROM clock_timestamp() - a.xact_start))), ', ')
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.relation = %s::regclass AND l.granted AND l.pid <> pg_backend_pid() AND l.database =
    (SELECT oid FROM pg_database WHERE datname = current_database())"""


@contextmanager
def installing(connection: Connection) -> Iterator[None]:
    """Only one process installs or removes at a time. Raises DatabaseUnavailable."""
    with mapped():
        connection.execute("SET lock_timeout TO '60s'")
        connection.execute("SELECT pg_advisory_lock(%s::integer, %s::integer)", INSTALLING)
    try:
        with mapped():
            connection.execute("SET lock_timeout TO DEFAULT")
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s::integer, %s::integer)", INSTALLING)


def with_table(connection: Connection, table: str, mode: str, work: Callable[[], None]) -> None:
    """Do some work in a transaction that has locked a table. Raises DatabaseUnavailable if it stays in use."""
    give_up = time.monotonic() + PATIENCE
    pause = 0.1
    while True:
        try:
            with transaction(connection, "BEGIN"):
                connection.execute(f"SET LOCAL lock_timeout TO '{MOMENT}'".encode())
                connection.execute(f"LOCK TABLE {table} IN {mode} MODE".encode())
                work()
            return
        except DatabaseUnavailable as error:
            busy = isinstance(error.__cause__, (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected))
            if not busy:
                raise
        holders = _holders(connection, table)
        if time.monotonic() > give_up:
            raise DatabaseUnavailable(
                f"{table} is in use all the time: {holders or 'by many short transactions'}",
                hint="trying again; nothing of the application was kept waiting",
            )
        time.sleep(pause * random.uniform(0.7, 1.3))  # the application is kept waiting a tenth of the time
        pause = min(2.0, pause * 1.5)


def _holders(connection: Connection, table: str) -> str | None:
    with mapped():
        found = connection.execute(_HOLDERS, (table,)).fetchall()[0][0]
    return None if found is None else str(found)
