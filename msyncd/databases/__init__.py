"""The application's database: one small interface, a dialect each."""

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
        try:
            from msyncd.databases.postgresql.database import PostgreSQLDatabase
        except ModuleNotFoundError as error:
            if error.name != "psycopg":
                raise
            raise WrongUsage(
                "the driver for PostgreSQL is not there", hint='install it: pip install "msyncd[postgresql]"'
            ) from error
        return PostgreSQLDatabase(url, zero_dates)
    raise WrongUsage(f"{scheme}:// is not a database that msyncd can sync yet", hint="use sqlite:///FILE")
