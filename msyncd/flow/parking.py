"""Unique values in the way (P16): their holders are parked under temporary values, and none of these is left behind."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from msyncd.databases.interface import Reader, RowRejected, Writer
from msyncd.flow.check import keep_families
from msyncd.flow.here import Here
from msyncd.flow.ledger.aside import DATABASE, Record
from msyncd.flow.outcome import Outcome, aside_of, take_out
from msyncd.flow.receive import Batchwork, Work
from msyncd.model import RecordType, Row, UniqueIndex

ROUNDS: Final = 8
"""Times that a batch is applied anew without what lacks a value; after these nothing in it takes another's value."""


class NeedsMoreError(Exception):
    """The batch must take in the records that hold unique values which it gives to others."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(f"{len(records)} records hold unique values in the way")
        self.records = records


@dataclass(frozen=True, slots=True)
class Taken:
    """Unique values that one record holds here, and that the batch gives to another of its type."""

    columns: tuple[str, ...]
    holder: Row
    taker: Row


@dataclass(slots=True)
class Parked:
    """What an attempt to apply a batch has parked: for each holder, who takes which of its values."""

    takers: dict[Record, list[Taken]] = field(default_factory=dict)

    def park(self, writer: Writer, here: Here, one: Work, asked: Collection[Record]) -> None:
        """Give holders that come in this batch themselves temporary values. Raises NeedsMoreError for others."""
        name, coming = one.record_type.name, set(one.all_keys())
        taken = list(_taken(writer, here, one))
        needed = [(name, key) for key in dict.fromkeys(it.holder for it in taken) if (name, key) not in asked]
        if needed:
            raise NeedsMoreError(needed)
        together: dict[tuple[tuple[str, ...], Row], list[Taken]] = {}
        for it in taken:
            if it.holder in coming:
                together.setdefault((it.columns, it.holder), []).append(it)
        refer = {column for key in here.types.table_of(name).foreign_keys for column in key.columns}
        for (columns, holder), takers in together.items():
            own = [column for column in columns if column not in one.record_type.key]  # its key must stay
            own = [column for column in own if column not in refer] or own  # what refers to nothing is not taken
            if not own:
                continue
            # where the table takes no temporary value, the database says of the taker what stands in its way
            with suppress(RowRejected), writer.savepoint():
                writer.park(one.record_type, own, holder)
                self.takers.setdefault((name, holder), []).extend(takers)

    def check(self, work: Batchwork) -> None:
        """Raise StillParkedError if a parked record's own change was taken out of the work."""
        if not set(self.takers) <= _records(work):
            raise StillParkedError(self)


class StillParkedError(Exception):
    """Records hold temporary values, and their own changes are kept aside: what the attempt did must be undone."""

    def __init__(self, parked: Parked) -> None:
        super().__init__(f"{len(parked.takers)} records were parked")
        self.parked = parked


def keep_takers(
    reader: Reader, here: Here, work: Batchwork, outcome: Outcome, parked: Parked, *, every: bool = False
) -> None:
    """Keep aside what takes a value whose holder keeps it, since its own change is kept aside; and so on from there.

    The attempt that parked them is undone. `every` keeps aside whatever takes a value of another.
    """
    causes: dict[Record, str] = {}
    while True:
        coming = set[Record]() if every else _records(work)
        standing = [one for one in parked.takers if one not in causes and one not in coming]
        if not standing:
            return
        for holder in standing:
            _keep_from(here, work, outcome, parked, holder, causes)
        take_out(work, outcome.kept)
        keep_families(reader, here, work, outcome)  # their lines may hold values too


def _keep_from(
    here: Here, work: Batchwork, outcome: Outcome, parked: Parked, first: Record, causes: dict[Record, str]
) -> None:
    """Keep aside who takes the values of one holder, who takes theirs, and so on, for the reason of the first."""
    kept = outcome.kept.get(first)
    cause = kept[1].reason if kept is not None else "too many records of one batch pass unique values on"
    ahead = [first]
    while ahead:
        holder = ahead.pop()
        if holder in causes:
            continue
        causes[holder] = cause
        for taken in parked.takers.get(holder, ()):
            _keep_taker(here, work, outcome, holder, taken, cause)
            ahead.append((holder[0], taken.taker))


def _keep_taker(here: Here, work: Batchwork, outcome: Outcome, holder: Record, taken: Taken, cause: str) -> None:
    name, key = holder
    if name in work and (name, taken.taker) not in outcome.kept:
        reason = (
            f"its {', '.join(taken.columns)} is held by {name} {', '.join(map(str, key))},"
            f" whose own change was kept aside: {cause}"
        )
        aside = aside_of(here, work[name], taken.taker, outcome.origin, reason, DATABASE, header=holder)
        outcome.keep("refused", aside)


def _records(work: Batchwork) -> set[Record]:
    return {(name, key) for name, one in work.items() for key in one.all_keys()}


def _taken(writer: Writer, here: Here, one: Work) -> Iterator[Taken]:
    """Every unique value that the batch gives to a record of this type and that another holds here."""
    record_type, table = one.record_type, here.types.table_of(one.record_type.name)
    for columns in table.uniques:
        if not set(columns) <= set(record_type.columns) or columns == record_type.key:
            continue
        at = [record_type.index(column) for column in columns]
        takes = {
            tuple(row[i] for i in at): key
            for key, row in zip(one.writes.keys, one.writes.rows, strict=True)
            if row is not None and all(row[i] is not None for i in at)
        }
        for values, holder in writer.holders(record_type.table, columns, takes.keys(), record_type.key):
            taker = takes.get(values, holder)
            if taker != holder:
                yield Taken(columns, holder, taker)
    for unique in table.odd_uniques:
        if set(unique.columns) <= set(record_type.columns):
            rows = [row for row in one.writes.rows if row is not None]
            for taker, holder in _in_the_way(writer, record_type, unique, rows):
                if taker != holder:
                    yield Taken(unique.held, holder, taker)


def _in_the_way(
    writer: Writer, record_type: RecordType, unique: UniqueIndex, rows: Sequence[Row]
) -> list[tuple[Row, Row]]:
    """Halves what holds values that the database cannot take: these are nobody's."""
    try:
        with writer.savepoint():
            return writer.in_the_way(record_type, unique, rows) if rows else []
    except RowRejected:
        half = len(rows) // 2
        parts = (rows[:half], rows[half:]) if half else ()
        return [pair for part in parts for pair in _in_the_way(writer, record_type, unique, part)]
