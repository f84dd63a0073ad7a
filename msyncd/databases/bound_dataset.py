"""What lookups.bound_to makes. Imports dataset, SQLAlchemy and alembic: import it late.

dataset's own Database opens and keeps a connection per thread, commits each write, alters tables on a typo or, told not
to, drops unknown columns without a word; its inner `with db` rolls nothing back. Each override undoes one of these.
"""

import difflib
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from dataset import Database, Table
from dataset.types import ColumnType
from dataset.util import MutableRow, WriteRow
from sqlalchemy import Connection, ExceptionContext, MetaData, NestedTransaction, UnaryExpression, event
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.types import NullType

from msyncd.errors import DatabaseUnavailable, MsyncdError

# Result codes: https://www.sqlite.org/rescode.html
_SQLITE_TRY_LATER = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB,  # a person restores it, but no record is at fault
})  # fmt: skip
# Connection, rolled back (deadlock), resources, locks, operator's intervention, system error:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL_TRY_LATER = frozenset({"08", "40", "53", "55", "57", "58"})
# Locks, deadlock, a row that somebody else changed, the disk, connections, operator's intervention, read-only server:
# https://mariadb.com/kb/en/mariadb-error-codes/
_MARIADB_TRY_LATER = frozenset({
    3, 1020, 1021, 1030, 1040, 1053, 1114, 1180, 1181, 1203, 1205, 1213, 1226, 1290, 1317, 1836, 1927, 1969,
})  # fmt: skip

# hstore is looked for by a query on a connection of psycopg's own kind.
_OPTIONS: dict[str, dict[str, Any]] = {"postgresql+psycopg": {"use_native_hstore": False}}


class NoSuchName(MsyncdError):
    """A look-up named a table or column that the database does not have."""


class BorrowedConnection:
    """A driver's connection whose transaction belongs to somebody else."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None:
        """Left to the owner."""

    def rollback(self) -> None:
        """Left to the owner."""

    def close(self) -> None:
        """Left to the owner."""

    def create_function(self, *_arguments: Any, **_options: Any) -> None:
        """SQLAlchemy would register its own; the owner's connection stays as it is."""


class BoundDatabase(Database):
    """dataset within a given connection and its open transaction."""

    def __init__(self, connection: Any, dialect: str) -> None:
        options = {
            "creator": lambda: BorrowedConnection(connection),
            "poolclass": StaticPool,
            # The pool would roll back what it is given back.
            "pool_reset_on_return": None,
            **_OPTIONS.get(dialect, {}),
        }
        super().__init__(f"{dialect}://", engine_kwargs=options, ensure_schema=False, sqlite_wal_mode=False)
        assert self.engine is not None  # made by super
        event.listen(self.engine, "handle_error", _say_try_later)
        self._metadata = MetaData()
        event.listen(self._metadata, "column_reflect", _leave_values_alone)
        self._connection: Connection = self.engine.connect()
        self._savepoints: list[NestedTransaction] = []

    @property
    def executable(self) -> Connection:
        return self._connection

    @property
    def metadata(self) -> MetaData:
        return self._metadata

    @property
    def in_transaction(self) -> bool:
        return bool(self._savepoints)

    def _auto_commit(self) -> None:
        """The transaction is somebody else's."""

    def begin(self) -> None:
        """Set a savepoint."""
        self._savepoints.append(self._connection.begin_nested())

    def commit(self) -> None:
        """Keep what was done since the savepoint; the transaction's owner decides whether it is committed."""
        if self._savepoints:
            self._savepoints.pop().commit()

    def rollback(self) -> None:
        """Undo what was done since the savepoint."""
        if not self._savepoints:
            raise MsyncdError("this transaction is not the plugin's to roll back", hint="use `with db`, or raise")
        self._savepoints.pop().rollback()

    def close(self) -> None:
        """Let go of the connection, which stays open."""
        self._tables = {}

    def load_table(self, table_name: str) -> Table:
        """A table or view, whatever the case of its name. Raises NoSuchName."""
        folded = table_name.strip().casefold()
        with self.lock:
            if folded not in self._tables:
                names = {name.casefold(): name for name in [*self.tables, *self.views]}
                if folded not in names:
                    raise NoSuchName(f"there is no table {table_name}", hint=_suggestion(folded, names.values()))
                self._tables[folded] = BoundTable(self, names[folded])
            return self._tables[folded]

    def create_table(
        self,
        table_name: str,
        primary_id: Any = None,
        primary_type: ColumnType | None = None,
        primary_increment: bool | None = None,
    ) -> Table:
        """Refused: the application's tables are its own."""
        raise MsyncdError(f"msyncd makes no table {table_name}", hint="make it with SQL where that is really meant")


class BoundTable(Table):
    """A table of the application. Unknown columns are errors."""

    def _check_ensure(self, ensure: bool | None) -> bool:
        return False

    def _sync_columns(
        self, row: WriteRow, ensure: bool | None, types: dict[str, ColumnType] | None = None
    ) -> MutableRow:
        self._must_have(row)
        return super()._sync_columns(row, False, types)

    def _args_to_clause(self, args: MutableRow, clauses: Iterable[ColumnElement[bool]] = ()) -> ColumnElement[bool]:
        self._must_have(args)
        return super()._args_to_clause(args, clauses)

    def _args_to_order_by(self, order_by: str | Sequence[str] | None) -> list[UnaryExpression[Any]]:
        wanted = [order_by] if isinstance(order_by, str) else order_by or ()
        self._must_have(name.lstrip("-") for name in wanted)
        return super()._args_to_order_by(order_by)

    def _must_have(self, names: Iterable[str]) -> None:
        for name in names:
            if not self.has_column(name):
                raise NoSuchName(f"{self.name} has no column {name}", hint=_suggestion(name, self.columns))


def _leave_values_alone(_inspector: Any, _table: Any, column: dict[str, Any]) -> None:
    """Without a type SQLAlchemy converts nothing: a date in SQLite stays the text that the application wrote."""
    column["type"] = NullType()


def _say_try_later(context: ExceptionContext) -> None:
    """A lock is no fault of a record: as DatabaseUnavailable it puts off the whole batch."""
    error = context.original_exception
    busy = (
        isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_TRY_LATER
    )
    state = getattr(error, "sqlstate", None) or ""
    busy = busy or state[:2] in _POSTGRESQL_TRY_LATER
    if _number(error) in _MARIADB_TRY_LATER:
        busy = True
        _learn_whether_it_stands(context)
    if busy or context.is_disconnect:
        raise DatabaseUnavailable(f"the database cannot be read or written now: {error}", hint="it is tried again")


def _learn_whether_it_stands(context: ExceptionContext) -> None:
    """A deadlock undoes the whole transaction; MariaDB's driver notices by the next answer that is no error."""
    driver: Any = context.connection.connection.driver_connection if context.connection is not None else None
    if driver is not None:
        with suppress(Exception):  # then the connection is lost, and with it the transaction
            driver.query("DO 0")


def _number(error: BaseException | None) -> int | None:
    """MariaDB's number of an error, which its driver gives first."""
    if error is None or not type(error).__module__.startswith("pymysql") or not error.args:
        return None
    return error.args[0] if isinstance(error.args[0], int) else None


def _suggestion(name: str, known: Iterable[str]) -> str:
    by_folded = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(name.casefold(), by_folded, 1)
    return f"did you mean {by_folded[close[0]]}?" if close else f"it has {', '.join(sorted(by_folded.values()))}"
