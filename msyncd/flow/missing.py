"""References whose target is not here: a change waits (P17), is refused (P22), or its reference is cleared (P24)."""

from collections.abc import Collection

from msyncd.databases.interface import Reader
from msyncd.flow.here import Here
from msyncd.flow.ledger import spool
from msyncd.flow.ledger.aside import REFERENCES
from msyncd.flow.ledger.cleared import Cleared
from msyncd.flow.outcome import Outcome, aside_of, take_out
from msyncd.flow.receive import Batchwork, Work
from msyncd.flow.types import Reference
from msyncd.model import PRIMARY, Changes, Row


def check_references(reader: Reader, here: Here, work: Batchwork, outcome: Outcome) -> list[Cleared]:
    """Take out changes that lack what they refer to, until those that are left need nothing that is not here.

    Starting from all of them leaves changes that wait only for each other in: they are applied together.
    """
    cleared: list[Cleared] = []
    again = True
    while again:
        again = False
        for name, one in work.items():
            for reference in here.types.references[name]:
                lacking = _lacking(reader, here, work, one, reference)
                if not lacking:
                    continue
                if reference.clear:
                    cleared += _clear(one, reference, lacking)
                else:
                    _keep(here, one, reference, lacking, outcome)
                    again = True
            take_out(work, outcome.kept)
    return cleared


def _lacking(reader: Reader, here: Here, work: Batchwork, one: Work, reference: Reference) -> dict[int, Row]:
    """Places in the writes whose reference finds nothing, with the value that it looked for."""
    record_type, writes = one.record_type, one.writes
    if not len(writes) or not set(reference.columns) <= set(record_type.columns):
        return {}
    if len(reference.columns) == 1:
        values: list[Row] = [(value,) for value in writes.column(reference.columns[0])]
    else:
        values = list(zip(*(writes.column(column) for column in reference.columns), strict=True))
    wanted = {value for value in set(values) if None not in value}
    arriving, passing_on = _arriving(work, reference, wanted)
    wanted -= arriving
    if not wanted:
        return {}
    wanted -= reader.existing(reference.table, reference.parent_columns, wanted)
    if not wanted:
        return {}
    passing = one.passing if here.is_primary else set()
    relayed = _relayed(reader, reference, wanted) if passing else set()
    through = record_type.through.column if record_type.through else None
    return {
        at: value
        for at, value in enumerate(values)
        if value in wanted
        # what only passes through need not find here what its destinations have; its header at least is known
        and not (writes.keys[at] in passing and (reference.columns != (through,) or value in relayed | passing_on))
    }


def _relayed(reader: Reader, reference: Reference, wanted: Collection[Row]) -> set[Row]:
    return set(spool.relayed(reader, reference.parent_type, wanted)) if reference.parent_type is not None else set()


def _arriving(work: Batchwork, reference: Reference, wanted: Collection[Row]) -> tuple[set[Row], set[Row]]:
    """Which of the targets come in this very batch: to stay here, and to pass through only."""
    parent = work.get(reference.parent_type or "")
    if parent is None or not len(parent.writes):
        return set(), set()
    if reference.parent_columns == parent.record_type.key:
        found = dict(zip(parent.writes.keys, parent.writes.keys, strict=True))
    elif set(reference.parent_columns) <= set(parent.record_type.columns):
        columns = [parent.writes.column(column) for column in reference.parent_columns]
        found = dict(zip(zip(*columns, strict=True), parent.writes.keys, strict=True))
    else:
        return set(), set()
    if not parent.passing:
        return set(found) & set(wanted), set()
    staying = {value for value in wanted if value in found and found[value] not in parent.passing}
    return staying, {value for value in wanted if value in found} - staying


def _keep(here: Here, one: Work, reference: Reference, lacking: dict[int, Row], outcome: Outcome) -> None:
    target = reference.parent_type or reference.table
    central = reference.parent_type is not None and here.types.types[reference.parent_type].edited_on == "primary"
    for at, value in lacking.items():
        what = f"{target} {', '.join(map(str, value))}"
        key = one.writes.keys[at]
        if central and here.is_primary and outcome.origin != PRIMARY:
            # the primary is where such records are made and deleted: nothing will bring this one
            reason = f"refers to {what}, which the primary does not have (deleted, or never made there)"
            outcome.keep("refused", aside_of(here, one, key, outcome.origin, reason, REFERENCES))
        else:
            outcome.keep("waits", aside_of(here, one, key, outcome.origin, what, REFERENCES))


def _clear(one: Work, reference: Reference, lacking: dict[int, Row]) -> list[Cleared]:
    at_column = one.record_type.index(reference.columns[0])
    rows = list(one.writes.rows)
    cleared = []
    for at, value in lacking.items():
        row = rows[at]
        assert row is not None
        rows[at] = (*row[:at_column], None, *row[at_column + 1 :])
        cleared.append(
            Cleared(
                one.record_type.name,
                one.writes.keys[at],
                reference.columns[0],
                reference.table,
                reference.parent_columns[0],
                value[0],
            )
        )
    one.writes = _with_rows(one.writes, rows)
    return cleared


def _with_rows(changes: Changes, rows: list[Row | None]) -> Changes:
    return Changes(
        changes.record_type,
        changes.keys,
        rows,
        operations=changes.operations,
        stores=changes.stores,
        stores_before=changes.stores_before,
        origins=changes.origins,
        routes=changes.routes,
    )
