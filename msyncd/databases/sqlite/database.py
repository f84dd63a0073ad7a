"""A SQLite database as this process uses it: one writer at a time, a few readers, a small look-out."""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from msyncd.databases.handing import renew_hand_overs
from msyncd.databases.interface import Database, Reader, Writer
from msyncd.databases.lookups import bound_to
from msyncd.databases.sqlite import install
from msyncd.databases.sqlite.connection import BUSY_SECONDS, connect, mapped, path_of
from msyncd.databases.sqlite.describe import describe
from msyncd.databases.sqlite.reader import SQLiteReader
from msyncd.databases.sqlite.writer import SQLiteWriter
from msyncd.databases.values import Capture, Installed
from msyncd.errors import DatabaseUnavailable
from msyncd.model import Facts, RecordType, Table

if TYPE_CHECKING:
    import dataset

MOST_READERS = 4
"""Idle reading connections that are kept."""
LOOK_SECONDS = 0.01
"""Between two looks at the data version, while a change is waited for."""


class SQLiteDatabase(Database):
    """See Database. Connections are opened when first needed, so that a missing file is a matter of trying later."""

    dialect = "sqlite"

    def __init__(self, url: str) -> None:
        self.path = path_of(url)
        self.emptied = Counter()
        self._local = threading.local()
        self._turn = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._pool_lock = threading.Lock()
        self._readers: list[sqlite3.Connection] = []
        self._warm: sqlite3.Connection | None = None
        self._lookout: sqlite3.Connection | None = None
        self._lookout_lock = threading.Lock()
        self._types: Mapping[str, RecordType] = {}
        self._ids: Mapping[str, int] = {}
        self._tables: Mapping[str, Table] = {}
        self._width = install.LEAST_WIDTH
        self._fires = False

    def describe(self) -> dict[str, Table]:
        with self._reading() as connection, mapped(str(self.path)):
            return describe(connection)

    # --- installing -------------------------------------------------------------------------------------------------

    def install(self, capture: Capture) -> Installed:
        tables = self.describe()
        with self._writing() as connection, mapped(str(self.path)):
            done = install.install(connection, capture, tables)
            width = install.log_width(connection)
        self._types = {one.name: one for one in capture.record_types}
        self._ids, self._tables, self._width = done.ids, tables, width
        self._fires = install.fires(capture, tables)
        return done

    def installed(self) -> bool:
        with self._reading() as connection, mapped(str(self.path)):
            return install.is_installed(connection)

    def renew_guard(self, facts: Facts, writer: Writer, site: int) -> None:
        assert isinstance(writer, SQLiteWriter)
        writer.execute("DELETE FROM msyncd_store")
        writer.insert(
            "msyncd_store",
            [
                {
                    "store": one.store,
                    "code": one.code,
                    "active_site": one.edited_at,
                    "epoch": one.epoch,
                    "name": one.name,
                }
                for one in facts.stores.values()
            ],
        )
        renew_hand_overs(facts, writer)
        with mapped():
            install.renew_words(writer.connection, facts, site)

    def remove(self) -> tuple[str, ...]:
        with self._writing() as connection, mapped(str(self.path)):
            return install.remove(connection)

    # --- looking out ------------------------------------------------------------------------------------------------

    def schema_version(self) -> int:
        return self._look("PRAGMA schema_version")

    def data_version(self) -> int:
        return self._look("PRAGMA data_version")

    def _look(self, pragma: str) -> int:
        # one connection for ever: data_version only compares with itself on the same connection
        with self._lookout_lock, mapped(str(self.path)):
            if self._lookout is None:
                self._lookout = connect(self.path, writable=False)
            return int(self._lookout.execute(pragma).fetchone()[0])

    def watched_paths(self) -> tuple[str, ...]:
        return tuple(f"{self.path}{ending}" for ending in ("", "-wal", "-journal"))

    def wait_for_change(self, seconds: float) -> bool:
        before, end = self.data_version(), time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(LOOK_SECONDS, left))
            if self.data_version() != before:
                return True
        return False

    # --- reading and writing ----------------------------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[Reader]:
        with self._reading() as connection:
            with mapped(str(self.path)):
                connection.execute("BEGIN")
            try:
                yield SQLiteReader(connection, self._types, self._ids, self._width)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def write(self, *, swift: bool = False, immediate: bool = False) -> Iterator[Writer]:
        current: SQLiteWriter | None = getattr(self._local, "writer", None)
        if current is not None:  # a hook inside a transaction of ours: it commits with that, or not at all
            with current.savepoint():
                yield current
            return
        with self._writing() as connection:
            writer = SQLiteWriter(
                connection,
                self._types,
                self._ids,
                self._width,
                self._tables,
                self._fires,
                swift=swift,
                immediate=immediate,
            )
            self._local.writer = writer
            try:
                yield writer
            finally:
                self._local.writer = None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if not self._turn.acquire(timeout=3 * BUSY_SECONDS):
            raise DatabaseUnavailable(
                "another step of msyncd is still writing", where=str(self.path), hint="trying again"
            )
        try:
            if self._writer is None:
                self._writer = connect(self.path, writable=True)
            connection = self._writer
            with mapped(str(self.path)):
                connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                with mapped(str(self.path)):
                    connection.execute("COMMIT")
            except BaseException:
                self._undo(connection)
                raise
        finally:
            self._turn.release()

    def _undo(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:  # the connection itself is broken: a new one finds the journal and undoes
            self._writer = None
            with suppress(sqlite3.Error):
                connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._pool_lock:
            connection = self._readers.pop() if self._readers else None
        if connection is None:
            connection = connect(self.path, writable=False)
        try:
            yield connection
        except BaseException:
            with self._pool_lock:
                self._warm = None if self._warm is connection else self._warm
            with suppress(sqlite3.Error):
                connection.close()
            raise
        with self._pool_lock:
            if self._warm in (None, connection):
                self._warm = connection
                self._readers.append(connection)
                return
            if len(self._readers) < MOST_READERS:
                # only the one that is taken first keeps its pages: several caches of the same would be held for nothing
                with suppress(sqlite3.Error):
                    connection.execute("PRAGMA shrink_memory")
                self._readers.insert(0, connection)
                return
        connection.close()

    def lookups(self) -> "dataset.Database":
        # one per thread: dataset belongs to the thread and connection on which it was made
        if not hasattr(self._local, "lookups"):
            self._local.lookups = bound_to(connect(self.path, writable=False))
        found: dataset.Database = self._local.lookups
        return found

    def close(self) -> None:
        with self._turn, self._pool_lock, self._lookout_lock:
            for connection in (self._writer, self._lookout, *self._readers):
                if connection is not None:
                    connection.close()
            self._writer = self._lookout = self._warm = None
            self._readers.clear()
