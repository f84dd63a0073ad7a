"""Relay (P30): what arrives at the primary of stores of which it keeps no copy goes into the spool, not into its tables."""

from msyncd.databases.interface import Writer
from msyncd.flow.here import Here
from msyncd.flow.ledger import spool
from msyncd.flow.ledger.spool import Relayed
from msyncd.flow.outcome import take_out
from msyncd.flow.receive import Batchwork, Work
from msyncd.model import Changes


def split_relayed(here: Here, work: Batchwork) -> Batchwork:
    """Take what only passes through out of the work, and return it."""
    relayed: Batchwork = {}
    for name, one in work.items():
        if one.record_type.sent_to != "sites_of_store" or one.record_type.store is None:
            continue
        writes = [at for at, store in enumerate(one.writes.stores) if not here.holds(store)]
        deletes = [at for at, store in enumerate(one.deletes.stores) if not here.holds(store)]
        if writes or deletes:
            passing = Work(one.record_type, one.writes.select(writes), one.deletes.select(deletes))
            passing.stands = one.stands
            relayed[name] = passing
    for name, passing in relayed.items():
        before = passing.writes.stores_before
        moved_away = [
            key
            for key, store in zip(passing.writes.keys, before, strict=True)
            if store is not None and here.holds(store)
        ]
        take_out(work, [(name, key) for key in passing.keys()])
        work[name].leaves += moved_away  # it was held here until now
    return relayed


def keep_relayed(writer: Writer, relayed: Batchwork) -> None:
    """Spool what passes through; called after it was logged, so that the spool knows how long to keep it."""
    upto = writer.log_end()
    for one in relayed.values():
        spool.keep(writer, one.record_type, zip(_places(one.writes), one.writes.rows, strict=True), upto)
        spool.keep(writer, one.record_type, ((place, None) for place in _places(one.deletes)), upto)


def _places(changes: Changes) -> list[Relayed]:
    through = changes.record_type.through
    parents = changes.column(through.column) if through is not None else [None] * len(changes)
    return [
        Relayed(key, parent, store, route)
        for key, parent, store, route in zip(changes.keys, parents, changes.stores, changes.routes, strict=True)
    ]
