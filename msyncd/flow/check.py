"""Check: the rules and plugins are asked about every change before it is applied."""

from collections.abc import Sequence
from typing import overload

from msyncd.databases.interface import Reader
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside
from msyncd.flow.outcome import Fate, Outcome, aside_of, take_out
from msyncd.flow.receive import Batchwork, Work
from msyncd.flow.stores import find_stores
from msyncd.model import Changes, RecordType, Refuse, Replace, Row, Value, Wait

Replaced = dict[aside.Record, tuple[str, Row | None, str | None]]
"""Records whose rows plugins replaced: by which plugin, and row and store as they were sent."""


class RowsHere(Sequence[Row | None]):
    """The records as they stand here, parallel to the changes; read when first touched."""

    def __init__(self, reader: Reader, changes: Changes, stands: dict[Row, tuple[str | None, object]] | None) -> None:
        self._reader = reader
        self._changes = changes
        self._stands = stands
        self._rows: dict[Row, Row] | None = None

    def __len__(self) -> int:
        return len(self._changes)

    @overload
    def __getitem__(self, index: int) -> Row | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row | None]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row | None] | None:
        if isinstance(index, slice):
            return [self._read().get(key) for key in self._changes.keys[index]]
        return self._read().get(self._changes.keys[index])

    def _read(self) -> dict[Row, Row]:
        if self._rows is None:
            self._rows = self._reader.rows(self._changes.record_type, self._changes.keys)
        return self._rows

    @property
    def stores(self) -> list[str | None]:
        """The store of each record as it stands here; None if there is none."""
        if self._stands is None:
            self._stands = dict(self._reader.stores_of(self._changes.record_type, self._changes.keys))
        stands = self._stands
        return [stands[key][0] if key in stands else None for key in self._changes.keys]

    def column(self, name: str) -> list[Value]:
        """The values of one column; None where no row stands."""
        record_type: RecordType = self._changes.record_type
        at = record_type.index(name)
        rows = self._read()
        return [rows[key][at] if key in rows else None for key in self._changes.keys]


def check(reader: Reader, here: Here, work: Batchwork, outcome: Outcome) -> None:
    """Ask rules and plugins; take out what is refused or waits, replace what is to be replaced."""
    replaced: Replaced = {}
    for one in work.values():
        for name in ("writes", "deletes"):
            changes: Changes = getattr(one, name)
            if len(changes):
                setattr(one, name, _asked(reader, here, one, changes, outcome, replaced))
    take_out(work, outcome.kept)
    if replaced:
        _check_replaced(reader, here, work, outcome, replaced)
        take_out(work, outcome.kept)


def _check_replaced(reader: Reader, here: Here, work: Batchwork, outcome: Outcome, replaced: Replaced) -> None:
    """A row that a plugin gave belongs where it says itself; into a store that its site may not edit it does not go."""
    find_stores(reader, here, work)
    for name, one in work.items():
        moved = [
            at
            for at, (key, store) in enumerate(zip(one.writes.keys, one.writes.stores, strict=True))
            if (name, key) in replaced and replaced[name, key][2] != store
        ]
        if moved:
            _check_moved(reader, here, one, one.writes.select(moved), outcome, replaced)


def _check_moved(reader: Reader, here: Here, one: Work, moved: Changes, outcome: Outcome, replaced: Replaced) -> None:
    stands = one.stands if here.is_primary else None
    again = here.plugins.check(one.record_type, moved, RowsHere(reader, moved, stands), outcome.origin)
    for at, decision in again.decisions.items():
        if isinstance(decision.verdict, Refuse) and not decision.may_edit:
            key = moved.keys[at]
            plugin, row, store = replaced[one.record_type.name, key]
            reason = f"replaced by a row that site {outcome.origin} may not send: {decision.verdict.reason}"
            # what the site itself wrote it may write: that is kept, and the plugin is at fault
            outcome.keep("refused", aside_of(here, one, key, outcome.origin, reason, plugin, row=row, store=store))


def _asked(reader: Reader, here: Here, one: Work, changes: Changes, outcome: Outcome, replaced: Replaced) -> Changes:
    # on a satellite stores were not looked up beforehand: RowsHere does, if a plugin asks
    stands = one.stands if here.is_primary else None
    checked = here.plugins.check(one.record_type, changes, RowsHere(reader, changes, stands), outcome.origin)
    if checked.all_allowed:
        return changes
    rows = list(changes.rows)
    for at, decision in checked.decisions.items():
        verdict, key = decision.verdict, changes.keys[at]
        if isinstance(verdict, Refuse):
            kept = aside_of(here, one, key, outcome.origin, verdict.reason, decision.plugin)
            outcome.keep("refused", kept, may_edit=decision.may_edit)
        elif isinstance(verdict, Wait):
            outcome.keep("waits", aside_of(here, one, key, outcome.origin, verdict.reason, decision.plugin))
        elif isinstance(verdict, Replace):
            rows[at] = verdict.row
            replaced[one.record_type.name, key] = decision.plugin, changes.rows[at], changes.stores[at]
    for failed in checked.failed:
        for at in failed.indexes if failed.indexes is not None else range(len(changes)):
            kept = aside_of(
                here, one, changes.keys[at], outcome.origin, failed.reason, failed.plugin, detail=failed.traceback
            )
            outcome.keep("refused", kept)
    return Changes(
        changes.record_type,
        changes.keys,
        rows,
        operations=changes.operations,
        stores=changes.stores,
        stores_before=changes.stores_before,
        origins=[
            # a replaced row is not what its site sent: the site is sent it in turn (P12)
            here.site if row is not before else origin
            for row, before, origin in zip(rows, changes.rows, changes.origins, strict=True)
        ],
        routes=changes.routes,
    )


def keep_families(reader: Reader, here: Here, work: Batchwork, outcome: Outcome) -> None:
    """A header that is kept aside keeps its lines with it (P20): those of this batch, and those of later ones."""
    kept: dict[aside.Record, aside.Record] = {record: record for record in outcome.kept}
    kept |= {record: record for record in aside.kept_headers(reader, outcome.origin) if not _arrives(work, record)}
    if not kept:
        return
    for name, one in work.items():
        through = one.record_type.through
        if through is None or not len(one):
            continue
        at = one.record_type.index(through.column)
        standing = reader.rows(one.record_type, one.deletes.keys) if len(one.deletes) else {}
        for key, row in [
            *zip(one.writes.keys, one.writes.rows, strict=True),
            *((key, standing.get(key)) for key in one.deletes.keys),
        ]:
            header = (through.parent, (row[at],)) if row is not None else None
            if header in kept:
                _keep_with(here, one, key, header, outcome)
                kept[(name, key)] = header
    take_out(work, outcome.kept)


def _keep_with(here: Here, one: Work, key: Row, header: aside.Record | None, outcome: Outcome) -> None:
    assert header is not None
    known = outcome.kept.get(header)
    fate: Fate = known[0] if known else "refused"
    first = known[1] if known else None
    may_edit = known[2] if known else True
    reason = f"goes with {header[0]} {_shown(header[1])}"
    if first is not None:
        reason = f"{reason}: {first.reason}"
    plugin = first.plugin if first is not None else "family"
    kept = aside_of(here, one, key, outcome.origin, reason, plugin, header=header)
    outcome.keep(fate, kept, may_edit=may_edit)


def _arrives(work: Batchwork, record: aside.Record) -> bool:
    one = work.get(record[0])
    return one is not None and (record[1] in set(one.writes.keys) or record[1] in set(one.deletes.keys))


def _shown(key: Row) -> str:
    return ", ".join(map(str, key))
