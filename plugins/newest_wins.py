"""Newest wins: of two versions of a record that two sites wrote, the one with the later time stands.

    plugins:
      - module: newest_wins
        settings: {record_types: [patient], column: updated_at}

List it on the primary. It trusts the sites' clocks, which msyncd itself never does: a site whose clock is ahead always
wins. Where a time is missing, cannot be compared, or both are the same, it has no opinion, and both versions are kept.
"""

from collections.abc import Sequence

from pydantic import BaseModel

from msyncd import Conflict, RecordType, hookimpl
from msyncd.hookspecs import Context, Resolution


class Settings(BaseModel):
    """Which record types it decides about, and the column that says when a record was written."""

    record_types: tuple[str, ...]
    column: str = "updated_at"


@hookimpl
def msyncd_resolve(
    record_type: RecordType, conflicts: Sequence[Conflict], context: Context
) -> Sequence[Resolution | None] | None:
    """Compare the times as the database writes them: texts of one form, or numbers."""
    if record_type.name not in context.settings.record_types:
        return None
    at = record_type.columns.index(context.settings.column)
    return [_newer(conflict, at) for conflict in conflicts]


def _newer(conflict: Conflict, at: int) -> Resolution | None:
    here, incoming = conflict.here[at], conflict.incoming[at]
    if isinstance(here, str) and isinstance(incoming, str):
        return None if here == incoming else "incoming" if incoming > here else "here"
    if isinstance(here, int | float) and isinstance(incoming, int | float):
        return None if here == incoming else "incoming" if incoming > here else "here"
    return None
