"""Telling MariaDB's errors apart: the row is at fault, or waiting can mend it.

Numbers: https://mariadb.com/kb/en/mariadb-error-codes/
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pymysql

from msyncd.databases.interface import RowRejected
from msyncd.errors import DatabaseUnavailable, MsyncdError

DUPLICATE: Final = 1062
DEADLOCK: Final = 1213
LOCK_WAIT: Final = 1205
NO_RIGHT: Final = frozenset({1044, 1045, 1142, 1143, 1227, 1370, 1419, 1698})

_ROW: Final = frozenset(
    {
        1048,  # cannot be null
        DUPLICATE, 1022, 1169, 1586, 1761, 1762,  # duplicate
        1118,  # row too large
        1153,  # larger than max_allowed_packet
        1216, 1217, 1451, 1452,  # references
        1264, 1265, 1292, 1366, 1367, 1406, 1411, 1441, 1525, 1690,  # values that do not fit the column
        1364,  # no default: a column that does not travel must be given
        1369,  # WITH CHECK OPTION
        1526, 1748, 1864,  # no partition for it
        1644, 1645, 1646,  # SIGNAL: a guard's or the application's trigger
        3819, 4025,  # CHECK
        4037, 4038, 4039, 4040,  # JSON
        4078, 4079,  # illegal types
    }
)  # fmt: skip
_GONE: Final = frozenset({0, 2000, 2002, 2003, 2005, 2006, 2012, 2013, 2014, 2026, 2027, 2055, 1053, 1077, 1079, 1080})
"""The connection does not answer any more, or never did."""
_HINTS: Final = {
    **dict.fromkeys((1205, 1213, 1020), "the application is writing the same records; trying again"),
    **dict.fromkeys((1021, 1114, 1030, 3), "free some space on the server's disk; nothing is lost, trying again"),
    **dict.fromkeys((1040, 1203, 1226), "the server has no connection left; trying again"),
    **dict.fromkeys((1290, 1836), "the server is read-only; trying again"),
    **dict.fromkeys(
        (1054, 1146, 1412), "its schema has changed; the daemon looks at it anew, `msyncd init` does so now"
    ),
    **dict.fromkeys((1045, 1698), "check user and password in this_site.database"),
    1227: "the cursor must know which transactions are open: GRANT PROCESS ON *.* TO msyncd's user",
    1049: "correct this_site.database, or let the application make its database",
    1665: "set binlog_format to MIXED or ROW on the server",
    1419: "set log_bin_trust_function_creators=1 on the server, or grant msyncd's user SUPER",
}


def number_of(error: BaseException) -> int:
    """MariaDB's number of an error; 0 if it has none."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def is_lost(error: BaseException) -> bool:
    """Whether the connection can no longer be used."""
    return isinstance(error, (OSError, pymysql.InterfaceError)) or (
        isinstance(error, pymysql.Error) and number_of(error) in _GONE
    )


def ends_transaction(error: BaseException) -> bool:
    """Whether the server has undone, or may have undone, the whole transaction and not only the statement."""
    return is_lost(error) or number_of(error) in {DEADLOCK, LOCK_WAIT, 1020, 1114, 1180, 1181, 1317, 1927, 1969}


def translated(error: Exception, what: str = "the database") -> Exception:
    """What is to be raised instead of a driver's error."""
    if isinstance(error, UnicodeEncodeError):
        return RowRejected(f"text that is not Unicode: {error.reason}")
    number = number_of(error)
    words = str(error.args[1]) if isinstance(error, pymysql.Error) and len(error.args) > 1 else str(error)
    if number in _ROW:
        return RowRejected(words)
    if number == 1049:
        words = f"there is no such database: {words}"
    if number == 1064:  # nonsense, which waiting does not mend
        return error
    if isinstance(error, (pymysql.Error, OSError)):
        hint = _HINTS.get(number, "")
        if not hint and number in NO_RIGHT:
            hint = "grant msyncd's user what docs/databases.md says"
        return DatabaseUnavailable(words, where=what, hint=hint or "trying again")
    return error


@contextmanager
def mapped(what: str = "the database") -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except MsyncdError:
        raise
    except (pymysql.Error, OSError, UnicodeEncodeError) as error:
        raise translated(error, what) from error
