"""A delete never cascades into records that its author may not edit (P22): what stands in its way is found first."""

from msyncd.databases.interface import Reader
from msyncd.flow.here import Here
from msyncd.flow.ledger.aside import REFERENCES
from msyncd.flow.outcome import Outcome, aside_of, take_out
from msyncd.flow.receive import Batchwork, Work
from msyncd.flow.types import Reference
from msyncd.model import PRIMARY, RecordType, Row

SHOWN = 3
"""How many of the records in the way are named in the reason."""


def keep_referred(reader: Reader, here: Here, work: Batchwork, outcome: Outcome) -> None:
    """Take out deletes (and leaves) of records to which others here still refer.

    Those whose owner is somebody else stand in the way for good; what the author's own later changes will take away is
    waited for, where the database would not let the record go before (P16).
    """
    kept = -1
    while kept != len(outcome.kept):  # what stays may stand in the way of others
        kept = len(outcome.kept)
        for name, one in work.items():
            for child_name, references in here.types.references.items():
                for reference in references:
                    if reference.parent_type == name and reference.parent_columns == one.record_type.key:
                        _keep_those_of(reader, here, work, one, here.types.types[child_name], reference, outcome)


def _keep_those_of(
    reader: Reader, here: Here, work: Batchwork, one: Work, child: RecordType, reference: Reference, outcome: Outcome
) -> None:
    """Take out what is to go and is referred to by records of one type, by one reference."""
    gone = [*one.deletes.keys, *one.leaves]
    held = _held(reader, work, gone, child, reference) if gone else []
    if not held:
        return
    others = _of_others(reader, here, held, child, outcome)
    _keep(here, one, child.name, others, outcome)
    if _restricts(here, child, reference):
        _wait(here, one, child.name, [pair for pair in held if pair not in others], outcome)
    take_out(work, outcome.kept)


Held = list[tuple[Row, Row]]
"""The key that is to go, and the key of a record here that refers to it."""


def _held(reader: Reader, work: Batchwork, gone: list[Row], child: RecordType, reference: Reference) -> Held:
    """What refers to records that are to go, and neither changes nor goes with them."""
    if reference.clear:
        return []
    held = reader.holders(child.table, reference.columns, gone, child.key)
    arriving = work.get(child.name)
    touched = set(arriving.all_keys()) if arriving is not None and held else set()
    if reference.table == child.table:
        touched |= set(gone) if reference.parent_columns == child.key else set()
    return [pair for pair in held if pair[1] not in touched]


def _of_others(reader: Reader, here: Here, held: Held, child: RecordType, outcome: Outcome) -> Held:
    """Those records that the author of the delete may not edit."""
    if not held or child.edited_on == "any_site":
        return []
    if child.edited_on == "active_site":
        stores = reader.stores_of(child, [key for _, key in held])
        return [
            (value, key)
            for value, key in held
            if here.facts.active_site(stores.get(key, (None, None))[0]) != outcome.origin
            and not _only_a_copy_of_it(here, stores.get(key, (None, None))[0], outcome.origin)
        ]
    return held if outcome.origin != PRIMARY else []


def _restricts(here: Here, child: RecordType, reference: Reference) -> bool:
    """Whether the database itself refuses such a delete."""
    declared = here.types.table_of(child.name).foreign_keys
    return reference.on_delete in {"NO ACTION", "RESTRICT"} and any(
        one.columns == reference.columns for one in declared
    )


def _only_a_copy_of_it(here: Here, store: str | None, origin: int) -> bool:
    """Whether the record is here only as a copy of a store that the primary relays: its own site decides about it."""
    return origin == PRIMARY and not here.is_primary and here.facts.active_site(store) != here.site


def _keep(here: Here, one: Work, child: str, held: Held, outcome: Outcome) -> None:
    for value, keys in _by_target(held).items():
        some = ", ".join("/".join(map(str, key)) for key in keys[:SHOWN])
        more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
        reason = f"{len(keys)} {child} here still refer to it: {some}{more}"
        outcome.keep("refused", aside_of(here, one, value, outcome.origin, reason, REFERENCES))


def _wait(here: Here, one: Work, child: str, held: Held, outcome: Outcome) -> None:
    for value, keys in _by_target(held).items():
        reason = f"the end of {child} {'/'.join(map(str, keys[0]))}, which refers to it"
        outcome.keep("waits", aside_of(here, one, value, outcome.origin, reason, REFERENCES))


def _by_target(held: Held) -> dict[Row, list[Row]]:
    found: dict[Row, list[Row]] = {}
    for value, key in held:
        found.setdefault(value, []).append(key)
    return found
