"""A PostgreSQL database as this process uses it: one writer at a time, a few readers, and one that listens."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import psycopg

from msyncd.databases.interface import Database, Reader, Writer
from msyncd.databases.lookups import bound_to
from msyncd.databases.postgresql import install, locking, numbering
from msyncd.databases.postgresql.address import address_of
from msyncd.databases.postgresql.applying import PostgreSQLWriter
from msyncd.databases.postgresql.catalog import TableEntry, read_catalog
from msyncd.databases.postgresql.connection import (
    BUSY_SECONDS,
    ROW_MILLISECONDS,
    TURN_SECONDS,
    Connection,
    Pool,
    connect,
    has_died,
    transaction,
)
from msyncd.databases.postgresql.describe import described
from msyncd.databases.postgresql.errors import mapped
from msyncd.databases.postgresql.facts import renew_facts
from msyncd.databases.postgresql.known import Known
from msyncd.databases.postgresql.listening import Listener
from msyncd.databases.postgresql.numbering import Numbering
from msyncd.databases.postgresql.reader import PostgreSQLReader
from msyncd.databases.postgresql.silencing import may_silence_sql
from msyncd.databases.postgresql.versions import DATA_VERSION, SCHEMA_VERSION
from msyncd.databases.postgresql.writer import Snapshot
from msyncd.databases.values import Capture, Installed
from msyncd.errors import DatabaseUnavailable
from msyncd.model import Facts, Table, ZeroDates

if TYPE_CHECKING:
    import dataset

MOST_READERS: Final = 8

_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# each its own snapshot: what others committed while this one waited for its turn is seen
_WRITE: Final = f"""BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL lock_timeout TO {int(BUSY_SECONDS * 1000)};
SELECT pg_advisory_xact_lock({locking.WRITING[0]}, {locking.WRITING[1]});
SELECT set_config('lock_timeout', {ROW_MILLISECONDS}, true)"""


class PostgreSQLDatabase(Database):
    """See Database. Connections are opened when first needed, so that a server that is down is a matter of waiting."""

    dialect = "postgresql"
    lock_seconds = 1.0  # the rows of the batch alone are locked; and the turn of other workers

    def __init__(self, url: str, zero_dates: ZeroDates = "null") -> None:
        self.address = address_of(url)
        self.emptied = Counter()
        self._zero_dates = zero_dates
        self._readers = Pool(self.address, MOST_READERS, self._look_at)
        self._writers = Pool(self.address, 1, self._look_at)
        self._lookout = Pool(self.address, 1)  # it sees whatever database stands there now
        self._listener = Listener(self.address)
        self._turn = threading.Lock()
        self._local = threading.local()
        self._schema_lock = threading.Lock()
        self._schema = ("", 0)
        self._known = Known()
        self._numbering: Numbering | None = None

    def describe(self) -> dict[str, Table]:
        with self._lookout.lend() as connection:
            catalog, tables = self._described(connection)
        # what was installed goes on as it is until it is installed anew
        self._known = replace(self._known, catalog=catalog, tables=tables)
        return tables

    def _described(self, connection: Connection) -> tuple[dict[str, TableEntry], dict[str, Table]]:
        with mapped(self.address.shown):
            catalog = read_catalog(connection)
            asked = may_silence_sql(connection.info.server_version)
            may_silence = bool(connection.execute(asked.encode()).fetchall()[0][0])
        return catalog, described(catalog, may_silence=may_silence)

    # --- installing -------------------------------------------------------------------------------------------------

    def install(self, capture: Capture) -> Installed:
        tables = self.describe()
        catalog = self._known.catalog
        firing = install.firing(capture, tables)  # a record type without a table is an error before anything is made
        self._numbering = None
        with self._writers.lend() as connection, locking.installing(connection):
            made = install.make_tables(connection, capture)
            found = numbering.recognise(connection)
            done = install.install(connection, capture, catalog, tables, first="msyncd_meta" in made)
            width = install.log_width(connection)
        types = {one.name: one for one in capture.record_types}
        untouched = install.untouched(capture) - firing
        self._known = Known(catalog, tables, types, done.ids, width, found.added, firing, untouched)
        self._numbering = found
        return replace(done, made=(*made, *done.made))

    def installed(self) -> bool:
        with self._lookout.lend() as connection, mapped(self.address.shown):
            return install.is_installed(connection)

    def renew_guard(self, facts: Facts, writer: Writer, site: int) -> None:
        renew_facts(facts, writer)

    def remove(self) -> tuple[str, ...]:
        self._listener.close()
        with self._writers.lend() as connection, locking.installing(connection):
            gone = install.remove(connection)
        self._numbering = None
        return gone

    def _look_at(self, connection: Connection) -> None:
        """Another database may stand at the address now: it is looked at anew before its log is read."""
        if self._numbering is not None:
            with mapped(self.address.shown):
                if numbering.identity_of(connection) != self._numbering.identity:
                    raise DatabaseUnavailable(
                        f"another database stands at {self.address.shown} than before", hint="it is looked at anew"
                    )

    def _loaded(self, connection: Connection) -> Known:
        """What is known, also in a process that only looks and has not installed."""
        if not self._known.catalog:
            catalog, tables = self._described(connection)
            self._known = replace(self._known, catalog=catalog, tables=tables)
        if self._numbering is None and install.is_installed(connection):
            added, width = numbering.noted(connection).added, install.log_width(connection)
            return replace(self._known, added=added, width=width)
        return self._known

    # --- looking out ------------------------------------------------------------------------------------------------

    def schema_version(self) -> int:
        with self._lookout.lend() as connection, mapped(self.address.shown):
            found = str(connection.execute(SCHEMA_VERSION).fetchall()[0][0])
        with self._schema_lock:  # what is made and dropped again counts too: a number never comes back
            if found != self._schema[0]:
                self._schema = found, self._schema[1] + 1
            return self._schema[1]

    def data_version(self) -> int:
        with self._readers.lend() as connection, mapped(self.address.shown):
            if self._numbering is None and not install.is_installed(connection):
                return 0
            found = connection.execute(DATA_VERSION, (self._known.added,)).fetchall()
            return int(found[0][0]) if found else 0

    def watched_paths(self) -> tuple[str, ...]:
        return ()

    def wait_for_change(self, seconds: float) -> bool:
        return self._listener.wait(seconds)

    def leads(self) -> bool:
        return self._listener.leads()

    # --- reading and writing ----------------------------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[Reader]:
        with self._readers.lend() as connection:
            with mapped(self.address.shown):
                known = self._loaded(connection)
                connection.execute(_READ)
            try:
                yield PostgreSQLReader(connection, known)
            finally:
                if not connection.closed:
                    with suppress(psycopg.Error):
                        connection.execute("ROLLBACK")

    @contextmanager
    def write(self, *, swift: bool = False, immediate: bool = False) -> Iterator[Writer]:
        current: PostgreSQLWriter | None = getattr(self._local, "writer", None)
        if current is not None:  # a hook inside a transaction of ours: it commits with that, or not at all
            with current.savepoint():
                yield current
            return
        if not self._turn.acquire(timeout=TURN_SECONDS):
            raise DatabaseUnavailable(
                "another step of msyncd is still writing", where=self.address.shown, hint="trying again"
            )
        try:
            with self._writers.lend() as connection:
                with mapped(self.address.shown):
                    known = self._loaded(connection)
                with transaction(connection, _WRITE):
                    with mapped():
                        began = connection.execute("SELECT pg_current_snapshot()::text").fetchall()[0][0]
                    writer = PostgreSQLWriter(
                        connection,
                        known,
                        Snapshot.of(began, known.added),
                        zero_dates=self._zero_dates,
                        swift=swift,
                        immediate=immediate,
                    )
                    self._local.writer = writer
                    try:
                        yield writer
                        writer.tell_others(self._listener.pid)
                    finally:
                        self._local.writer = None
                self.emptied.update(writer.emptied)
        finally:
            self._turn.release()

    def lookups(self) -> "dataset.Database":
        # one per thread: dataset belongs to the thread and connection on which it was made
        connection: Connection | None = getattr(self._local, "lookups_connection", None)
        if connection is None or has_died(connection):
            connection = connect(self.address)
            connection.execute("SET default_transaction_read_only TO on")
            self._local.lookups_connection = connection
            self._local.lookups = bound_to(connection, "postgresql+psycopg")
        found: dataset.Database = self._local.lookups
        return found

    def close(self) -> None:
        self._listener.close()
        for pool in (self._readers, self._writers, self._lookout):
            pool.clear()
