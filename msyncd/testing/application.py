"""An application's own connection to its database: the driver's, behind one small API."""

import re
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

Values = Sequence[Any]

_PARTS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\?|%")


class Connection(ABC):
    """One connection. Each statement commits by itself unless `begin` was called; `?` stands for a value.

    `errors` is the base of the driver's own errors, which are raised as they are; `driver` is its own connection;
    `changed`: how many rows the last statement that was executed wrote, -1 where the driver cannot say.
    """

    errors: type[Exception]
    driver: Any
    changed: int = -1

    @abstractmethod
    def execute(self, sql: str, parameters: Values = ()) -> list[tuple[Any, ...]]:
        """Run one statement and fetch what it returns."""

    @abstractmethod
    def begin(self) -> None:
        """Open a transaction, as the driver does it."""

    @abstractmethod
    def close(self) -> None:
        """Let go; what is not committed is undone."""

    @abstractmethod
    def message(self, error: Exception) -> str:
        """The words of an error without what the driver puts around them."""

    def commit(self) -> None:
        """What was written since `begin` is there for all."""
        self.execute("COMMIT")

    def rollback(self) -> None:
        """What was written since `begin` never was."""
        self.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits at the end of the block; undoes if it raises."""
        self.begin()
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        self.commit()

    def script(self, sql: str) -> None:
        """Several statements, each ended by a semicolon at the end of a line."""
        for statement in re.split(r";[ \t]*(?:\n|\Z)", sql):
            if statement.strip():
                self.execute(statement)

    def executemany(self, sql: str, parameters: Iterable[Values]) -> None:
        """Run one statement for each of these."""
        for one in parameters:
            self.execute(sql, one)


class SQLiteConnection(Connection):
    """sqlite3, with foreign keys enforced."""

    errors = sqlite3.Error

    def __init__(self, url: str) -> None:
        path = url.removeprefix("sqlite:///")
        self.driver = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        self.driver.execute("PRAGMA foreign_keys=ON")

    def execute(self, sql: str, parameters: Values = ()) -> list[tuple[Any, ...]]:
        cursor = self.driver.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        self.changed = cursor.rowcount
        return rows

    def script(self, sql: str) -> None:
        self.driver.executescript(sql)

    def begin(self) -> None:
        self.driver.execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        self.driver.close()

    def message(self, error: Exception) -> str:
        return str(error)


class PostgreSQLConnection(Connection):
    """psycopg."""

    def __init__(self, url: str) -> None:
        import psycopg

        self.errors = psycopg.Error
        self.driver = psycopg.connect(url, autocommit=True)

    def execute(self, sql: str, parameters: Values = ()) -> list[tuple[Any, ...]]:
        # psycopg takes SQL as a literal or as bytes: what a test says is no one's input
        cursor = self.driver.execute(_formatted(sql, parameters).encode(), parameters or None)
        self.changed = cursor.rowcount
        return cursor.fetchall() if cursor.description else []

    def begin(self) -> None:
        self.driver.execute("BEGIN")

    def close(self) -> None:
        self.driver.close()

    def message(self, error: Exception) -> str:
        import psycopg

        return (error.diag.message_primary or "") if isinstance(error, psycopg.Error) else str(error)


class MariaDBConnection(Connection):
    """PyMySQL."""

    def __init__(self, url: str) -> None:
        import pymysql

        parts = urlsplit(url)
        self.errors = pymysql.err.Error
        self.driver = pymysql.connect(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 3306,
            user=unquote(parts.username or "root"),
            password=unquote(parts.password or ""),
            database=parts.path.strip("/") or None,
            charset="utf8mb4",
            autocommit=True,
        )

    def execute(self, sql: str, parameters: Values = ()) -> list[tuple[Any, ...]]:
        with self.driver.cursor() as cursor:
            cursor.execute(_formatted(sql, parameters), list(parameters) or None)
            self.changed = cursor.rowcount
            return list(cursor.fetchall())

    def begin(self) -> None:
        self.driver.begin()

    def close(self) -> None:
        self.driver.close()

    def message(self, error: Exception) -> str:
        return str(error.args[-1]) if error.args else ""


CONNECTIONS: dict[str, type[SQLiteConnection | PostgreSQLConnection | MariaDBConnection]] = {
    "sqlite": SQLiteConnection,
    "postgresql": PostgreSQLConnection,
    "mariadb": MariaDBConnection,
    "mysql": MariaDBConnection,
}


def connect(url: str) -> Connection:
    """An application's connection to the database of a URL."""
    return CONNECTIONS[url.partition(":")[0]](url)


def _formatted(sql: str, parameters: Values) -> str:
    """The statement with the placeholder of psycopg and PyMySQL; text in quotes stays as it is."""
    if not parameters:
        return sql

    def one(found: re.Match[str]) -> str:
        return "%s" if found[0] == "?" else found[0].replace("%", "%%")

    return _PARTS.sub(one, sql)
