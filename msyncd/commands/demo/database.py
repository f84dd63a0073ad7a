"""The application's database in the demo: made from the sample schema, and written as an application writes."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from random import Random

Clock = Callable[[], datetime]
"""Tells what time it is; an argument everywhere, so that a story can be told twice and come out the same."""


def sample_file(name: str) -> Path:
    """A file of the sample record types, such as `msupply.sql`: from the installed wheel, or the source checkout."""
    package = Path(__file__).resolve().parents[2]
    places = (package / "_config" / "record_types", package.parent / "config" / "record_types")
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(f"{name} is in none of {', '.join(map(str, places))}")


def new_database(path: str | Path) -> None:
    """Make a database with the application's tables, all empty, in the journal mode that the application has chosen."""
    if Path(path).exists():
        raise FileExistsError(f"{path} exists already")
    connection = open_database(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(sample_file("msupply.sql").read_text(encoding="utf-8"))
    finally:
        connection.close()


def open_database(path: str | Path) -> sqlite3.Connection:
    """A connection as the application opens it: foreign keys on, and patient while another program writes."""
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def new_id(random: Random) -> str:
    """A key after the field's convention: 32 upper-case hexadecimal digits."""
    return f"{random.getrandbits(128):032X}"


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing: one transaction of the application's, rolled back if anything in it raises."""
    # The write lock is taken first: what is read before writing can then not be changed by another writer in between.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # A trigger's RAISE(ROLLBACK) or a full disk has ended it already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def insert(connection: sqlite3.Connection, table: str, **values: object) -> None:
    """Insert one row; table and columns are names from this package, never a person's input."""
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(values.values()))


def store_key(connection: sqlite3.Connection, code: str) -> str:
    """The key of the store with this code."""
    return _one_key(connection, "SELECT ID FROM store WHERE code = ?", code)


def name_key(connection: sqlite3.Connection, code: str) -> str:
    """The key of the name with this code."""
    return _one_key(connection, "SELECT ID FROM name WHERE code = ?", code)


def _one_key(connection: sqlite3.Connection, query: str, code: str) -> str:
    found = connection.execute(query, (code,)).fetchone()
    if found is None:
        raise LookupError(f"nothing here has the code {code}")
    return str(found[0])


def day(now: datetime) -> str:
    """A date as the field writes it."""
    return now.date().isoformat()


def second_of_day(now: datetime) -> int:
    """A time of day as the field writes it: seconds since midnight."""
    return now.hour * 3600 + now.minute * 60 + now.second
