"""Opening connections, and lending them: a bounded number, none kept that has died."""

import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import TextLoader

from msyncd.databases.postgresql.address import Address
from msyncd.databases.postgresql.errors import mapped
from msyncd.errors import DatabaseUnavailable, MsyncdError

Connection = psycopg.Connection[tuple[Any, ...]]

OLDEST_VERSION: Final = 130000
BUSY_SECONDS: Final = 10.0
"""How long to wait for another writer of msyncd's before giving up until later."""
ROW_MILLISECONDS: Final = "(extract(epoch FROM current_setting('deadlock_timeout')::interval) * 800)::integer::text"
"""SQL for how long to wait for rows that the application holds: less than after which a deadlock would be broken, maybe
at its cost."""
TURN_SECONDS: Final = 30.0
"""How long to wait for a connection that another thread is using."""

ABANDONED_SECONDS: Final = 300
"""After so long a transaction of ours in which nothing happens is undone: its machine has gone, with the writers' turn
in its hand."""

_AS_TEXT = ("date", "time", "timetz", "timestamp", "timestamptz", "interval", "numeric", "uuid", "json", "inet", "cidr")
"""Types that leave the driver as the text that the server sends: no value is rounded, and every year has a form."""

# A plan that was made while a table was nearly empty, and kept, would compare each row with each of thousands of keys
# when it has grown: every statement is planned for the values and the size that there are.
_SETTINGS = """
SELECT set_config('search_path', concat_ws(', ', 'msyncd', nullif({schemas}, '')), false);
SET datestyle TO 'ISO, YMD'; SET intervalstyle TO postgres; SET timezone TO 'UTC'; SET bytea_output TO hex;
SET tcp_keepalives_idle TO 30; SET tcp_keepalives_interval TO 10; SET tcp_keepalives_count TO 3;
SET idle_in_transaction_session_timeout TO {abandoned};
SET extra_float_digits TO 1; SET standard_conforming_strings TO on; SET statement_timeout TO 0; SET jit TO off;
SET plan_cache_mode TO force_custom_plan;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
"""
_OWN_SCHEMAS = """(SELECT string_agg(quote_ident(one), ', ' ORDER BY place)
    FROM unnest(current_schemas(false)) WITH ORDINALITY AS s (one, place) WHERE one <> 'msyncd')"""


def _adapters() -> AdaptersMap:
    adapters = AdaptersMap(psycopg.adapters)
    for name in _AS_TEXT:
        adapters.register_loader(name, TextLoader)
    adapters.register_dumper(int, Int8Dumper)  # one type for all whole numbers: one prepared statement, not three
    return adapters


ADAPTERS: Final = _adapters()


def connect(address: Address) -> Connection:
    """A connection in autocommit mode, durable also where the role's own settings ask for less.

    Raises DatabaseUnavailable, also for a server that is too old: it may be another one tomorrow.
    """
    with mapped(address.shown):
        connection: Connection = psycopg.connect(**address.options, autocommit=True, context=ADAPTERS)
        try:
            if connection.info.server_version < OLDEST_VERSION:
                raise DatabaseUnavailable(
                    f"{address.shown} runs PostgreSQL {connection.info.server_version // 10000}",
                    hint="msyncd needs PostgreSQL 13 or later",
                )
            connection.execute(_SETTINGS.format(schemas=_schemas(address), abandoned=ABANDONED_SECONDS * 1000).encode())
        except BaseException:
            connection.close()
            raise
        return connection


def _schemas(address: Address) -> str:
    """SQL for the application's schemas, as a search path has them."""
    if address.schemas is None:
        return _OWN_SCHEMAS
    quoted = ", ".join('"' + one.replace('"', '""') + '"' for one in address.schemas)
    return "'" + quoted.replace("'", "''") + "'"


class Pool:
    """Connections that are lent out, at most so many at a time.

    psycopg_pool would do as much, but it connects in threads of its own and says only that nothing came in time; here
    whoever asks hears at once why the server does not answer.
    """

    def __init__(self, address: Address, most: int, connected: Callable[[Connection], None] = lambda _: None) -> None:
        self._address, self._connected = address, connected
        self._free = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """A connection outside any transaction, for the length of the block. Raises DatabaseUnavailable."""
        if not self._free.acquire(timeout=TURN_SECONDS):
            raise DatabaseUnavailable(
                "every connection of msyncd is in use", where=self._address.shown, hint="trying again"
            )
        try:
            connection = self._take()
            try:
                yield connection
            except BaseException:
                self._give_back(connection)
                raise
            self._give_back(connection)
        finally:
            self._free.release()

    def _take(self) -> Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = connect(self._address)
                try:
                    self._connected(connection)
                except BaseException:
                    connection.close()
                    raise
                return connection
            if not has_died(connection):
                return connection
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
        if connection.closed:
            self.clear()  # the others have most likely died with it
            return
        if connection.info.transaction_status != TransactionStatus.IDLE:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)

    def clear(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for one in idle:
            with suppress(psycopg.Error):
                one.close()


def has_died(connection: Connection) -> bool:
    """Whether an idle connection is of no use any more: its server has closed it, or says so just now."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLERR | select.POLLHUP)
    return bool(poll.poll(0))


@contextmanager
def transaction(connection: Connection, begin: str) -> Iterator[None]:
    """What happens inside commits at the end, or never was. Errors of the driver are turned into ours."""
    with mapped():
        connection.execute(begin.encode())
    try:
        yield
        with mapped():
            connection.execute("COMMIT")
    except BaseException as error:
        undo(connection)
        if isinstance(error, psycopg.Error) and not isinstance(error, MsyncdError):
            with mapped():
                raise
        raise


def undo(connection: Connection) -> None:
    """Undo the open transaction; a connection that cannot even do that is closed, and the server undoes it."""
    try:
        if not connection.closed:
            connection.execute("ROLLBACK")
    except psycopg.Error:
        with suppress(psycopg.Error):
            connection.close()
