"""`edited_on: primary`: central records come from the primary only."""

from collections.abc import Sequence

from msyncd import Changes, RecordType, Refuse, Verdict, hookimpl
from msyncd.model import PRIMARY


@hookimpl
def msyncd_check(record_type: RecordType, changes: Changes, origin: int) -> Sequence[Verdict | None] | None:
    """Refuse central records that a satellite sends, whatever its guard said."""
    if record_type.edited_on != "primary" or origin == PRIMARY:
        return None
    return [Refuse(f"{record_type.name} is edited on the primary (sync ID {PRIMARY}) only")] * len(changes)
