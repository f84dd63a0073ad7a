"""Versions of records that any site may edit (P19): numbered by the primary; on a satellite, what was last agreed."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.values import packed, packed_key, unpacked
from msyncd.model import Row, Value

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Agreed:
    """The version and row last agreed; on a satellite also the row that it last sent, on the primary who made it."""

    version: int
    columns: tuple[str, ...]
    row: Row | None
    sent: Row | None = None
    site: int | None = None


def agreed(reader: Reader, record_type: str, key: Row) -> Agreed | None:
    """What was last agreed about a record."""
    found = reader.execute(
        "SELECT version, columns, record, sent, site FROM msyncd_version WHERE type = ? AND key = ?",
        (record_type, packed_key(key)),
    )
    return _agreed(found[0]) if found else None


def _agreed(values: Sequence[Value]) -> Agreed:
    version, columns, row, sent, site = values
    return Agreed(
        int(str(version)),
        tuple(str(columns or "").split("\n")),
        None if row is None else unpacked(row),
        None if sent is None else unpacked(sent),
        None if site is None else int(str(site)),
    )


def agreed_of(reader: Reader, record_type: str, keys: Collection[Row]) -> dict[Row, Agreed]:
    """What was last agreed about these records, of those of which anything was."""
    rows = _by_key(reader, record_type, keys, "version, columns, record, sent, site")
    return {unpacked(key): _agreed(values) for key, *values in rows}


def versions_of(reader: Reader, record_type: str, keys: Collection[Row]) -> dict[Row, int]:
    """The version numbers of these records; one that has none was never changed by two sites."""
    return {unpacked(key): int(str(version)) for key, version in _by_key(reader, record_type, keys, "version")}


def _by_key(reader: Reader, record_type: str, keys: Collection[Row], columns: str) -> Iterator[Row]:
    wanted = [packed_key(key) for key in keys]
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        sql = f"SELECT key, {columns} FROM msyncd_version WHERE type = ? AND key IN ({marks})"
        yield from reader.execute(sql, (record_type, *some))


def agree(writer: Writer, record_type: str, key: Row, agreed: Agreed) -> None:
    """Note the version and row that both ends now hold; what was sent before stays noted."""
    writer.put(
        "msyncd_version",
        {"type": record_type, "key": packed_key(key)},
        {
            "version": agreed.version,
            "columns": "\n".join(agreed.columns),
            "record": packed(agreed.row),
            "site": agreed.site,
        },
    )


def note_sent(writer: Writer, record_type: str, key: Row, row: Row) -> None:
    """Note what this satellite is about to send, to know its echo."""
    writer.put(
        "msyncd_version",
        {"type": record_type, "key": packed_key(key)},
        {"sent": packed(row)} | ({} if versions_of(writer, record_type, [key]) else {"version": 0}),
    )
