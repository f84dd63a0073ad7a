"""Relay (P30): what arrives at the primary of stores of which it keeps no copy goes into the spool, not its tables."""

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.here import Here
from msyncd.flow.ledger import spool
from msyncd.flow.ledger.spool import Relayed
from msyncd.flow.outcome import take_out
from msyncd.flow.receive import Batchwork, Work
from msyncd.flow.route import audiences
from msyncd.model import Changes


def find_passing(reader: Reader, here: Here, work: Batchwork) -> None:
    """Note in the work what only passes through. A transfer to a store that is active here does not."""
    stores = {store for one in work.values() for changes in (one.writes, one.deletes) for store in changes.stores}
    elsewhere = {store for store in stores if not here.holds(store)}
    if not elsewhere:
        return
    for one in work.values():
        if one.record_type.sent_to != "sites_of_store" or one.record_type.store is None:
            continue
        writes = one.writes.select(at for at, store in enumerate(one.writes.stores) if store in elsewhere)
        sets, _ = audiences(reader, here, writes)
        one.passing = {key for key, sites in zip(writes.keys, sets, strict=True) if here.site not in sites}
        gone = {key for key, store in zip(one.deletes.keys, one.deletes.stores, strict=True) if store in elsewhere}
        one.passing |= gone - reader.existing(one.record_type.table, one.record_type.key, gone) if gone else set()


def split_relayed(reader: Reader, work: Batchwork) -> Batchwork:
    """Take what only passes through out of the work, and return it. What was held here until now leaves."""
    relayed: Batchwork = {}
    for name, one in work.items():
        if not one.passing:
            continue
        passing = Work(
            one.record_type,
            one.writes.select(at for at, key in enumerate(one.writes.keys) if key in one.passing),
            one.deletes.select(at for at, key in enumerate(one.deletes.keys) if key in one.passing),
        )
        passing.stands, passing.above = one.stands, one.above
        if len(passing):
            relayed[name] = passing
    for name, passing in relayed.items():
        record_type = passing.record_type
        take_out(work, [(name, key) for key in passing.all_keys()])
        work[name].leaves += reader.existing(record_type.table, record_type.key, set(passing.writes.keys))
    return relayed


def keep_relayed(writer: Writer, relayed: Batchwork) -> None:
    """Spool what passes through; called after it was logged, so that the spool knows how long to keep it."""
    upto = writer.log_written()
    for one in relayed.values():
        spool.keep(writer, one.record_type, zip(_places(one.writes), one.writes.rows, strict=True), upto)
        spool.keep(writer, one.record_type, ((place, None) for place in _places(one.deletes)), upto)


def forget_relayed(writer: Writer, work: Batchwork) -> None:
    """What is written or deleted in the tables here is in no spool any more: the tables say how it stands."""
    if spool.relays_any(writer):
        for name, one in work.items():
            if one.record_type.sent_to == "sites_of_store":
                spool.forget(writer, name, [*one.writes.keys, *one.deletes.keys])


def _places(changes: Changes) -> list[Relayed]:
    through = changes.record_type.through
    parents = changes.column(through.column) if through is not None else [None] * len(changes)
    return [
        Relayed(key, parent, store, route)
        for key, parent, store, route in zip(changes.keys, parents, changes.stores, changes.routes, strict=True)
    ]
