"""The application's database: one small interface, a dialect each."""

from collections.abc import Iterator
from contextlib import contextmanager

from msyncd.databases.interface import Database
from msyncd.errors import WrongUsage
from msyncd.model import ZeroDates

__all__ = ["Database", "open_database"]


def open_database(url: str, *, zero_dates: ZeroDates = "null") -> Database:
    """The database of a URL as the settings give it. Nothing is written.

    `zero_dates` says what becomes of 0000-00-00 where the database has no such date: SQLite's columns hold it as it is.
    Raises DatabaseUnavailable if it cannot be opened now, WrongUsage for a kind of database that is not there.
    """
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        from msyncd.databases.sqlite.database import SQLiteDatabase

        return SQLiteDatabase(url)
    if scheme == "postgresql":
        return _postgresql(url, zero_dates)
    if scheme in {"mariadb", "mysql"}:
        return _mariadb(url, zero_dates)
    raise WrongUsage(
        f"{scheme}:// is not a database that msyncd can sync",
        hint="use sqlite:///FILE, postgresql://HOST/NAME or mariadb://HOST/NAME",
    )


def serves_several(url: str) -> bool:
    """Whether several processes may serve a database of that kind side by side, as workers of one primary."""
    return url.partition(":")[0] == "postgresql"


def _postgresql(url: str, zero_dates: ZeroDates) -> Database:
    with _driver("psycopg", "PostgreSQL", "postgresql"):
        from msyncd.databases.postgresql.database import PostgreSQLDatabase
    return PostgreSQLDatabase(url, zero_dates)


def _mariadb(url: str, zero_dates: ZeroDates) -> Database:
    with _driver("pymysql", "MariaDB", "mariadb"):
        from msyncd.databases.mariadb.database import MariaDBDatabase
    return MariaDBDatabase(url, zero_dates)


@contextmanager
def _driver(module: str, name: str, extra: str) -> Iterator[None]:
    """What is imported inside needs a driver that only an extra brings."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise WrongUsage(
            f"the driver for {name} is not there", hint=f'install it: pip install "msyncd[{extra}]"'
        ) from error
