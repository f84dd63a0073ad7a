"""Logging the records of a family when its header goes elsewhere (P10): loops in the body of a trigger."""

from collections.abc import Iterator
from typing import NamedTuple

from msyncd.databases.lineage import Lineage
from msyncd.databases.mariadb.places import Placed
from msyncd.databases.mariadb.sql import quoted
from msyncd.databases.values import WRITE


class Moved(NamedTuple):
    """Expressions for a header's store and routing value, now and before; "NULL" for what there is not."""

    store: str = "v_store"
    store_before: str = "NULL"
    route: str = "v_route"
    route_before: str = "NULL"


def lines_of(header: Placed, key: str, moved: Moved, first: int = 1) -> list[str]:
    """Loops over every record through the header with this key, however deep. Loops are numbered from `first`."""
    return [line for child in header.lineage.children for line in _lines(header, child, key, moved, first)]


def _lines(header: Placed, lineage: Lineage, parent: str, moved: Moved, depth: int) -> Iterator[str]:
    child = Placed(lineage, header.catalogue, header.site)
    through = lineage.record_type.through
    assert through is not None
    row, alias = f"d{depth}", f"c{depth}"
    keys = [f"key{number}_" for number in range(1, len(lineage.record_type.key) + 1)]
    selected = [f"{text} AS {name}" for text, name in zip(child.keys(alias), keys, strict=True)]
    selected.append(f"{child.parent(alias)} AS parent_")
    inherited = lineage.root.also_sent_to is not None
    route, route_before = (moved.route, moved.route_before) if inherited else ("NULL", "NULL")
    if not inherited and lineage.record_type.also_sent_to is not None:
        selected.append(f"{child.route_of(alias, alias)} AS route_")
        route = f"{row}.route_"
    if lineage.children:
        selected.append(f"{alias}.{quoted(lineage.record_type.key[0])} AS raw_")
    entry = child.log(
        WRITE,
        [f"{row}.{name}" for name in keys],
        f"{row}.parent_",
        store=moved.store,
        store_before=moved.store_before,
        route=route,
        route_before=route_before,
    )
    yield (
        f"FOR {row} IN (SELECT {', '.join(selected)} FROM {lineage.table} AS {alias}"
        f" WHERE {alias}.{quoted(through.column)} = {parent} LOCK IN SHARE MODE) DO"
    )
    yield f"  {entry}"
    for below in lineage.children:
        yield from (f"  {one}" for one in _lines(header, below, f"{row}.raw_", moved, depth + 1))
    yield "END FOR;"
