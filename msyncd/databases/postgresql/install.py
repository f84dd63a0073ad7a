"""Making msyncd's tables, functions and triggers in a PostgreSQL database, keeping them current, taking them away.

Nothing of the application's is locked but the table that just gets or loses a trigger, and that for a moment only.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from msyncd.databases.lineage import CapturedType
from msyncd.databases.postgresql import guard
from msyncd.databases.postgresql.catalog import TableEntry, spelling_of
from msyncd.databases.postgresql.connection import Connection, transaction
from msyncd.databases.postgresql.errors import mapped
from msyncd.databases.postgresql.locking import with_table
from msyncd.databases.postgresql.numbering import identity_of, place_function
from msyncd.databases.postgresql.tables import LEAST_WIDTH, own_tables
from msyncd.databases.postgresql.triggers import Captured, Trigger, captures
from msyncd.databases.values import Capture, Installed
from msyncd.model import PRIMARY, RecordType, Table

_OUR_TRIGGERS: Final = """
SELECT t.tgrelid, t.tgname, t.tgtype::int, t.tgenabled::text, t.tgrelid::regclass::text, t.tgoldtable, t.tgnewtable
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'msyncd' AND t.tgparentid = 0 ORDER BY t.tgrelid, t.tgname"""
_OUR_FUNCTIONS: Final = """
SELECT p.proname, p.prosrc, coalesce(p.proconfig, '{}') FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'msyncd'"""
_PARTITIONS: Final = """
SELECT c.oid, format('%%I.%%I', n.nspname, c.relname) FROM pg_partition_tree(%s::oid) p
JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.isleaf"""
_BITS: Final = {"INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32 | 2}
_FIRES: Final = frozenset({"O", "A"})
"""States in which a trigger fires for the application's sessions."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A trigger of ours as it stands."""

    name: str
    type: int
    fires: bool
    table: str


@dataclass(frozen=True, slots=True)
class Bearer:
    """A table, or a partition of one, with the triggers that it is to bear."""

    oid: int
    table: str
    triggers: tuple[Trigger, ...]


# --- what is there ----------------------------------------------------------------------------------------------------


def is_installed(connection: Connection) -> bool:
    """Whether the ledger is there."""
    return bool(connection.execute("SELECT to_regclass('msyncd.msyncd_meta') IS NOT NULL").fetchall()[0][0])


def log_width(connection: Connection) -> int:
    """How many key columns the change log has."""
    found = connection.execute(
        "SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass('msyncd.msyncd_change_log')"
        " AND attname LIKE 'key%' AND NOT attisdropped"
    ).fetchall()
    return max(LEAST_WIDTH, int(found[0][0]))


def firing(capture: Capture, tables: Mapping[str, Table]) -> frozenset[str]:
    """The record types on whose tables the application has triggers that fire while msyncd applies."""
    return frozenset(
        one.name
        for one in capture.record_types
        if one.application_triggers != "silent" and tables[one.table.casefold()].triggers
    )


def untouched(capture: Capture) -> frozenset[str]:
    """The record types that the guard lets nobody but msyncd write here."""
    return frozenset(
        one.name
        for one in capture.record_types
        if one.guard and one.edited_on == "primary" and capture.site != PRIMARY and not one.excludes_columns
    )


def _standing(connection: Connection) -> dict[int, list[Standing]]:
    found: dict[int, list[Standing]] = {}
    for oid, name, kind, enabled, table, _, _ in connection.execute(_OUR_TRIGGERS).fetchall():
        found.setdefault(oid, []).append(Standing(name, kind, enabled in _FIRES, table))
    return found


# --- installing -------------------------------------------------------------------------------------------------------


def make_tables(connection: Connection, capture: Capture) -> list[str]:
    """Make the schema and its tables, or widen the log: in a transaction of its own; what is current is not touched."""
    width = max([LEAST_WIDTH, *(len(one.key) for one in capture.record_types)])
    made: list[str] = []
    with transaction(connection, "BEGIN"), mapped():
        connection.execute("SET LOCAL client_min_messages TO warning")
        if not is_installed(connection):
            connection.execute("CREATE SCHEMA IF NOT EXISTS msyncd")
            connection.execute(place_function(0).encode())
        there = {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'msyncd'")}
        for name, sql in own_tables(width).items():
            if name not in there:
                connection.execute(sql.encode())
                made.append(name)
        for number in range(log_width(connection) + 1, width + 1):
            connection.execute(f"ALTER TABLE msyncd.msyncd_change_log ADD COLUMN key{number} text".encode())
        if "msyncd_numbering" in made:
            identity = identity_of(connection)
            connection.execute("INSERT INTO msyncd.msyncd_numbering (identity, added) VALUES (%s, 0)", (identity,))
    return made


def install(
    connection: Connection,
    capture: Capture,
    catalog: Mapping[str, TableEntry],
    tables: Mapping[str, Table],
    *,
    first: bool,
) -> Installed:
    """Bring functions and triggers to what they should be. Killed halfway, it goes on where it stopped."""
    ids = _number_types(connection, capture)
    types = [CapturedType(ids[one.name], one, tables[one.table.casefold()]) for one in capture.record_types]
    wanted = captures(capture.site, types, catalog, fires=firing(capture, tables))
    dropped = _drop_obsolete(connection, wanted, catalog)
    made = _renew_functions(connection, wanted)
    for one in wanted:
        made += _renew_triggers(connection, one, catalog, first=first)
    _drop_functions(connection, {function.name for one in wanted for function in one.functions})
    _forget_uncaptured(connection, capture)
    return Installed(ids, tuple(made), tuple(dropped), _lost(connection, capture))


def _number_types(connection: Connection, capture: Capture) -> dict[str, int]:
    with transaction(connection, "BEGIN"), mapped():
        rows = connection.execute("SELECT id, name FROM msyncd.msyncd_record_type").fetchall()
        ids = {str(name): int(number) for number, name in rows}
        for one in capture.record_types:
            if one.name not in ids:
                ids[one.name] = max(ids.values(), default=0) + 1
                connection.execute(
                    "INSERT INTO msyncd.msyncd_record_type (id, name, table_name, columns, captured)"
                    " VALUES (%s, %s, %s, '', 0)",
                    (ids[one.name], one.name, one.table),
                )
    return ids


def _renew_functions(connection: Connection, wanted: Collection[Captured]) -> list[str]:
    made: list[str] = []
    with transaction(connection, "BEGIN"), mapped():
        there = {name: (source, _settings(config)) for name, source, config in connection.execute(_OUR_FUNCTIONS)}
        for function in (function for one in wanted for function in one.functions):
            if there.get(function.name) != (function.body, _settings(_as_configured(function.settings))):
                connection.execute(function.sql.encode())
                made.append(function.name)
        if guard.REFUSE not in there or there[guard.REFUSE][0] not in guard.REFUSE_SQL:
            connection.execute(guard.REFUSE_SQL.encode())
            made.append(guard.REFUSE)
    return made


def _as_configured(settings: Collection[str]) -> list[str]:
    return [f"{name}={value.strip(chr(39))}" for name, _, value in (one.partition(" TO ") for one in settings)]


def _settings(config: Collection[str]) -> frozenset[str]:
    return frozenset(one.replace('"', "").casefold() for one in config)


def _bearers(connection: Connection, one: Captured, catalog: Mapping[str, TableEntry]) -> list[Bearer]:
    """The table itself; and where it is partitioned, each partition, since it may be truncated by its own name."""
    entry = catalog[one.lineage.record_type.table.casefold()]
    if entry.kind != "p":
        return [Bearer(entry.oid, one.lineage.table, one.triggers)]
    truncate = tuple(trigger for trigger in one.triggers if trigger.event == "TRUNCATE")
    others = tuple(trigger for trigger in one.triggers if trigger.event != "TRUNCATE")
    partitions = connection.execute(_PARTITIONS, (entry.oid,)).fetchall()
    return [Bearer(entry.oid, one.lineage.table, others), *(Bearer(oid, name, truncate) for oid, name in partitions)]


def _right(trigger: Trigger, standing: Collection[Standing]) -> bool:
    kind = _BITS[trigger.event] | trigger.by_row
    return any(one.name == trigger.name and one.type == kind and one.fires for one in standing)


def _renew_triggers(
    connection: Connection, one: Captured, catalog: Mapping[str, TableEntry], *, first: bool
) -> list[str]:
    """Make the triggers that a record type's table lacks, and note in the same transaction whether it needs a look."""
    record_type, made = one.lineage.record_type, list[str]()
    with mapped():
        standing = _standing(connection)
        bearers = _bearers(connection, one, catalog)
        captured = connection.execute(
            "SELECT captured FROM msyncd.msyncd_record_type WHERE id = %s", (one.lineage.id,)
        ).fetchall() == [(1,)]
    lacking = {
        bearer.oid: [trigger for trigger in bearer.triggers if not _right(trigger, standing.get(bearer.oid, ()))]
        for bearer in bearers
    }
    # a partition that came later was captured all the same, but for TRUNCATE
    unseen = any(trigger.event != "TRUNCATE" for triggers in lacking.values() for trigger in triggers)
    note = partial(_note, connection, one.lineage.id, record_type, looked_after=first or (captured and not unseen))
    for bearer in bearers:
        missing = lacking[bearer.oid]
        if missing:
            there = {found.name for found in standing.get(bearer.oid, ())}

            def make(bearer: Bearer = bearer, missing: list[Trigger] = missing, there: set[str] = there) -> None:
                for trigger in missing:
                    if trigger.name in there:
                        connection.execute(f'DROP TRIGGER "{trigger.name}" ON {bearer.table}'.encode())
                    connection.execute(trigger.sql(bearer.table).encode())
                note()

            replaced = any(trigger.name in there for trigger in missing)
            mode = "ACCESS EXCLUSIVE" if replaced else "SHARE ROW EXCLUSIVE"
            with_table(connection, bearer.table, mode, make)
            made += [trigger.name for trigger in missing]
    with transaction(connection, "BEGIN"), mapped():
        note()
    return made


def _note(connection: Connection, number: int, record_type: RecordType, *, looked_after: bool) -> None:
    """Note a record type as it is captured now. One that may have changed unseen counts as not captured until then."""
    values = (int(looked_after), "\n".join(record_type.columns), record_type.table)
    connection.execute(
        "UPDATE msyncd.msyncd_record_type SET captured = %s, columns = %s, table_name = %s WHERE id = %s"
        " AND (captured <> %s OR columns <> %s OR table_name <> %s)",
        (*values, number, *values),
    )


def _lost(connection: Connection, capture: Capture) -> tuple[str, ...]:
    """Record types that may have changed unseen, until whoever has looked after them says so; also over a kill."""
    rows = connection.execute("SELECT name FROM msyncd.msyncd_record_type WHERE captured = 0").fetchall()
    lost = {name for (name,) in rows}
    return tuple(one.name for one in capture.record_types if one.name in lost)


def _forget_uncaptured(connection: Connection, capture: Capture) -> None:
    names = [one.name for one in capture.record_types]
    with mapped():
        connection.execute(
            "UPDATE msyncd.msyncd_record_type SET captured = 0 WHERE captured = 1 AND NOT name = ANY (%s)", (names,)
        )


# --- taking away ------------------------------------------------------------------------------------------------------


def _drop_obsolete(
    connection: Connection, wanted: Collection[Captured], catalog: Mapping[str, TableEntry]
) -> list[str]:
    """Drop triggers that should not be there: of record types that are no more, or that have moved to other tables."""
    with mapped():
        keep = {
            (bearer.oid, trigger.name)
            for one in wanted
            for bearer in _bearers(connection, one, catalog)
            for trigger in bearer.triggers
        }
        standing = _standing(connection)
    dropped: list[str] = []
    for oid, triggers in standing.items():
        obsolete = [one for one in triggers if (oid, one.name) not in keep]
        if obsolete:
            _drop_triggers(connection, obsolete)
            dropped += [one.name for one in obsolete]
    return dropped


def _drop_triggers(connection: Connection, triggers: Collection[Standing]) -> None:
    table = next(iter(triggers)).table

    def drop() -> None:
        for one in triggers:
            connection.execute(f'DROP TRIGGER IF EXISTS "{one.name}" ON {table}'.encode())

    with_table(connection, table, "ACCESS EXCLUSIVE", drop)


def _drop_functions(connection: Connection, keep: Collection[str]) -> None:
    with transaction(connection, "BEGIN"), mapped():
        names = [name for name, _, _ in connection.execute(_OUR_FUNCTIONS).fetchall()]
        for name in names:
            if name not in keep and name not in {guard.REFUSE, "msyncd_place"}:
                connection.execute(f'DROP FUNCTION IF EXISTS msyncd."{name}"()'.encode())


def remove(connection: Connection) -> tuple[str, ...]:
    """Drop everything of ours. Killed halfway, it can be repeated; until then what is left still works."""
    with mapped():
        standing = _standing(connection)
        names = [one.name for triggers in standing.values() for one in triggers]
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('msyncd') AND relkind IN ('r', 'v', 'p')"
        ).fetchall()
        names += [name for (name,) in rows]
    for triggers in standing.values():
        _drop_triggers(connection, triggers)
    with transaction(connection, "BEGIN"), mapped():
        connection.execute("SET LOCAL lock_timeout TO '10s'")
        connection.execute("SET LOCAL client_min_messages TO warning")
        connection.execute("DROP SCHEMA IF EXISTS msyncd CASCADE")
    return tuple(sorted(set(names)))


__all__ = ["firing", "install", "is_installed", "log_width", "make_tables", "remove", "spelling_of"]
