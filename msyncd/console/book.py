"""What the console remembers beyond a restart: an SQLite file of msyncd's own, `console.db` in the state directory.

Not in the application's database: a site that has nothing to sync writes nothing there. What stands here is for people;
nothing that is synced depends on it, so it may be deleted at any time.
"""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import structlog

from msyncd.errors import TryLater

FILE: Final = "console.db"
_BUSY_SECONDS: Final = 10.0
_SCHEMA_VERSION: Final = 1

_TABLES: Final = """
CREATE TABLE history (
    site INTEGER NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, to_send INTEGER, to_receive INTEGER,
    waiting INTEGER NOT NULL, quarantine INTEGER NOT NULL, records_sent INTEGER NOT NULL,
    records_received INTEGER NOT NULL, bytes_sent INTEGER NOT NULL, bytes_received INTEGER NOT NULL,
    PRIMARY KEY (site, at)
) WITHOUT ROWID;
CREATE TABLE activity (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, who TEXT NOT NULL, place TEXT NOT NULL,
    did TEXT NOT NULL, result TEXT NOT NULL
);
"""


class BookUnavailable(TryLater):
    """The console's own file cannot be read or written."""


class Book:
    """The file. Safe to use from several threads and processes; each transaction is short."""

    def __init__(self, state_directory: Path) -> None:
        self.path = state_directory / FILE
        self._lock = threading.Lock()

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query. Raises BookUnavailable."""
        with self._connected() as connection:
            return connection.execute(sql, parameters).fetchall()

    def write(self, *statements: tuple[str, Iterable[Sequence[Any]]]) -> None:
        """Statements, each for several sets of parameters, all in one transaction. Raises BookUnavailable."""
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            for sql, many in statements:
                connection.executemany(sql, many)
            connection.execute("COMMIT")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        # opened anew each time: it is asked seldom, and a file that was taken away is made again
        with self._lock:
            try:
                with closing(self._open()) as connection:
                    yield connection
            except (sqlite3.Error, OSError) as error:
                hint = f"check the disk, and that the user of msyncd may write {self.path.parent}"
                raise BookUnavailable(f"{self.path} cannot be used: {error}", hint=hint) from error

    def _open(self) -> sqlite3.Connection:
        try:
            return self._opened()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # busy, full, read-only: not the file's own fault
                raise
            broken = self.path.with_suffix(".broken")
            self.path.replace(broken)
            log = structlog.get_logger("msyncd.console")
            log.warning("the console's file was damaged and is begun anew", kept=str(broken), reason=str(error))
            return self._opened()

    def _opened(self) -> sqlite3.Connection:
        if not self.path.exists():
            self._make()
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            if connection.execute("PRAGMA user_version").fetchone()[0] < _SCHEMA_VERSION:
                self._install(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make(self) -> None:
        """An empty file for the daemon's user alone, also where root runs a command first."""
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            if os.geteuid() == 0:
                owner = self.path.parent.stat()
                os.chown(self.path, owner.st_uid, owner.st_gid)

    def _install(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        if (
            connection.execute("PRAGMA user_version").fetchone()[0] < _SCHEMA_VERSION
        ):  # another process may have been first
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        connection.execute("COMMIT")
