"""`sent_to`: who receives a record type. Every copy goes through the primary, so the primary always receives."""

from collections.abc import Sequence

from msyncd import Changes, RecordType, Route, hookimpl
from msyncd.hookspecs import Context
from msyncd.model import PRIMARY


@hookimpl
def msyncd_route(record_type: RecordType, changes: Changes, context: Context) -> Sequence[Route | None] | None:
    """To every site, to the sites that hold the record's store, or to the primary only."""
    if record_type.sent_to == "every_site":
        return [Route(add_sites=frozenset(context.sites))] * len(changes)
    if record_type.sent_to == "primary_only":
        return [Route(add_sites=frozenset({PRIMARY}))] * len(changes)
    by_store: dict[str | None, Route | None] = {
        store: Route(add_stores=frozenset({store})) for store in set(changes.stores) if store is not None
    }
    return [by_store.get(store) for store in changes.stores]
