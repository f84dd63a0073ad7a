"""Apply: rows written parents first, then deleted children first, in one transaction (P16); poison apart (P21)."""

from collections.abc import Callable, Sequence

from msyncd.databases.interface import RowRejected, Writer
from msyncd.flow.check import keep_families
from msyncd.flow.clearing import clear_referring
from msyncd.flow.here import Here
from msyncd.flow.ledger.aside import DATABASE, Record
from msyncd.flow.outcome import Outcome, aside_of, take_out
from msyncd.flow.receive import Batchwork, Work
from msyncd.model import RecordType, Row


class NeedsMoreError(Exception):
    """The batch must take in the records that hold unique values which it gives to others."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(f"{len(records)} records hold unique values in the way")
        self.records = records


def apply_rows(writer: Writer, here: Here, work: Batchwork, outcome: Outcome, asked: set[Record]) -> None:
    """Write and delete. What the database rejects is taken out of the work and noted in the outcome.

    `asked` names every record that the message brought, so that none is asked for twice. Raises NeedsMoreError.
    """
    for one in work.values():
        if len(one.writes):
            kept = len(outcome.kept)
            _write(writer, here, one, outcome, asked)
            if len(outcome.kept) > kept:  # a header that was rejected takes its lines along (P20)
                keep_families(writer, here, work, outcome)
    for name in reversed(here.types.order):
        one_or_none = work.get(name)
        if one_or_none is not None:
            _delete(writer, here, one_or_none, outcome)
    take_out(work, outcome.kept)


def _write(writer: Writer, here: Here, one: Work, outcome: Outcome, asked: set[Record]) -> None:
    record_type, rows = one.record_type, one.writes.rows
    put: Callable[[Sequence[Row]], None] = lambda some: writer.upsert(record_type, record_type.columns, some)  # noqa: E731
    try:
        put(rows)  # type: ignore[arg-type]  # writes have rows
    except RowRejected:
        if _park(writer, here, one, asked):
            needed = _holders(writer, here, one, asked)
            if needed:
                raise NeedsMoreError(needed) from None
        _one_by_one(put, [row for row in rows if row is not None], here, one, outcome, len(record_type.key))


def _delete(writer: Writer, here: Here, one: Work, outcome: Outcome) -> None:
    keys = [*one.deletes.keys, *one.leaves]
    if keys:
        outcome.cleared |= clear_referring(writer, here, one.record_type, keys)
        put: Callable[[Sequence[Row]], None] = lambda some: writer.delete(one.record_type, some)  # noqa: E731
        _one_by_one(put, keys, here, one, outcome, len(one.record_type.key))


def _one_by_one(
    put: Callable[[Sequence[Row]], None], rows: Sequence[Row], here: Here, one: Work, outcome: Outcome, width: int
) -> None:
    """Halve what is rejected until the rows at fault stand alone; all others are written."""
    try:
        put(rows)
    except RowRejected as error:
        if len(rows) == 1:
            key = rows[0][:width]
            outcome.keep("refused", aside_of(here, one, key, outcome.origin, str(error), DATABASE))
            return
        half = len(rows) // 2
        _one_by_one(put, rows[:half], here, one, outcome, width)
        _one_by_one(put, rows[half:], here, one, outcome, width)


# --- unique values in the way (P16) ---------------------------------------------------------------------------------


def _in_the_way(writer: Writer, here: Here, one: Work) -> list[tuple[tuple[str, ...], Row]]:
    """Columns and key of each record here that holds unique values which the batch gives to another record."""
    record_type = one.record_type
    found = []
    for columns in here.types.table_of(record_type.name).uniques:
        if not set(columns) <= set(record_type.columns) or columns == record_type.key:
            continue
        at = [record_type.index(column) for column in columns]
        takes = {
            tuple(row[i] for i in at): key
            for key, row in zip(one.writes.keys, one.writes.rows, strict=True)
            if row is not None and all(row[i] is not None for i in at)
        }
        held = writer.holders(record_type.table, columns, takes.keys(), record_type.key)
        found += [(columns, key) for values, key in held if takes.get(values, key) != key]
    return found


def _park(writer: Writer, here: Here, one: Work, asked: set[Record]) -> bool:
    """Give holders that come in this batch themselves temporary values; whether any holder was found at all."""
    in_the_way = _in_the_way(writer, here, one)
    for columns, key in in_the_way:
        if (one.record_type.name, key) in asked and key in set(one.all_keys()):
            writer.park(one.record_type, columns, key)
    return bool(in_the_way)


def _holders(writer: Writer, here: Here, one: Work, asked: set[Record]) -> list[Record]:
    """Holders of values in the way that the sender has not been asked for yet."""
    name = one.record_type.name
    return [(name, key) for _, key in _in_the_way(writer, here, one) if (name, key) not in asked]


def fired(writer: Writer, here: Here, one: Work) -> dict[Row, Row]:
    """Rows that an application trigger altered while they were written: they are this site's own change (P12)."""
    record_type: RecordType = one.record_type
    table = here.types.table_of(record_type.name)
    if not table.triggers or record_type.application_triggers == "silent" or not len(one.writes):
        return {}
    stand = writer.rows(record_type, one.writes.keys)
    return {
        key: stand[key]
        for key, row in zip(one.writes.keys, one.writes.rows, strict=True)
        if key in stand and stand[key] != row
    }
