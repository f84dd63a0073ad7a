"""The functions and triggers that write the change log and refuse what this site may not edit, as SQL text.

Nothing here touches a database. A trigger runs once for a statement and sees all its rows in transition tables; that
costs a third of a call for each row. Where a table is partitioned, a statement may name a partition, whose rows only
triggers for each row see: there the same text runs row by row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msyncd.databases.lineage import CapturedType, Lineage, lineages
from msyncd.databases.postgresql.bodies import Body
from msyncd.databases.postgresql.catalog import TableEntry, spelling_of
from msyncd.databases.postgresql.names import quoted
from msyncd.databases.postgresql.sides import Event, Rows
from msyncd.errors import RecordTypeStopped

EVENTS: Final[tuple[Event, ...]] = ("INSERT", "UPDATE", "DELETE", "TRUNCATE")

_SEEN: Final[Mapping[Event, str]] = {
    "INSERT": "REFERENCING NEW TABLE AS new_rows",
    "UPDATE": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "REFERENCING OLD TABLE AS old_rows",
    "TRUNCATE": "",
}


@dataclass(frozen=True, slots=True)
class Function:
    """A trigger function of ours: its settings, and its body."""

    name: str
    settings: tuple[str, ...]
    body: str

    @property
    def sql(self) -> str:
        """The text that makes it, or makes it anew. It runs with the rights of msyncd's role, not the application's."""
        settings = "".join(f"\n  SET {one}" for one in self.settings)
        return (
            f"CREATE OR REPLACE FUNCTION msyncd.{self.name}() RETURNS trigger\n"
            f"LANGUAGE plpgsql SECURITY DEFINER{settings}\nAS $msyncd${self.body}$msyncd$"
        )


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger on a table of the application; it bears the name of its function."""

    name: str
    event: Event
    by_row: bool

    def sql(self, table: str) -> str:
        """The text that makes it."""
        time = "BEFORE" if self.event == "TRUNCATE" else "AFTER"
        how = "FOR EACH ROW" if self.by_row else f"{_SEEN[self.event]} FOR EACH STATEMENT"
        name = quoted(self.name)
        return f"CREATE TRIGGER {name} {time} {self.event} ON {table} {how} EXECUTE FUNCTION msyncd.{name}()"


@dataclass(frozen=True, slots=True)
class Captured:
    """What captures and guards one record type: the triggers stand on its table, or on that and its partitions."""

    lineage: Lineage
    functions: tuple[Function, ...]
    triggers: tuple[Trigger, ...]


def captures(
    site: int, types: Sequence[CapturedType], catalog: Mapping[str, TableEntry], *, fires: frozenset[str] = frozenset()
) -> list[Captured]:
    """What captures and guards these record types on this site.

    `fires` names those on whose tables the application's own triggers fire while the applier writes. Raises
    RecordTypeStopped where a parent is missing, or its key cannot be compared with the column that holds it.
    """
    spelling = spelling_of(catalog)
    found = []
    for lineage in lineages(types, spelling):
        _comparable(lineage, catalog)
        found.append(_captured(lineage, site, catalog, lineage.record_type.name in fires))
    return found


def _captured(lineage: Lineage, site: int, catalog: Mapping[str, TableEntry], fires: bool) -> Captured:
    partitioned = catalog[lineage.record_type.table.casefold()].kind == "p"
    functions, triggers = [], []
    for event in EVENTS:
        body = Body(lineage, site, catalog, Rows(event, lineage.table, partitioned), fires)
        name = f"msyncd_{lineage.id}_{event.lower()}"
        functions.append(Function(name, body.settings(), body.text()))
        triggers.append(Trigger(name, event, by_row=partitioned and event != "TRUNCATE"))
    return Captured(lineage, tuple(functions), tuple(triggers))


_FAMILIES: Final = (
    frozenset({"int2", "int4", "int8", "numeric", "float4", "float8"}),
    frozenset({"text", "varchar", "bpchar", "name", "citext"}),
    frozenset({"date", "timestamp", "timestamptz"}),
)


def _comparable(lineage: Lineage, catalog: Mapping[str, TableEntry]) -> None:
    """A trigger that compares a number with a text would fail in the application's hands, at every write."""
    below = lineage.record_type
    for ancestor in lineage.ancestors:
        assert below.through is not None
        parent = ancestor.record_type
        one = catalog[below.table.casefold()].column(below.through.column).type.name
        other = catalog[parent.table.casefold()].column(parent.key[0]).type.name
        if one != other and not any({one, other} <= family for family in _FAMILIES):
            what = f"{below.through.column} is {one} and cannot be compared with {parent.name}'s key, {other}"
            raise RecordTypeStopped(
                f"{below.name}: {what}",
                hint="give both columns one type",
            )
        below = parent
