"""`also_sent_to`: a transfer reaches the other store's active site too."""

from collections.abc import Mapping, Sequence

from msyncd import Changes, RecordType, Route, Value, hookimpl
from msyncd.hookspecs import Context
from msyncd.model import AlsoSentTo


@hookimpl
def msyncd_route(record_type: RecordType, changes: Changes, context: Context) -> Sequence[Route | None] | None:
    """Add the active site of the store that the captured column names; copies of that store are not meant."""
    also = _declared(record_type, context.record_types)
    wanted = set(changes.routes) - {None}
    if also is None or not wanted:
        return None
    routes = _routes(also, wanted, context)
    return [routes.get(value) for value in changes.routes] if routes else None


def _declared(record_type: RecordType, record_types: Mapping[str, RecordType]) -> AlsoSentTo | None:
    """The record type's own, or that of the header through which it belongs to a store: lines go with their header."""
    seen = {record_type.name}
    while record_type.also_sent_to is None and record_type.through is not None:
        parent = record_types.get(record_type.through.parent)
        if parent is None or parent.name in seen:
            return None
        seen.add(parent.name)
        record_type = parent
    return record_type.also_sent_to if record_type.also_sent_to and record_type.also_sent_to.names_store else None


def _routes(also: AlsoSentTo, wanted: set[Value], context: Context) -> dict[Value, Route]:
    """A route for each value that stands for a store which is active somewhere, or on its way from one to another."""
    return {
        value: Route(add_sites=fact.home)
        for fact in context.stores.values()
        if fact.home and (value := fact.name if also.kind == "store_of_name" else fact.store) in wanted
    }
