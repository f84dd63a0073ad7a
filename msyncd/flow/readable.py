"""Rows are read so that one which cannot be read costs its own record, and nobody else's (P13)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from msyncd.databases.interface import Reader, RowRejected
from msyncd.flow.ledger.aside import DATABASE
from msyncd.model import Changes, RecordType, Row
from msyncd.plugins import Failed


@dataclass(frozen=True, slots=True)
class Readable:
    """What a look found: the keys in its order, the rows of those that can be read, and why others cannot."""

    keys: Sequence[Row]
    rows: Sequence[Row]
    failed: Sequence[tuple[Changes, Failed]] = ()


def rows_of(
    reader: Reader, record_type: RecordType, keys: Collection[Row]
) -> tuple[dict[Row, Row], dict[Row, RowRejected]]:
    """The rows that stand under some keys, and why others cannot be read."""
    try:
        return reader.rows(record_type, keys), {}
    except RowRejected:
        rows: dict[Row, Row] = {}
        unreadable: dict[Row, RowRejected] = {}
        for key in keys:
            try:
                rows |= reader.rows(record_type, [key])
            except RowRejected as error:
                unreadable[key] = error
        return rows, unreadable


def failures(record_type: RecordType, unreadable: Mapping[Row, RowRejected]) -> list[tuple[Changes, Failed]]:
    """What cannot be read, by name, as it goes to quarantine."""
    return [
        (Changes(record_type, [key], [None], operations=["write"]), Failed(DATABASE, "read", str(error), "", (0,)))
        for key, error in unreadable.items()
    ]


def read_apart(reader: Reader, record_type: RecordType, look: Callable[[RecordType], Sequence[Row]]) -> Readable:
    """What a look finds of a record type; where that fails, what it finds of the keys alone, and then row by row."""
    try:
        rows = look(record_type)
        return Readable([record_type.key_of(row) for row in rows], rows)
    except RowRejected:
        keys = list(look(record_type.keys_only))
        found, unreadable = rows_of(reader, record_type, keys)
        return Readable(keys, [found[key] for key in keys if key in found], failures(record_type, unreadable))
