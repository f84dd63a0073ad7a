"""Waiting for the application to write: triggers notify whoever has said that it waits (P26).

NOTIFY makes commits wait for each other, so it is sent only while somebody listens. Who listens renews a line in
msyncd_listener; one that has died is forgotten within minutes.
"""

import threading
import time
from contextlib import suppress
from typing import Final

import psycopg

from msyncd.databases.postgresql.address import Address
from msyncd.databases.postgresql.bodies import CHANNEL
from msyncd.databases.postgresql.connection import Connection, connect
from msyncd.databases.postgresql.errors import mapped
from msyncd.databases.postgresql.locking import LEADING

RENEWED_SECONDS: Final = 60.0
FORGOTTEN: Final = "3 minutes"

_LOOK_SECONDS: Final = 2.0
"""How often who waits looks whether it leads."""
_QUEUED_SECONDS: Final = 0.05

_THERE: Final = "SELECT to_regclass('msyncd.msyncd_listener') IS NOT NULL"
_LISTEN: Final = f"""INSERT INTO msyncd.msyncd_listener (pid, until)
VALUES (pg_backend_pid(), now() + interval '{FORGOTTEN}') ON CONFLICT (pid) DO UPDATE SET until = excluded.until"""
_FORGET: Final = "DELETE FROM msyncd.msyncd_listener WHERE until < now()"
_LEAVE: Final = "DELETE FROM msyncd.msyncd_listener WHERE pid = pg_backend_pid()"


class Listener:
    """One connection that listens, opened when it is first waited for."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._said = 0.0
        self._leads = False
        self._looked = 0.0
        self.pid: int | None = None
        """Of the backend that listens; None while none does."""

    def wait(self, seconds: float) -> bool:
        """Whether something was logged in so many seconds. Raises DatabaseUnavailable."""
        with self._lock:
            try:
                with mapped(self._address.shown):
                    connection = self._listening()
                    if time.monotonic() - self._looked > _LOOK_SECONDS:
                        self._lead(connection)
                    return any(True for _ in connection.notifies(timeout=seconds, stop_after=1))
            except BaseException:
                self._drop()
                raise

    def leads(self) -> bool:
        """Whether this process holds the lock of the one that leads; if nobody does, it does from now on.

        The lock ends with the connection. Raises DatabaseUnavailable.
        """
        # somebody who waits has the connection almost always, and looks by himself: nobody queues for it
        if self._lock.acquire(timeout=_QUEUED_SECONDS):
            try:
                with mapped(self._address.shown):
                    self._lead(self._listening())
            except BaseException:
                self._drop()
                raise
            finally:
                self._lock.release()
        return self._leads

    def _lead(self, connection: Connection) -> None:
        if self._leads:
            connection.execute("SELECT 1")  # else the lock has gone with it
        else:
            sql = "SELECT pg_try_advisory_lock(%s::integer, %s::integer)"
            self._leads = bool(connection.execute(sql, LEADING).fetchall()[0][0])
        self._looked = time.monotonic()

    def _listening(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._address)
            self._connection.execute(f"LISTEN {CHANNEL}")
            self._said, self._leads, self.pid = 0.0, False, self._connection.info.backend_pid
        now = time.monotonic()
        due = not self._said or now - self._said > RENEWED_SECONDS
        if due and self._connection.execute(_THERE).fetchall() == [(True,)]:
            self._connection.execute(_FORGET)
            self._connection.execute(_LISTEN)
            self._said = now
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._leads, self.pid = False, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def close(self) -> None:
        """Listen no more."""
        with self._lock:
            if self._connection is not None and not self._connection.closed and self._said:
                with suppress(psycopg.Error):
                    self._connection.execute(_LEAVE)
            self._drop()
