"""PostgreSQL's errors, told apart: a row's own values are at fault, or waiting can mend it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import psycopg

from msyncd.databases.interface import CareNeeded, RowRejected
from msyncd.errors import DatabaseUnavailable, MsyncdError

# Classes and codes of https://www.postgresql.org/docs/current/errcodes-appendix.html
_OF_VALUES = frozenset({"21", "22", "23", "44"})
"""Cardinality, data, integrity constraints, check option."""
_OF_VALUES_TOO = frozenset({"P0001", "P0004", "54000"})
"""Raised or asserted by a trigger; too large for an index."""
_HINTS = {
    "55P03": "another program holds its rows or tables locked; trying again",
    "40P01": "another program locked the same rows in another order; trying again",
    "53100": "free some space on its disk; nothing is lost, trying again",
    "53300": "too many connections; raise max_connections, or close some; trying again",
    "57014": "it was cancelled; trying again",
    "42501": "give msyncd's role the rights that docs/databases.md lists",
    "25006": "it takes no writes now; is it a standby, or is default_transaction_read_only on?",
    "3D000": "create the database, or correct this_site.database",
    "28P01": "correct user name and password in this_site.database",
    "28000": "let the role in by pg_hba.conf, or correct this_site.database",
}


@contextmanager
def mapped(what: str = "the database") -> Iterator[None]:
    """Turn the driver's errors into ours: RowRejected or DatabaseUnavailable; msyncd's mistakes stay what they are."""
    try:
        yield
    except MsyncdError:
        raise
    except psycopg.Error as error:
        raise_ours(error, what)
    except (UnicodeEncodeError, OverflowError) as error:
        raise RowRejected(str(error)) from error


def raise_ours(error: psycopg.Error, what: str = "the database") -> NoReturn:
    """Raise what an error of the driver means to us."""
    code = error.sqlstate or ""
    if code[:2] in _OF_VALUES or code in _OF_VALUES_TOO:
        raise RowRejected(words_of(error)) from error
    if code == "25P02":  # somebody, a plugin perhaps, has passed over the error of an earlier statement
        raise CareNeeded("an earlier statement of this transaction failed, and it went on all the same") from error
    if not code and isinstance(error, psycopg.DataError):  # refused by the driver before it was sent
        raise RowRejected(str(error)) from error
    if (
        isinstance(error, (psycopg.ProgrammingError, psycopg.NotSupportedError))
        and code not in _HINTS
        and code[:2] != "28"
    ):
        if code in {"42P01", "42703", "3F000"}:  # a table, column or schema has gone meanwhile
            raise DatabaseUnavailable(
                words_of(error), where=what, hint="its schema has changed; trying again"
            ) from error
        raise error
    raise DatabaseUnavailable(words_of(error), where=what, hint=_hint(error, code)) from error


# Why no connection came: the server's words are all that the driver gives.
_NOT_CONNECTED = (
    ("authentication failed", _HINTS["28P01"]),
    ("no pg_hba.conf entry", _HINTS["28000"]),
    ("does not exist", _HINTS["3D000"]),
    ("too many", _HINTS["53300"]),
    ("remaining connection slots", _HINTS["53300"]),
    ("starting up", "it is starting; trying again"),
    ("refused", "start the server, or correct this_site.database"),
)


def _hint(error: psycopg.Error, code: str) -> str:
    if code in _HINTS:
        return _HINTS[code]
    said = str(error)
    return next((hint for words, hint in _NOT_CONNECTED if words in said), "trying again")


def words_of(error: psycopg.Error) -> str:
    """What the server says, on one line: the message, its detail, and where a COPY stood."""
    diagnosis = error.diag
    parts = [diagnosis.message_primary, diagnosis.message_detail]
    if diagnosis.context and diagnosis.context.startswith("COPY"):
        parts.append(diagnosis.context.splitlines()[0])
    said = "; ".join(" ".join(part.split()) for part in parts if part)
    return said or " ".join(str(error).split()) or type(error).__name__
