"""A satellite hears refusals: what it wrote is kept in its own quarantine, whole, before anything is put back (P20)."""

from collections.abc import Sequence

from msyncd.databases.interface import Writer
from msyncd.flow.conversation import SpokenRefusal
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside, sites
from msyncd.flow.ledger.aside import Aside
from msyncd.model import PRIMARY


def hear(writer: Writer, here: Here, refusals: Sequence[SpokenRefusal]) -> int:
    """Note refusals that were not heard before; returns how many. They are confirmed with the next message."""
    heard = sites.known(writer, PRIMARY).heard
    fresh = [one for one in refusals if one.number > heard]
    if not fresh:
        return 0
    for one in fresh:
        record_type = here.types.types.get(one.type)
        if record_type is None:
            continue
        key = tuple(one.key)
        row = writer.rows(record_type, [key]).get(key)
        store = writer.stores_of(record_type, [key]).get(key, (None, None))[0]
        aside.quarantine(
            writer,
            [
                Aside(
                    one.type,
                    key,
                    here.site,
                    "write" if row is not None else "delete",
                    store,
                    record_type.columns,
                    row,
                    one.reason,
                    one.plugin,
                    here.now(),
                    detail="refused by the primary" if one.may_edit else "refused by the primary, put back",
                )
            ],
        )
    sites.note(writer, PRIMARY, heard=max(one.number for one in fresh))
    return len(fresh)
