"""A delete never cascades into records that its author may not edit (P22): what stands in its way is found first."""

from msyncd.databases.interface import Reader
from msyncd.flow.here import Here
from msyncd.flow.outcome import Outcome, aside_of, take_out
from msyncd.flow.receive import Batchwork, Work
from msyncd.flow.types import Reference
from msyncd.model import PRIMARY, RecordType, Row

SHOWN = 3
"""How many of the records in the way are named in the reason."""


def keep_referred(reader: Reader, here: Here, work: Batchwork, outcome: Outcome) -> None:
    """Take out deletes (and leaves) of records to which others here still refer, whose owner is somebody else."""
    for name, one in work.items():
        gone = [*one.deletes.keys, *one.leaves]
        if not gone:
            continue
        for child_name, references in here.types.references.items():
            for reference in references:
                if reference.parent_type == name and reference.parent_columns == one.record_type.key:
                    child = here.types.types[child_name]
                    _keep(
                        here, one, child_name, _in_the_way(reader, here, work, gone, child, reference, outcome), outcome
                    )
        take_out(work, outcome.kept)


def _in_the_way(
    reader: Reader,
    here: Here,
    work: Batchwork,
    gone: list[Row],
    child: RecordType,
    reference: Reference,
    outcome: Outcome,
) -> dict[Row, list[Row]]:
    """By the key that is to go: the keys of records here that refer to it and that its author may not edit."""
    held = reader.holders(child.table, reference.columns, gone, child.key)
    arriving = work.get(child.name)
    if arriving is not None and held:
        touched = set(arriving.all_keys())
        held = [pair for pair in held if pair[1] not in touched]
    if not held or child.edited_on == "any_site" or reference.clear:
        return {}
    if child.edited_on == "active_site":
        stores = reader.stores_of(child, [key for _, key in held])
        held = [
            (value, key)
            for value, key in held
            if here.facts.active_site(stores.get(key, (None, None))[0]) != outcome.origin
            and not _only_a_copy_of_it(here, stores.get(key, (None, None))[0], outcome.origin)
        ]
    elif outcome.origin == PRIMARY:
        return {}
    found: dict[Row, list[Row]] = {}
    for value, key in held:
        found.setdefault(value, []).append(key)
    return found


def _only_a_copy_of_it(here: Here, store: str | None, origin: int) -> bool:
    """Whether the record is here only as a copy of a store that the primary relays: its own site decides about it."""
    return origin == PRIMARY and not here.is_primary and here.facts.active_site(store) != here.site


def _keep(here: Here, one: Work, child: str, found: dict[Row, list[Row]], outcome: Outcome) -> None:
    for value, keys in found.items():
        some = ", ".join("/".join(map(str, key)) for key in keys[:SHOWN])
        more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
        reason = f"{len(keys)} {child} here still refer to it: {some}{more}"
        outcome.keep("refused", aside_of(here, one, value, outcome.origin, reason, "references"))
