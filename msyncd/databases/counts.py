"""How many records of a type come within a site's reach, or leave it: for plans, on any database; not hot.

It works with record types as they would be after an edit, before capture knows of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from msyncd.model import RecordType, Value

if TYPE_CHECKING:
    from dataset import Database


@dataclass(frozen=True, slots=True)
class Reach:
    """Which records of a type go to a site: all of them (whatever the rest says), or those of some stores or routes."""

    everything: bool = False
    stores: frozenset[str] = frozenset()
    routes: frozenset[Value] = frozenset()

    def __bool__(self) -> bool:
        return self.everything or bool(self.stores or self.routes)


NOTHING: Final = Reach()
EVERYTHING: Final = Reach(everything=True)


def count(
    lookups: "Database",
    record_type: RecordType,
    types: Mapping[str, RecordType],
    inside: Reach,
    outside: Reach = NOTHING,
) -> int:
    """How many records are within one reach and not within the other; a line is where its header is."""
    if not inside or outside.everything:
        return 0
    from sqlalchemy import func, not_, select

    source, store, route = _found(record_type, types)
    statement = select(func.count()).select_from(source)
    if not inside.everything:
        statement = statement.where(_within(inside, store, route))
    if outside:
        statement = statement.where(not_(_within(outside, store, route)))
    return int(lookups.executable.execute(statement).scalar_one())


def _found(record_type: RecordType, types: Mapping[str, RecordType]) -> tuple[Any, Any, Any]:
    """The tables from which to count, and where a record's store and routing value stand in them."""
    current, alias = record_type, _table(record_type, "t", record_type.key[0])
    source: Any = alias
    route = None if record_type.also_sent_to is None else alias.c[record_type.also_sent_to.column]
    depth = 0
    while (through := current.through) is not None:
        parent = types[through.parent]
        depth += 1
        above = _table(parent, f"p{depth}", parent.key[0])
        source = source.outerjoin(above, above.c[parent.key[0]] == alias.c[through.column])
        alias, current = above, parent
        if route is None and parent.also_sent_to is not None:
            route = alias.c[parent.also_sent_to.column]
    store = alias.c[current.store_column] if current.store_column else None
    return source, store, route


def _table(record_type: RecordType, name: str, key: str) -> Any:
    from sqlalchemy import column, table

    schema, _, plain = record_type.table.rpartition(".")
    mentioned = {key}
    if record_type.store_column is not None:
        mentioned.add(record_type.store_column)
    if record_type.through is not None:
        mentioned.add(record_type.through.column)
    if record_type.also_sent_to is not None:
        mentioned.add(record_type.also_sent_to.column)
    columns: list[Any] = [column(one) for one in sorted(mentioned)]
    return table(plain, *columns, schema=schema or None).alias(name)


def _within(reach: Reach, store: Any, route: Any) -> Any:
    from sqlalchemy import String, and_, cast, false, or_

    found = []
    if store is not None and reach.stores:
        found.append(and_(store.is_not(None), cast(store, String(255)).in_(sorted(reach.stores))))
    if route is not None and reach.routes:
        found.append(and_(route.is_not(None), cast(route, String(255)).in_(sorted(map(str, reach.routes)))))
    return or_(false(), *found)
