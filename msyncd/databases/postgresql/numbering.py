"""The number that orders transactions in the change log, and what it means to have been restored from a dump.

Commits are ordered by the writing transaction's ID (see log.py). A dump does not bring these along: in another cluster
they begin anew, perhaps far below those of the entries that came with the dump. So a constant is added to them, which
only ever grows: every cursor that was ever given to a peer keeps its meaning, and nothing is passed over.

Until msyncd has looked, triggers that were restored with the dump number what the application writes as before, too
low. Such entries are told by their sequence, which goes on where the dump left it: they come behind others that have a
higher number. They are moved to the end of the log. A few that had always stood so, since a long transaction logged
them, move with them and are sent once more, which does no harm.

The database then begins a new generation: its peers are told that it was taken elsewhere.
"""

import time
from dataclasses import dataclass
from typing import Final

from msyncd.databases.postgresql.connection import Connection, transaction
from msyncd.databases.postgresql.errors import mapped
from msyncd.errors import DatabaseUnavailable

PATIENCE: Final = 60.0
"""Seconds to wait for transactions that may still number as before."""

_IDENTITY: Final = """SELECT (SELECT system_identifier FROM pg_control_system()) || ':' || oid
FROM pg_database WHERE datname = current_database()"""
_TOP: Final = """SELECT greatest((SELECT max(xid) FROM msyncd.msyncd_change_log), trimmed_major)
FROM msyncd.msyncd_numbering"""
_XMIN: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_NEXT: Final = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_LATE: Final = """
WITH places AS (
    SELECT xid, seq, max(xid) OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM msyncd.msyncd_change_log)
UPDATE msyncd.msyncd_change_log l SET xid = (SELECT msyncd.msyncd_place())
FROM places p, msyncd.msyncd_numbering n
WHERE l.xid = p.xid AND l.seq = p.seq AND p.xid < greatest(coalesce(p.before, 0), n.trimmed_major)"""


@dataclass(frozen=True, slots=True)
class Numbering:
    """What is added to a transaction's ID in this database, as long as this is the cluster that it is in."""

    identity: str
    added: int


def identity_of(connection: Connection) -> str:
    """What tells this database from every copy of it."""
    return str(connection.execute(_IDENTITY.encode()).fetchall()[0][0])


def place_function(added: int) -> str:
    """The text of the function that numbers the writing transaction."""
    return f"""CREATE OR REPLACE FUNCTION msyncd.msyncd_place() RETURNS bigint LANGUAGE sql STABLE AS $msyncd$
SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8 + {added}::pg_catalog.int8 $msyncd$"""


def noted(connection: Connection) -> Numbering:
    """The numbering in force as the ledger has it."""
    identity, added = connection.execute("SELECT identity, added FROM msyncd.msyncd_numbering").fetchall()[0]
    return Numbering(identity, added)


def recognise(connection: Connection) -> Numbering:
    """The numbering of a database in which msyncd's tables are; if it was restored, it is mended first.

    Killed halfway, the next start begins anew. Raises DatabaseUnavailable while a transaction stands in the way.
    """
    with mapped():
        was, identity = noted(connection), identity_of(connection)
        if was.identity == identity and not _beyond(connection, was.added):
            return was
    added = _renumber(connection, was.added)
    _wait_for_older(connection)
    with transaction(connection, "BEGIN"), mapped():
        connection.execute(_LATE)
        connection.execute("UPDATE msyncd.msyncd_numbering SET identity = %s", (identity,))
        connection.execute("UPDATE msyncd.msyncd_meta SET value = (value::bigint + 1)::text WHERE name = 'generation'")
    return Numbering(identity, added)


def _beyond(connection: Connection, added: int) -> bool:
    """Whether the log holds numbers that no transaction has had yet: they went back while the rest looks the same."""
    (top,), (following,) = connection.execute(_TOP).fetchall()[0], connection.execute(_NEXT).fetchall()[0]
    return top is not None and top >= following + added


def _renumber(connection: Connection, added: int) -> int:
    """From now on every transaction is numbered beyond all that there is; what is added."""
    with transaction(connection, "BEGIN"), mapped():
        (top,), (oldest,) = connection.execute(_TOP).fetchall()[0], connection.execute(_XMIN).fetchall()[0]
        added = max(added, (top or 0) + 1 - oldest)
        connection.execute(place_function(added).encode())
        connection.execute("UPDATE msyncd.msyncd_numbering SET added = %s", (added,))
    return added


def _wait_for_older(connection: Connection) -> None:
    """Until every transaction that may have been numbered as before has ended."""
    time.sleep(0.1)  # one that was just about to take its number has it now
    give_up = time.monotonic() + PATIENCE
    with mapped():
        following = connection.execute(_NEXT).fetchall()[0][0]
        while connection.execute(_XMIN).fetchall()[0][0] < following:
            if time.monotonic() > give_up:
                raise DatabaseUnavailable(
                    "the database was restored, and a transaction has been open since before msyncd looked at it",
                    hint="end it (see pg_stat_activity), then try again",
                )
            time.sleep(0.05)
