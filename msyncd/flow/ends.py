"""What a satellite that is an end of a hand-over tells the primary of it (P34)."""

from msyncd.databases.interface import Reader
from msyncd.databases.values import Interest
from msyncd.flow.conversation import Handing
from msyncd.flow.handover_waits import kept_aside
from msyncd.flow.here import Here
from msyncd.flow.ledger import owed
from msyncd.model import PRIMARY, Cursor, StoreFact


def told(reader: Reader, here: Here, sent: Cursor) -> tuple[Handing, ...]:
    """What this site tells of each hand-over of which it is an end. `sent`: how far the primary has its log."""
    return tuple(
        Handing(
            fact.store,
            fact.epoch,
            drained=_is_drained(reader, here, fact, sent),
            kept=kept_aside(reader, here, fact.store, None),
        )
        for fact in here.facts.stores.values()
        if fact.hand_over is not None and here.site in fact.hand_over.ends
    )


def _is_drained(reader: Reader, here: Here, fact: StoreFact, sent: Cursor) -> bool:
    """Whether the primary has all that was written here of the store: its guard closed before these facts were heard.

    What the daemon itself logs meanwhile is counted too: records that are retried, or that the primary asked for.
    """
    assert fact.hand_over is not None
    if fact.hand_over.step != "draining" or fact.hand_over.from_site != here.site:
        return False
    of_stores = {name for name, one in here.types.types.items() if one.edited_on == "active_site"}
    if any(one.because == "schema" and one.record_type in of_stores for one in owed.owed(reader)):
        return False  # the record type syncs again, and is about to be sent
    of_store = Interest(PRIMARY, frozenset(), frozenset({fact.store}), frozenset())
    return reader.log_count(sent, of_store, origin=here.site) == 0
