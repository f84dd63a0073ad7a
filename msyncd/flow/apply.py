"""Apply: rows written parents first, then deleted children first, in one transaction (P16); poison apart (P21)."""

from collections.abc import Callable, Sequence

from msyncd.databases.interface import RowRejected, Writer
from msyncd.flow.check import keep_families
from msyncd.flow.clearing import clear_referring
from msyncd.flow.here import Here
from msyncd.flow.ledger.aside import DATABASE, Record
from msyncd.flow.outcome import Outcome, aside_of, take_out
from msyncd.flow.parking import Parked
from msyncd.flow.receive import Batchwork, Work
from msyncd.model import RecordType, Row


def apply_rows(writer: Writer, here: Here, work: Batchwork, outcome: Outcome, asked: set[Record]) -> None:
    """Write and delete. What the database rejects is taken out of the work and noted in the outcome.

    `asked` names every record that the message brought, so that none is asked for twice. Raises NeedsMoreError, and
    StillParkedError: then what this did must be undone.
    """
    parked = Parked()
    for one in work.values():
        if len(one.writes):
            kept = len(outcome.kept)
            _write(writer, here, one, outcome, asked, parked)
            if len(outcome.kept) > kept:  # a header that was rejected takes its lines along (P20)
                keep_families(writer, here, work, outcome)
    for name in reversed(here.types.order):
        one_or_none = work.get(name)
        if one_or_none is not None:
            _delete(writer, here, one_or_none, outcome)
    take_out(work, outcome.kept)
    parked.check(work)


def _write(writer: Writer, here: Here, one: Work, outcome: Outcome, asked: set[Record], parked: Parked) -> None:
    record_type, rows = one.record_type, one.writes.rows
    put: Callable[[Sequence[Row]], None] = lambda some: writer.upsert(record_type, record_type.columns, some)  # noqa: E731
    try:
        put(rows)  # type: ignore[arg-type]  # writes have rows
    except RowRejected:
        parked.park(writer, here, one, asked)
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
