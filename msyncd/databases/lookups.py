"""The `dataset` library on a connection of the daemon, for what is not hot: look-ups of plugins, of the console.

dataset takes 400 ms to import and most processes never touch it, so nothing here imports it before it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataset import Database


def bound_to(connection: Any, dialect: str = "sqlite") -> "Database":
    """A dataset database that works within this connection and whatever transaction it has open.

    It never commits, rolls back or closes what is not its own: `with db` is a savepoint. Values are as the driver gives
    and takes them, the same as in a Row. Unlike dataset by itself it alters no table, and a table or column that does
    not exist is an error (NoSuchName) instead of being dropped or found empty. A lock or a full disk raises
    DatabaseUnavailable. Use it on the thread and for the lifetime of the connection.

    `connection` is that of the driver (sqlite3, psycopg, pymysql); `dialect` as SQLAlchemy calls it, with the driver.
    """
    from msyncd.databases.bound_dataset import BoundDatabase

    return BoundDatabase(connection, dialect)
