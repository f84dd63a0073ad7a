"""`edited_on: active_site`: a store's records come from the one site on which that store is active.

Only the primary asks: what it sends on has been checked, and a satellite believes it.
"""

from collections.abc import Mapping, Sequence

from msyncd import Changes, RecordType, Refuse, Verdict, hookimpl
from msyncd.hookspecs import Context, RowsHere
from msyncd.model import PRIMARY, StoreFact

_Stores = tuple[str | None, str | None]
"""The store of an incoming change, and the store of the record as it stands here."""


@hookimpl
def msyncd_check(
    record_type: RecordType, changes: Changes, rows_here: RowsHere, origin: int, context: Context
) -> Sequence[Verdict | None] | None:
    """Refuse a record whose store, as sent or as it stands here, is not active at the site that sent it.

    Both count: a site may neither take a record from another's store nor put one into it.
    """
    if record_type.edited_on != "active_site" or context.site != PRIMARY or origin == PRIMARY:
        return None
    pairs = list(zip(changes.stores, rows_here.stores, strict=True))
    # A batch names few stores: each pair of them is decided once.
    verdicts = {pair: _verdict(record_type, pair, origin, context.stores) for pair in set(pairs)}
    if not any(verdicts.values()):
        return None
    return [verdicts[pair] for pair in pairs]


def _verdict(record_type: RecordType, stores: _Stores, origin: int, facts: Mapping[str, StoreFact]) -> Refuse | None:
    incoming, here = stores
    if incoming is None and here is None and record_type.through is None:
        column = record_type.store_column or "its store column"
        return Refuse(f"{record_type.name} names no store in {column}, so it can be edited nowhere")
    # A line whose header is not known has no store: it waits for the header, which is for the flow to see.
    for store in (here, incoming):
        if store is not None and (refusal := _not_active(store, origin, facts)):
            return refusal
    return None


def _not_active(store: str, origin: int, facts: Mapping[str, StoreFact]) -> Refuse | None:
    fact = facts.get(store)
    active_site = fact.active_site if fact else None
    if active_site == origin:
        return None
    code = fact.code if fact else store
    if fact is not None and fact.hand_over is not None and fact.hand_over.step == "filling":
        return Refuse(f"store {code} is being handed over to site {fact.hand_over.to_site}")
    if active_site is None:
        return Refuse(f"store {code} is active nowhere, so its records can be edited nowhere")
    return Refuse(f"store {code} is active on site {active_site}, not on {origin}")
