"""Making msyncd's tables and triggers in a MariaDB database, keeping them current, and taking them away.

Each statement that defines something commits by itself here. So each step looks at what is there, does what is lacking,
and can be the last before a crash: tables first, then the numbers of record types, then triggers, and at the very end
the note that a record type is captured.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from msyncd.databases.lineage import CapturedType
from msyncd.databases.mariadb.describe import Catalogue
from msyncd.databases.mariadb.facts import write_first_facts
from msyncd.databases.mariadb.holes import WHOLE
from msyncd.databases.mariadb.session import Session
from msyncd.databases.mariadb.tables import LEAST_WIDTH, MOST_WIDTH, table_statements, widening
from msyncd.databases.mariadb.triggers import Trigger, capture_triggers
from msyncd.databases.values import Capture, Installed
from msyncd.errors import DatabaseUnavailable, RecordTypeStopped

LOG_START: Final = "log_start"
"""The name in msyncd_meta of the number up to which the change log was trimmed."""
COMPLETE: Final = "installed"
"""The name in msyncd_meta that says that an installation came to its end."""
_TURN_SECONDS: Final = 30
_PATIENCE: Final = 40
"""Tries to define something in a table that the application is using."""

Sleep = Callable[[float], None]


def is_installed(session: Session) -> bool:
    """Whether the ledger is there."""
    return "msyncd_meta" in _our_tables(session)


def log_width(session: Session) -> int:
    """How many key columns the change log has."""
    rows = session.fetch(
        "SELECT count(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
        " AND TABLE_NAME = 'msyncd_change_log' AND COLUMN_NAME LIKE 'key%'"
    )
    return max(LEAST_WIDTH, int(str(rows[0][0])))


def install(session: Session, capture: Capture, catalogue: Catalogue, *, sleep: Sleep = time.sleep) -> Installed:
    """Bring tables and triggers to what they should be; what is current is not touched."""
    with _alone(session):
        needed = max([LEAST_WIDTH, *(len(one.key) for one in capture.record_types)])
        made = _make_tables(session, needed)
        write_first_facts(session, capture.facts)  # before the guard asks for them
        uncaptured = _uncaptured(session, capture)
        ids = _number_types(session, capture)
        types = [
            CapturedType(ids[one.name], one, catalogue.tables[one.table.casefold()]) for one in capture.record_types
        ]
        lost = _lost(session, capture)
        changed, dropped = _replace(session, capture_triggers(capture.site, types, catalogue), sleep)
        _note_captured(session, capture, ids, {*lost, *uncaptured})
        return Installed(ids, (*made, *changed), dropped, (*lost, *uncaptured))


def remove(session: Session, *, sleep: Sleep = time.sleep) -> tuple[str, ...]:
    """Drop everything of ours: triggers first, so that the application's writes never miss a table."""
    with _alone(session):
        triggers = sorted(_our_triggers(session))
        for name in triggers:
            _define(session, f'DROP TRIGGER IF EXISTS "{name}"', sleep)
        tables = sorted(_our_tables(session))
        # the mark that it is installed goes first: what is half taken away is not in use
        for name in sorted(tables, key=lambda one: one != "msyncd_meta"):
            _define(session, f'DROP TABLE IF EXISTS "{name}"', sleep)
        return tuple(sorted([*triggers, *tables]))


@contextmanager
def _alone(session: Session) -> Iterator[None]:
    """One process at a time defines anything."""
    name = f"msyncd install {session.address.database}"[:64]
    if session.fetch("SELECT GET_LOCK(?, ?)", (name, _TURN_SECONDS)) != [(1,)]:
        raise DatabaseUnavailable("another process of msyncd is installing its triggers", hint="trying again")
    try:
        yield
    finally:
        if not session.lost:
            session.fetch("SELECT RELEASE_LOCK(?)", (name,))


def _define(session: Session, sql: str, sleep: Sleep) -> None:
    """Run a statement that needs a table for itself for a moment.

    While it waited for its turn, the application would wait behind it. So it does not wait: it is tried again,
    and only when there was never a free moment does it wait for one second at a time.
    """
    for attempt in range(_PATIENCE):
        session.run(f"SET SESSION lock_wait_timeout = {0 if attempt < _PATIENCE // 2 else 1}")
        try:
            session.run(sql)
            return
        except DatabaseUnavailable:
            if session.lost or attempt == _PATIENCE - 1:
                raise
            sleep(0.05 * min(attempt + 1, 10))
        finally:
            if not session.lost:
                session.run("SET SESSION lock_wait_timeout = 3")


def _our_tables(session: Session) -> set[str]:
    rows = session.fetch(
        "SELECT TABLE_NAME FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'msyncd\\_%'"
    )
    return {str(name) for (name,) in rows}


def _our_triggers(session: Session) -> dict[str, tuple[str, ...]]:
    """By name: table, when, event, body; and by whom and under which sql_mode it was made."""
    rows = session.fetch(
        "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT,"
        " DEFINER = CURRENT_USER(), SQL_MODE = @@sql_mode FROM information_schema.TRIGGERS"
        " WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND TRIGGER_NAME LIKE 'msyncd\\_%'"
    )
    return {str(name): tuple(map(str, rest)) for name, *rest in rows}


def _make_tables(session: Session, needed: int) -> list[str]:
    if needed > MOST_WIDTH:
        raise RecordTypeStopped(f"a key of {needed} columns is more than the change log can hold ({MOST_WIDTH})")
    there = _our_tables(session)
    made = []
    for name, sql in table_statements(needed):
        if name not in there:
            session.run(sql)
            made.append(name)
    has = log_width(session)
    if has < needed:
        session.run(widening(has, needed))
    session.run(f"INSERT IGNORE INTO msyncd_meta (name, value) VALUES ('{WHOLE}', '0'), ('{LOG_START}', '0')")
    return made


def _number_types(session: Session, capture: Capture) -> dict[str, int]:
    ids = {str(name): int(str(number)) for number, name in session.fetch("SELECT id, name FROM msyncd_record_type")}
    for one in capture.record_types:
        if one.name not in ids:
            ids[one.name] = max(ids.values(), default=0) + 1
            session.fetch(
                "INSERT INTO msyncd_record_type (id, name, table_name, columns, captured) VALUES (?, ?, ?, '', 0)",
                (ids[one.name], one.name, one.table),
            )
    return ids


def _captured(session: Session) -> set[str]:
    return {str(name) for (name,) in session.fetch("SELECT name FROM msyncd_record_type WHERE captured = 1")}


def _uncaptured(session: Session, capture: Capture) -> tuple[str, ...]:
    """Record types that are captured from now on and were not until now: declared newly, or stopped for a while.

    Before the first installation has come to its end nothing was captured that could have been missed.
    """
    if not session.fetch(f"SELECT 1 FROM msyncd_meta WHERE name = '{COMPLETE}'"):
        return ()
    was = _captured(session)
    return tuple(one.name for one in capture.record_types if one.name not in was)


def _lost(session: Session, capture: Capture) -> tuple[str, ...]:
    """Record types that were captured and whose tables now bear no trigger of ours: somebody rebuilt them (P5)."""
    bear = {table.casefold() for table, *_ in _our_triggers(session).values()}
    was = _captured(session)
    return tuple(one.name for one in capture.record_types if one.name in was and one.table.casefold() not in bear)


def _replace(session: Session, wanted: Sequence[Trigger], sleep: Sleep) -> tuple[list[str], tuple[str, ...]]:
    """Make what is missing or out of date, then drop what should not be there."""
    there = _our_triggers(session)
    made = []
    for one in wanted:
        current = (one.table, one.when, one.event, one.body, "1", "1")
        if there.get(one.name) == current:
            continue
        if one.name in there and there[one.name][0] != one.table:
            _define(session, f'DROP TRIGGER IF EXISTS "{one.name}"', sleep)
        _define(session, one.sql, sleep)
        made.append(one.name)
    obsolete = sorted(there.keys() - {one.name for one in wanted})
    for name in obsolete:
        _define(session, f'DROP TRIGGER IF EXISTS "{name}"', sleep)
    return made, tuple(obsolete)


def _note_captured(session: Session, capture: Capture, ids: Mapping[str, int], lost: Collection[str]) -> None:
    """What was lost counts as captured when whoever looks after it has said so."""
    for one in capture.record_types:
        session.fetch(
            "UPDATE msyncd_record_type SET columns = ?, table_name = ?, captured = ? WHERE id = ?",
            ("\n".join(one.columns), one.table, int(one.name not in lost), ids[one.name]),
        )
    session.run(f"INSERT IGNORE INTO msyncd_meta (name, value) VALUES ('{COMPLETE}', '1')")
    for name in _captured(session) - {one.name for one in capture.record_types}:
        session.fetch("UPDATE msyncd_record_type SET captured = 0 WHERE name = ?", (name,))
