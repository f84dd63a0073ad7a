"""Records that plugins route by other records (P10): a change of those takes these into the batch, decided anew."""

from msyncd.databases.interface import Reader
from msyncd.databases.values import ONLY_SITE, ROUTE, STORE, WRITE
from msyncd.flow.fold import Folded, Known
from msyncd.flow.here import Here
from msyncd.flow.readable import rows_of
from msyncd.flow.window import Window
from msyncd.model import Changes, RecordType, Row, Site, Value
from msyncd.plugins import Failed


def take_touched(reader: Reader, here: Here, peer: Site, window: Window) -> list[tuple[Changes, Failed]]:
    """Add to a window what plugins name because of its changes; those on which a plugin failed are taken out of it.

    What is named is marked as for this site only: so it leaves also where nobody noted that it was sent.
    """
    failed: list[tuple[Changes, Failed]] = []
    named: dict[str, set[Row]] = {}
    for name, folded in window.folded.items():
        record_type = here.types.types[name]
        keys = [key for key in folded.records if _concerns(here, peer, record_type, folded, key)]
        if not keys:
            continue
        touched = here.plugins.touched(record_type, keys, [_named(folded, key) for key in keys], here.types.types)
        for other, some in touched.keys.items():
            named.setdefault(other, set()).update(key for key in some if len(key) == len(here.types.types[other].key))
        failed += [
            _taken_out(reader, record_type, folded, [keys[at] for at in one.indexes or ()], one)
            for one in touched.failed
        ]
    for name, some in named.items():
        _add(here, peer, window, name, some)
    return failed


def _concerns(here: Here, peer: Site, record_type: RecordType, folded: Folded, key: Row) -> bool:
    """Whether a change goes to the peer by its store, or went there: another store's joins say nothing about it."""
    known = folded.records[key]
    if record_type.sent_to != "sites_of_store" or known[ONLY_SITE] is not None:
        return True
    stores = {known[STORE], *(store for store, _ in folded.before.get(key, ()))} - {None}
    return not stores or any(here.facts.holds(peer.sync_id, str(store)) for store in stores)


def _named(folded: Folded, key: Row) -> frozenset[Value]:
    known = folded.records[key]
    values: set[Value] = {known[ROUTE], *(route for _, route in folded.before.get(key, ()))}
    return frozenset(values - {None})


def _add(here: Here, peer: Site, window: Window, name: str, keys: set[Row]) -> None:
    records = window.folded.setdefault(name, Folded()).records
    for key in keys:
        if key in records:
            entry = list(records[key])
            entry[ONLY_SITE] = peer.sync_id
            records[key] = entry
        else:
            new: Known = (here.types.ids[name], WRITE, here.site, None, None, None, None, peer.sync_id, None, *key)
            records[key] = new


def _taken_out(
    reader: Reader, record_type: RecordType, folded: Folded, keys: list[Row], failed: Failed
) -> tuple[Changes, Failed]:
    rows, _ = rows_of(reader, record_type, keys)
    for key in keys:
        folded.records.pop(key, None)  # another plugin may have failed on it too
    stores = reader.stores_of(record_type, keys)
    changes = Changes(
        record_type,
        keys,
        [rows.get(key) for key in keys],
        stores=[stores[key][0] if key in stores else None for key in keys],
    )
    return changes, Failed(failed.plugin, failed.hook, failed.reason, failed.traceback, tuple(range(len(keys))))
