"""One connection to MariaDB, with settings of its own: the application's stay as they are."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Literal

import pymysql
from pymysql import converters
from pymysql.constants import CLIENT, FIELD_TYPE, SERVER_STATUS

from msyncd.databases.mariadb.address import Address
from msyncd.databases.mariadb.errors import LOCK_WAIT, ends_transaction, is_lost, number_of, translated
from msyncd.databases.mariadb.sql import EXACT, filled
from msyncd.errors import DatabaseUnavailable, MsyncdError
from msyncd.model import Row, Value

Purpose = Literal["read", "write"]

CONNECT_SECONDS: Final = 10
WAIT_SECONDS: Final = 3
"""How long to wait for a lock that the application holds: what we hold already, it waits for meanwhile."""
_ANSWER_SECONDS: Final = 300
"""A server that says nothing for so long is taken to be gone."""
_CONVERSIONS: Final[dict[Any, Any]] = {
    **converters.encoders,
    **dict.fromkeys(
        (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.YEAR),
        int,
    ),
    **dict.fromkeys((FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE), float),
}
"""What is not text or binary on the wire; decimals, dates and times stay the text that they are there."""
_SETTINGS: Final = {
    # nothing is cut off or made to fit without a word; a zero is a key like any other; zero dates may stand
    "sql_mode": "'ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO'",
    "time_zone": "'+00:00'",
    "innodb_lock_wait_timeout": str(WAIT_SECONDS),
    "lock_wait_timeout": str(WAIT_SECONDS),
    "foreign_key_checks": "1",
    "unique_checks": "1",
    "sql_auto_is_null": "0",
    "sql_select_limit": "DEFAULT",
    "max_statement_time": "0",
    # long lists of keys are looked up by the index, and not made a table of
    "in_predicate_conversion_threshold": "0",
}
_TRANSACTIONS: Final = {
    "read": "ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "write": "ISOLATION LEVEL READ COMMITTED, READ WRITE",
}


class Session:
    """A connection in autocommit mode. `lost`: it is of no use any more."""

    def __init__(self, address: Address, purpose: Purpose) -> None:
        """Connect. Raises DatabaseUnavailable."""
        self.address = address
        self.lost = False
        self._transaction: Literal["none", "open", "ended"] = "none"
        try:
            self.driver = pymysql.connect(
                host=address.host,
                port=address.port,
                unix_socket=address.unix_socket,
                user=address.user,
                password=address.password,
                database=address.database,
                charset="utf8mb4",
                collation=EXACT,
                conv=_CONVERSIONS,
                # an UPDATE counts the rows that it found, not only those that it altered
                client_flag=CLIENT.FOUND_ROWS,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                read_timeout=_ANSWER_SECONDS,
                write_timeout=_ANSWER_SECONDS,
                program_name="msyncd",
                **_tls(address),
            )
        except (pymysql.Error, OSError, RuntimeError) as error:
            raise translated(error, str(address)) from error
        self._cursor = self.driver.cursor()
        try:
            self.run(f"SET SESSION {', '.join(f'{name} = {value}' for name, value in _SETTINGS.items())}")
            self.run(f"SET SESSION TRANSACTION {_TRANSACTIONS[purpose]}")
        except BaseException:
            self.close()
            raise

    @property
    def id(self) -> int:
        """The server's number of this connection."""
        driver: Any = self.driver
        return int(driver.thread_id())

    @property
    def in_transaction(self) -> bool:
        """Whether the transaction that was begun still stands."""
        return self._transaction == "open" and not self.lost

    @property
    def unfinished(self) -> bool:
        """Whether a transaction was begun and neither committed nor undone; it may be lost already."""
        return self._transaction != "none"

    def fetch(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Run one statement, portable SQL if it has parameters, and fetch what it returns."""
        return self.fetch_text(filled(sql, parameters))

    def change(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        """Run one statement of portable SQL; how many rows it found or wrote."""
        return self.run(filled(sql, parameters))

    def fetch_text(self, sql: str) -> list[Row]:
        """Run one statement as it stands, and fetch what it returns."""
        self.run(sql)
        return list(self._cursor.fetchall())

    def sources(self) -> list[tuple[str, str]]:
        """The table and the column from which each column of the last answer came; empty for an expression."""
        answer: Any = self._cursor
        return [(field.org_table, field.org_name) for field in answer._result.fields]

    def run(self, sql: str) -> int:
        """Run one statement as it stands; how many rows it found or wrote."""
        self._must_stand("do not pass over errors of the database in it")
        if self.lost or self._transaction == "ended":
            raise DatabaseUnavailable("the transaction is lost", where=str(self.address), hint="trying again")
        try:
            count = self._cursor.execute(sql)
        except (pymysql.Error, OSError, UnicodeEncodeError) as error:
            self._note(error)
            raise translated(error, str(self.address)) from error
        self._must_stand(f"take it out of the plugin or hook: {sql[:60]}")
        return int(count)

    def _must_stand(self, hint: str) -> None:
        """What follows must not be committed by itself; by the driver's last answer, also one to a look-up."""
        if self._transaction == "open" and not self.lost and not self._stands():
            self._transaction = "ended"
            raise MsyncdError(
                "a statement has ended the transaction in which it ran, as a deadlock, CREATE, ALTER and the like do",
                hint=hint,
            )

    def _note(self, error: Exception) -> None:
        if is_lost(error):
            self.lost = True
        elif number_of(error) == LOCK_WAIT and self._transaction == "open":
            self._see_whether_it_stands()
            return
        if self._transaction == "open" and (self.lost or ends_transaction(error)):
            # what follows must not be committed by itself, outside of any transaction
            self._transaction = "ended"

    def _see_whether_it_stands(self) -> None:
        """After a wait that was too long the server has undone the statement, or, by its settings, the transaction."""
        try:
            self._cursor.execute("DO 0")
        except (pymysql.Error, OSError):
            self.lost = True
        if self.lost or not self._stands():
            self._transaction = "ended"

    def _stands(self) -> bool:
        driver: Any = self.driver
        return bool(driver.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    # --- transactions -----------------------------------------------------------------------------------------------

    def begin(self, how: str = "") -> None:
        """Open a transaction."""
        self.run(f"START TRANSACTION {how}".rstrip())
        self._transaction = "open"

    def commit(self) -> None:
        """Commit it. Raises DatabaseUnavailable if it is lost; without the server's answer nobody knows."""
        if self._transaction == "ended" or self.lost:
            raise DatabaseUnavailable("the transaction is lost", where=str(self.address), hint="trying again")
        self._transaction = "none"
        self.run("COMMIT")

    def rollback(self) -> None:
        """Undo it, whatever state it is in; the connection is given up if that fails."""
        self._transaction = "none"
        if self.lost:
            return
        try:
            self._cursor.execute("ROLLBACK")
        except (pymysql.Error, OSError):
            self.lost = True

    def answers(self) -> bool:
        """Whether the server still answers on it."""
        try:
            self.run("DO 0")
        except DatabaseUnavailable:
            return False
        return True

    def close(self) -> None:
        """Let go of it."""
        self.lost = True
        with suppress(Exception):
            self.driver.close()


def _tls(address: Address) -> dict[str, Any]:
    if not address.tls:
        return {}
    return {**address.tls, "ssl_verify_cert": True, "ssl_verify_identity": True}
