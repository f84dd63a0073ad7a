"""The triggers that write the change log and that refuse what this site may not edit, as SQL text.

Nothing here touches a database. The texts are deterministic and begin as sqlite_master keeps them, so that what stands
there can be compared with what should stand there.

Every trigger is silent while the applier writes its record type. The logged operation is a hint (P1): what matters is
that each record that may have changed has an entry, with every store and routing value that it had (P4).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msyncd.databases import fence
from msyncd.databases.lineage import CapturedType, Lineage, lineages
from msyncd.databases.sqlite import guard
from msyncd.databases.sqlite.names import quoted
from msyncd.databases.sqlite.replaced import Lookup, equal, lookups, plain
from msyncd.model import Facts

__all__ = ["LEDGER_DDL_FOR_CAPTURE", "CapturedType", "Statement", "capture_statements", "capture_tables", "guard_words"]

WRITE, DELETE = 1, 2


@dataclass(frozen=True, slots=True)
class Statement:
    """A view or trigger by its name, and the text that creates it."""

    name: str
    sql: str


def capture_tables(key_columns: int = 2) -> tuple[str, ...]:
    """The tables that the triggers write and read, for keys of up to `key_columns` columns (never less than 2)."""
    keys = ", ".join(f"key{i}" for i in range(1, max(key_columns, 2) + 1))
    return (
        # AUTOINCREMENT: a number is never used again, also not after the log was emptied (P2)
        (
            "CREATE TABLE msyncd_change_log (seq INTEGER PRIMARY KEY AUTOINCREMENT, type INTEGER NOT NULL,"
            " operation INTEGER NOT NULL, origin INTEGER NOT NULL, store, store_before, route, route_before,"
            f" only_site INTEGER, parent, {keys})"
        ),
        "CREATE TABLE msyncd_applying (type INTEGER, origin INTEGER NOT NULL)",
        f"CREATE TABLE msyncd_incoming (type INTEGER NOT NULL, {keys}, PRIMARY KEY (type, {keys}))",
        (
            "CREATE TABLE msyncd_store (store TEXT PRIMARY KEY, code TEXT, active_site INTEGER, epoch INTEGER NOT NULL,"
            " name) WITHOUT ROWID"
        ),
    )


LEDGER_DDL_FOR_CAPTURE: tuple[str, ...] = (
    *capture_tables(),
    "CREATE TABLE msyncd_meta (name TEXT NOT NULL PRIMARY KEY, value TEXT)",
)
"""The tables that the triggers write and read, for keys of one or two columns."""


def guard_words(facts: Facts, site: int) -> Statement:
    """The one trigger that knows the words of every refusal about a store; made anew when the facts change."""
    return Statement(guard.WORDS, guard.words(facts, site))


def capture_statements(
    site: int, types: Sequence[CapturedType], facts: Facts, *, application_triggers: bool
) -> list[Statement]:
    """Every view and trigger that captures and guards these record types on this site, in the order of creation.

    `application_triggers` says that the application's own triggers may fire while the applier writes: then only the
    records of msyncd_incoming pass silently, not the whole record type. Raises RecordTypeStopped where a parent cannot
    be found.
    """
    statements = [Statement(guard.VIEW, guard.VIEW_SQL), guard_words(facts, site)]
    for lineage in lineages(types):
        statements += _Triggers(lineage, site, application_triggers).statements()
    return statements


@dataclass(frozen=True, slots=True)
class _Triggers:
    """The triggers of one record type on one site."""

    lineage: Lineage
    site: int
    application_triggers: bool

    def statements(self) -> Iterator[Statement]:
        yield from self._fences()
        yield from self._guards()
        yield from self._replaced()
        if guard.refuses_all(self.lineage, self.site):
            return  # nothing but the applier ever passes the guard, and that is not logged
        yield self._trigger("log", "AFTER", "INSERT", "", [self._entry(WRITE, "NEW")])
        yield self._trigger("log", "AFTER", "UPDATE", "", self._updated())
        # before, so that a parent's entry stands in the log before those of its cascades
        yield self._trigger("log", "BEFORE", "DELETE", "", [self._entry(DELETE, "OLD")])
        if self.lineage.children:
            changed = [*self.lineage.record_type.key, *self.lineage.placing_columns()]
            yield self._trigger("family", "AFTER", "UPDATE", _differ(changed, "NEW", "OLD"), self._family("OLD", "1"))

    def _fences(self) -> Iterator[Statement]:
        if fence.fenced(self.lineage, self.site):
            for event in ("INSERT", "UPDATE", "DELETE"):
                yield self._trigger("fence", "BEFORE", event, guard.FENCED, [guard.fence(self.lineage)])

    def _guards(self) -> Iterator[Statement]:
        """What refuses. For inserts it also sees to rows that a REPLACE removes: one trigger costs less than two."""
        lineage, site = self.lineage, self.site
        found, other = self._in_the_way()
        guarded = guard.guarded(lineage, site)
        if guarded or found:
            conditions = [guard.condition(lineage, site, ["NEW"])] if guarded else []
            body = guard.refusals(lineage, site, ["NEW"]) if guarded else []
            if found and not guard.refuses_all(lineage, site):
                conditions += [f"EXISTS (SELECT 1 FROM {one.source} WHERE {one.where})" for one in found]
                body += self._replaced_body("", other)
            purpose = "guard" if guarded else "replace"
            yield self._trigger(purpose, "BEFORE", "INSERT", " OR ".join(conditions), body)
        for event, aliases in (("UPDATE", ["OLD", "NEW"]), ("DELETE", ["OLD"])) if guarded else ():
            when = guard.condition(lineage, site, aliases)
            yield self._trigger("guard", "BEFORE", event, when, guard.refusals(lineage, site, aliases))

    def _trigger(self, purpose: str, time: str, event: str, when: str, body: list[str]) -> Statement:
        name = f"msyncd_{self.lineage.id}_{purpose}_{event.lower()}"
        conditions = [self._not_applying(event)]
        if event == "UPDATE" and purpose in {"fence", "guard", "log"} and self.lineage.record_type.excludes_columns:
            conditions.append(f"({self._travelling_changed()})")
        if when:
            # whether columns differ costs nothing to ask, so it is asked before anything that must be looked up
            conditions.insert(
                0 if event == "UPDATE" and purpose not in {"fence", "guard"} else len(conditions), f"({when})"
            )
        text = "".join(f"\n  {statement};" for statement in body)
        return Statement(
            name,
            f"CREATE TRIGGER {quoted(name)} {time} {event} ON {self.lineage.table} FOR EACH ROW\n"
            f"WHEN {' AND '.join(conditions)}\nBEGIN{text}\nEND",
        )

    def _not_applying(self, event: str) -> str:
        """The applier is not writing this row just now."""
        number = self.lineage.id
        applying = f"EXISTS (SELECT 1 FROM msyncd_applying WHERE type = {number})"
        if not self.application_triggers:
            return f"NOT {applying}"
        aliases = {"INSERT": ["NEW"], "UPDATE": ["NEW", "OLD"], "DELETE": ["OLD"]}[event]
        incoming = [
            f"EXISTS (SELECT 1 FROM msyncd_incoming AS i WHERE i.type = {number} AND "
            + " AND ".join(f"i.key{i} = {alias}.{quoted(k)}" for i, k in enumerate(self.lineage.record_type.key, 1))
            + ")"
            for alias in aliases
        ]
        return f"NOT ({' AND '.join([applying, *incoming])})"

    def _travelling_changed(self) -> str:
        """A column that travels, or that says where the record belongs, holds another value or one of another type."""
        record_type = self.lineage.record_type
        columns = dict.fromkeys([*record_type.columns, *record_type.key, *self.lineage.placing_columns()])
        return " OR ".join(
            f"NEW.{name} COLLATE BINARY IS NOT OLD.{name} OR typeof(NEW.{name}) <> typeof(OLD.{name})"
            for name in map(quoted, columns)
        )

    def _updated(self) -> list[str]:
        """What an update logs: under another key or parent first the old one, then what stands now."""
        key, through = self.lineage.record_type.key, self.lineage.record_type.through
        rekeyed = _differ(key, "NEW", "OLD")
        apart = _differ([*key, through.column], "NEW", "OLD") if through else rekeyed
        first = self._entry(f"CASE WHEN {rekeyed} THEN {DELETE} ELSE {WRITE} END", "OLD", where=apart)
        return [first, self._entry(WRITE, "NEW", before="OLD")]

    def _entry(self, operation: int | str, alias: str, *, before: str = "", where: str = "", source: str = "") -> str:
        """A statement that logs the row of an alias, with what another alias held before where that differs."""
        lineage = self.lineage
        values = _Values(lineage, operation, self.site)
        values.add("store", lineage.store(alias))
        values.add("route", lineage.route(alias))
        if before:
            values.add_changed("store_before", lineage.store_columns(), alias, before, lineage.store(before))
            values.add_changed("route_before", lineage.route_columns(), alias, before, lineage.route(before))
        return values.statement(alias, source, where)

    def _family(self, before: str, where: str) -> list[str]:
        """Statements that log every record through NEW, as its store or routing value was another before (P10)."""
        return list(_descendants(self.lineage, self.site, before, where))

    def _in_the_way(self) -> tuple[list[Lookup], list[Lookup]]:
        """How rows are looked up that REPLACE may remove, and those of them that are not found by the key."""
        lineage = self.lineage
        other = lookups(lineage)
        if guard.refuses_all(lineage, self.site):
            # the guard stops every write but updates of excluded columns alone
            return [], [one for one in other if not set(one.columns) <= set(lineage.record_type.columns)]
        key = [plain(lineage, lineage.record_type.key)] if lineage.placing_columns() else []
        return key + other, other

    def _replaced(self) -> Iterator[Statement]:
        """REPLACE removes rows without a delete trigger: those under NEW's key and unique values are looked up (P5)."""
        found, other = self._in_the_way()
        if found or other:
            columns = [*self.lineage.record_type.key, *(column for one in other for column in one.columns)]
            differ = _differ(list(dict.fromkeys(columns)), "NEW", "OLD")
            yield self._trigger("replace", "BEFORE", "UPDATE", differ, self._replaced_body("OLD", other))

    def _replaced_body(self, old: str, other: list[Lookup]) -> list[str]:
        """Guard and log of the rows that stand in NEW's way; `old` is the row's own alias in an update."""
        lineage, key = self.lineage, self.lineage.record_type.key
        source, guarded = f"{lineage.table} AS r", guard.guarded(lineage, self.site)
        own = f" AND {_differ(key, 'r', old)}" if old else ""
        body: list[str] = []
        same = f"{equal(key, 'r', 'NEW')}{own}"
        if guarded:
            body += guard.refusals(lineage, self.site, ["r"], source, same)
        if placing := lineage.placing_columns():
            moved = f"{same} AND {_differ(placing, 'r', 'NEW')}"
            body.append(self._entry(DELETE, "r", source=source, where=moved))
            body += self._family("r", moved)
        for one in other:
            where = f"{one.where} AND {_differ(key, 'r', 'NEW')}{own}"
            if guarded:
                body += guard.refusals(lineage, self.site, ["r"], one.source, where)
            body.append(self._entry(DELETE, "r", source=one.source, where=where))
        return body


class _Values:
    """The columns and values of one entry; what is always NULL is left out, since each costs time."""

    def __init__(self, lineage: Lineage, operation: int | str, site: int) -> None:
        self._lineage = lineage
        self._columns = ["type", "operation", "origin"]
        self._values = [str(lineage.id), str(operation), str(site)]

    def add(self, column: str, value: str) -> None:
        if value != "NULL":
            self._columns.append(column)
            self._values.append(value)

    def add_changed(self, column: str, decided_by: list[str], now: str, before: str, value: str) -> None:
        """What another alias held, if a column that decides it differs there."""
        if decided_by and value != "NULL":
            self.add(column, f"CASE WHEN {_differ(decided_by, now, before)} THEN {value} END")

    def statement(self, alias: str, source: str, where: str) -> str:
        self.add("parent", self._lineage.parent(alias))
        for number, column in enumerate(self._lineage.record_type.key, 1):
            self.add(f"key{number}", f"{alias}.{quoted(column)}")
        insert = f"INSERT INTO msyncd_change_log ({', '.join(self._columns)})"
        if not source and not where:
            return f"{insert} VALUES ({', '.join(self._values)})"
        select = f"SELECT {', '.join(self._values)}"
        return f"{insert} {select}{f' FROM {source}' if source else ''} WHERE {where}"


def _descendants(header: Lineage, site: int, before: str, where: str) -> Iterator[str]:
    """One statement for each type that is through the header's, however deep."""
    row_before = f"{header.table} AS r, " if before == "r" else ""

    def below(lineages_below: Sequence[Lineage], chain: tuple[Lineage, ...]) -> Iterator[str]:
        for child in lineages_below:
            path = (*chain, child)
            tables, conditions, above = [], [], f"NEW.{quoted(header.record_type.key[0])}"
            for depth, one in enumerate(path, 1):
                tables.append(f"{one.table} AS c{depth}")
                conditions.append(f"{one.parent(f'c{depth}')} = {above}")
                above = f"c{depth}.{quoted(one.record_type.key[0])}"
            alias = f"c{len(path)}"
            values = _Values(child, WRITE, site)
            values.add("store", header.store("NEW"))
            values.add_changed("store_before", header.store_columns(), "NEW", before, header.store(before))
            inherited = child.root.also_sent_to is not None
            values.add("route", header.route("NEW") if inherited else child.route(alias))
            if inherited:
                values.add_changed("route_before", header.route_columns(), "NEW", before, header.route(before))
            yield values.statement(alias, row_before + ", ".join(tables), " AND ".join([where, *conditions]))
            yield from below(child.children, path)

    yield from below(header.children, ())


def _differ(columns: Sequence[str], one: str, other: str) -> str:
    """The rows hold different values in one of these columns, byte for byte; in parentheses."""
    return "(" + " OR ".join(f"{one}.{quoted(c)} COLLATE BINARY IS NOT {other}.{quoted(c)}" for c in columns) + ")"
