"""Opening connections and telling errors apart."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from msyncd.databases.interface import RowRejected
from msyncd.errors import DatabaseDamaged, DatabaseUnavailable, MsyncdError, WrongUsage

BUSY_SECONDS = 10.0
"""How long to wait for another program's write lock before giving up until later."""

_DAMAGED = {
    sqlite3.SQLITE_NOTADB: "if this_site.database names the right file, restore it from a backup: docs/restore.md",
    sqlite3.SQLITE_CORRUPT: "stop msyncd and the application, and restore the file from a backup: docs/restore.md",
}


def path_of(url: str) -> Path:
    """The file of a sqlite:/// URL. Raises WrongUsage for one without a file: memory cannot be shared."""
    rest = url.removeprefix("sqlite:///")
    if rest == url or not rest or rest == ":memory:":
        raise WrongUsage(f"{url} names no database file", hint="use sqlite:///FILE")
    return Path(rest)


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    """A connection in autocommit mode that changes nothing of the application's own settings.

    Raises DatabaseUnavailable if there is no such database: msyncd never makes one. Raises DatabaseDamaged.
    """
    with mapped(str(path)):
        if not _is_there(path):
            raise DatabaseUnavailable(
                "there is no database",
                where=str(path),
                hint="start the application once, or correct this_site.database",
            )
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_SECONDS,
            cached_statements=256,
        )
        try:
            if writable:
                # durable also where the application runs its own connections with less; EXTRA also syncs the folder
                connection.execute("PRAGMA synchronous=EXTRA")
                connection.execute("PRAGMA foreign_keys=ON")
                connection.execute("PRAGMA cache_size=-8192")
                connection.execute("PRAGMA wal_autocheckpoint=10000")
            else:
                connection.execute("PRAGMA query_only=ON")
                connection.execute("PRAGMA cache_size=-2048")
        except BaseException:
            connection.close()
            raise
        return connection


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise DatabaseUnavailable(
            str(error.strerror),
            where=str(path),
            hint="check that its folder is open to the user that runs msyncd",
        ) from error


@contextmanager
def mapped(what: str = "the database") -> Iterator[None]:
    """Turn the driver's errors into ours: the row is at fault, waiting can mend it, or only a person with a backup."""
    try:
        yield
    except MsyncdError:
        raise
    except (
        sqlite3.IntegrityError,
        sqlite3.DataError,
        OverflowError,
        UnicodeEncodeError,
        sqlite3.InterfaceError,
    ) as error:
        raise RowRejected(str(error)) from error
    except sqlite3.OperationalError as error:
        if "decode to UTF-8" in str(error):
            raise RowRejected(f"text that is not UTF-8: {error}") from error
        raise DatabaseUnavailable(str(error), where=what, hint=_hint(error)) from error
    except sqlite3.ProgrammingError as error:
        if "type 'str'" in str(error) or "not supported" in str(error):
            raise RowRejected(str(error)) from error
        raise
    except sqlite3.DatabaseError as error:
        hint = _DAMAGED.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        if hint is None:
            raise
        raise DatabaseDamaged(str(error), where=what, hint=hint) from error


def _hint(error: sqlite3.OperationalError) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        return "another program holds its write lock; trying again"
    if "full" in text:
        return "free some space on its disk; nothing is lost, trying again"
    if "readonly" in text or "unable to open" in text:
        return "check that its file and folder can be written by the user that runs msyncd"
    return "trying again"
