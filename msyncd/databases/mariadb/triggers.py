"""The triggers that write the change log and refuse what this site may not edit, as SQL text.

Nothing here touches a database. The texts are deterministic and stand in information_schema as they are written, so
that what stands there can be compared with what should.

Rows are logged after they were written (inserts, updates) or when they are about to go and are locked (deletes): a
transaction that asks for a number of the log has locked something before, which is what holes.py relies on. MariaDB's
REPLACE deletes by triggers where there are any, and ON DUPLICATE KEY UPDATE fires what it does in the end. A session
variable that only the applier's connection has silences the triggers for the record type that it writes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from msyncd.databases.lineage import CapturedType, lineages
from msyncd.databases.mariadb import guard
from msyncd.databases.mariadb.cascades import Cascades
from msyncd.databases.mariadb.describe import Catalogue
from msyncd.databases.mariadb.families import Moved, lines_of
from msyncd.databases.mariadb.places import Placed, block, unless_applying
from msyncd.databases.mariadb.sql import SPELLING, quoted
from msyncd.databases.values import DELETE, WRITE

Event = Literal["INSERT", "UPDATE", "DELETE"]


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger: its name and table, when it fires, and its body."""

    name: str
    table: str
    when: str
    event: Event
    body: str

    @property
    def sql(self) -> str:
        """The statement that makes it, or puts it in the place of one of its name, which is never gone meanwhile."""
        return (
            f"CREATE OR REPLACE TRIGGER {quoted(self.name)} {self.when} {self.event} ON {quoted(self.table)}"
            f" FOR EACH ROW {self.body}"
        )


def capture_triggers(site: int, types: Sequence[CapturedType], catalogue: Catalogue) -> list[Trigger]:
    """Every trigger that captures and guards these record types on this site.

    Raises RecordTypeStopped where a parent cannot be found.
    """
    placed = [Placed(lineage, catalogue, site) for lineage in lineages(types, SPELLING)]
    triggers = [one for each in placed for one in _of_type(each)]
    cascades = Cascades(placed, catalogue)
    for table in catalogue.tables.values():
        for rule, event in (("delete", "DELETE"), ("update", "UPDATE")):
            body = cascades.body(table, rule)  # type: ignore[arg-type]  # the two rules that there are
            if body:
                name = f"msyncd_{cascades.number(table)}_cascade_{rule}"
                triggers.append(Trigger(name, table.name, "BEFORE", event, block(body)))  # type: ignore[arg-type]
    return triggers


def _of_type(placed: Placed) -> Iterator[Trigger]:
    for when, event, statements in (
        ("AFTER", "INSERT", _inserted(placed)),
        ("AFTER", "UPDATE", _updated(placed)),
        ("BEFORE", "DELETE", _deleted(placed)),
    ):
        also = _travelling_changed(placed) if event == "UPDATE" else ""
        yield Trigger(
            f"msyncd_{placed.lineage.id}_{when.lower()}_{event.lower()}",
            placed.record_type.table,
            when,
            event,  # type: ignore[arg-type]  # an Event
            block(unless_applying(placed.lineage.id, statements, also)),
        )


def _inserted(placed: Placed) -> list[str]:
    if guard.refuses_all(placed):
        return guard.refusal(placed)
    entry = placed.log(
        WRITE, placed.keys("NEW"), placed.parent("NEW"), store="v_store", route=_route(placed, "v_route")
    )
    return [*placed.place("NEW"), *guard.refusal(placed), entry]


def _deleted(placed: Placed) -> list[str]:
    if guard.refuses_all(placed):
        return guard.refusal(placed)
    entry = placed.log(
        DELETE, placed.keys("OLD"), placed.parent("OLD"), store="v_store", route=_route(placed, "v_route")
    )
    return [*placed.place("OLD"), *guard.refusal(placed), entry]


def _updated(placed: Placed) -> list[str]:
    """Guard and log of an update: under another key or parent first what was, then what stands now."""
    if guard.refuses_all(placed):
        return guard.refusal(placed)
    lineage = placed.lineage
    placing, stores, routes = lineage.placing_columns(), lineage.store_columns(), lineage.route_columns()
    statements = [*placed.place("NEW"), *guard.refusal(placed)]
    if placing:
        moved = [*placed.place("OLD", "_old")]
        if (refusal := guard.refusal(placed, "_old")) and stores:
            moved += [f"IF {placed.differ(stores)} THEN", *(f"  {one}" for one in refusal), "END IF;"]
        same = "SET v_found_old = v_found, v_store_old = v_store, v_route_old = v_route;"
        statements += [
            f"IF {placed.differ(placing)} THEN", *(f"  {one}" for one in moved), "ELSE", f"  {same}", "END IF;"
        ]  # fmt: skip
    key, through = placed.record_type.key, placed.record_type.through
    rekeyed = placed.differ(key)
    apart = placed.differ([*key, through.column]) if through else rekeyed
    old = placed.log(
        f"IF({rekeyed}, {DELETE}, {WRITE})",
        placed.keys("OLD"),
        placed.parent("OLD"),
        store="v_store_old" if placing else "NULL",
        route=_route(placed, "v_route_old" if placing else "NULL"),
    )
    before = {
        "store_before": f"IF({placed.differ(stores)}, v_store_old, NULL)" if stores else "NULL",
        "route_before": f"IF({placed.differ(routes)}, v_route_old, NULL)" if routes else "NULL",
    }
    new = placed.log(
        WRITE, placed.keys("NEW"), placed.parent("NEW"), store="v_store", route=_route(placed, "v_route"), **before
    )
    return [*statements, f"IF {apart} THEN", f"  {old}", "END IF;", new, *_family(placed)]


def _route(placed: Placed, value: str) -> str:
    """A variable with the routing value, or NULL where there never is one."""
    has_one = placed.lineage.root.also_sent_to is not None or placed.record_type.also_sent_to is not None
    return value if has_one else "NULL"


def _travelling_changed(placed: Placed) -> str:
    """Where columns are left out: a column that travels, or says where the record belongs, holds another value."""
    record_type = placed.record_type
    if not record_type.excludes_columns:
        return ""
    return placed.differ(
        list(dict.fromkeys([*record_type.columns, *record_type.key, *placed.lineage.placing_columns()]))
    )


def _family(placed: Placed) -> list[str]:
    """Log every record through NEW, as its store, its routing value or its parent's key was another before (P10)."""
    if not placed.lineage.children:
        return []
    stores, routes = placed.lineage.store_columns(), placed.lineage.route_columns()
    moved = Moved(
        store_before=f"IF({placed.differ(stores)}, v_store_old, NULL)" if stores else "NULL",
        route_before=f"IF({placed.differ(routes)}, v_route_old, NULL)" if routes else "NULL",
    )
    changed = [*placed.record_type.key, *placed.lineage.placing_columns()]
    loops = lines_of(placed, f"NEW.{quoted(placed.record_type.key[0])}", moved)
    return [f"IF {placed.differ(changed)} THEN", *(f"  {one}" for one in loops), "END IF;"]
