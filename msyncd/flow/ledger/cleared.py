"""References that were cleared because their target is not here (P24): the original value is kept, and sent on."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.values import packed_key, unpacked
from msyncd.model import RecordType, Row, Value


@dataclass(frozen=True, slots=True)
class Cleared:
    """A column of a record that should hold `value`, the key of a record in table `target`."""

    record_type: str
    key: Row
    column: str
    target: str
    target_column: str
    value: Value


def cleared(reader: Reader, record_type: str | None = None) -> list[Cleared]:
    """Every cleared reference (of one type, if given)."""
    where, parameters = ("", ()) if record_type is None else (" WHERE type = ?", (record_type,))
    return [
        Cleared(str(name), unpacked(key), str(column), str(target), str(target_column), unpacked(value)[0])
        for name, key, column, target, target_column, value in reader.execute(
            f"SELECT type, key, column_name, target, target_column, value FROM msyncd_cleared{where}", parameters
        )
    ]


def restored(reader: Reader, record_type: RecordType, rows: dict[Row, Row]) -> dict[Row, Row]:
    """The rows with their cleared references put back, as they are sent on."""
    if not record_type.clear_missing or not rows:
        return rows
    for one in cleared(reader, record_type.name):
        row = rows.get(one.key)
        if row is not None and one.column in record_type.columns:
            at = record_type.index(one.column)
            if row[at] is None:
                rows[one.key] = (*row[:at], one.value, *row[at + 1 :])
    return rows


def keep(writer: Writer, references: Iterable[Cleared]) -> None:
    """Keep the originals of references that are cleared now."""
    for one in references:
        writer.put(
            "msyncd_cleared",
            {"type": one.record_type, "key": packed_key(one.key), "column_name": one.column},
            {"target": one.target, "target_column": one.target_column, "value": packed_key((one.value,))},
        )


def forget(writer: Writer, record_type: str, keys: Collection[Row]) -> None:
    """These records were written anew or went: what was cleared of them before is of no account."""
    for key in keys:
        writer.execute("DELETE FROM msyncd_cleared WHERE type = ? AND key = ?", (record_type, packed_key(key)))


def any_cleared(reader: Reader) -> bool:
    """Whether anything is cleared at all."""
    return bool(reader.execute("SELECT 1 FROM msyncd_cleared LIMIT 1"))
