"""References that may be cleared (P24): emptied where their target goes, put back where it comes."""

from collections.abc import Collection, Sequence
from contextlib import suppress

from msyncd.databases.interface import RowRejected, Writer
from msyncd.flow.here import Here
from msyncd.flow.ledger import cleared
from msyncd.flow.ledger.aside import Record
from msyncd.flow.outcome import Outcome
from msyncd.flow.receive import Batchwork
from msyncd.flow.values import packed_key
from msyncd.model import RecordType, Row


def clear_referring(writer: Writer, here: Here, record_type: RecordType, going: Collection[Row]) -> set[Record]:
    """Clear references to records that are about to go from here, where others stay; which records had them."""
    found: set[Record] = set()
    for name, references in here.types.references.items():
        for one in references:
            if one.clear and one.parent_type == record_type.name and one.parent_columns == record_type.key:
                child = here.types.types[name]
                held = writer.holders(child.table, one.columns, going, child.key)
                if held:  # looked for again under their locks: perhaps they have just been given another target
                    writer.lock_rows(child, [key for _, key in held])
                    held = writer.holders(child.table, one.columns, going, child.key)
                for value, key in held:
                    # a column that cannot be empty stays: the database then says what stands in the way
                    with suppress(RowRejected), writer.savepoint():
                        writer.set_column(child, key, one.columns[0], None)
                        kept = cleared.Cleared(name, key, one.columns[0], one.table, one.parent_columns[0], value[0])
                        cleared.keep(writer, [kept])
                        found.add((name, key))
    return found


def put_back_cleared(
    writer: Writer, here: Here, work: Batchwork, fresh: Sequence[cleared.Cleared], outcome: Outcome
) -> None:
    """Keep the originals of what was cleared, and put back what can now be referred to (P24)."""
    if cleared.any_cleared(writer):
        for name, one in work.items():
            if one.record_type.clear_missing:
                cleared.forget(writer, name, [key for key in one.all_keys() if (name, key) not in outcome.cleared])
    applied = {(name, key) for name, one in work.items() for key in one.writes.keys}
    cleared.keep(writer, [one for one in fresh if (one.record_type, one.key) in applied])
    arrived = {here.types.types[name].table for name, one in work.items() if len(one.writes)}
    waiting = [one for one in cleared.cleared(writer) if one.target in arrived] if cleared.any_cleared(writer) else []
    for target, column in {(one.target, one.target_column) for one in waiting}:
        some = [one for one in waiting if (one.target, one.target_column) == (target, column)]
        there = writer.existing(target, (column,), {(one.value,) for one in some})
        _restore(writer, here, [one for one in some if (one.value,) in there])


def _restore(writer: Writer, here: Here, references: Sequence[cleared.Cleared]) -> None:
    if not references:
        return
    empty = _still_empty(writer, here, references)
    writer.begin_applying(here.site)
    for one in references:
        record_type = here.types.types.get(one.record_type)
        if record_type is not None and one in empty:
            writer.set_column(record_type, one.key, one.column, one.value)
        writer.execute(
            "DELETE FROM msyncd_cleared WHERE type = ? AND key = ? AND column_name = ?",
            (one.record_type, packed_key(one.key), one.column),
        )
    writer.end_applying()


def _still_empty(writer: Writer, here: Here, references: Sequence[cleared.Cleared]) -> set[cleared.Cleared]:
    """Those that nobody has filled with something else since: what was written after the clearing stands."""
    empty: set[cleared.Cleared] = set()
    for name in {one.record_type for one in references} & set(here.types.types):
        some = [one for one in references if one.record_type == name]
        record_type = here.types.types[name]
        writer.lock_rows(record_type, [one.key for one in some])
        rows = writer.rows(record_type, {one.key for one in some})
        empty |= {
            one
            for one in some
            if one.column in record_type.columns
            and one.key in rows
            and rows[one.key][record_type.index(one.column)] is None
        }
    return empty
