"""What comparisons found: by peer and record type when it was last compared and agreed, and which records differ."""

from collections.abc import Collection
from dataclasses import dataclass

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.values import packed_key, unpacked
from msyncd.model import Row, Value


@dataclass(frozen=True, slots=True)
class Comparison:
    """The last comparison of a record type with a peer. `agreed`: when it last found no difference, or None."""

    peer: int
    record_type: str
    at: str
    records: int
    differences: int
    agreed: str | None


def note(writer: Writer, peer: int, record_type: str, records: int, differences: int, now: str) -> None:
    """A comparison of a record type has ended."""
    before = {one.record_type: one for one in comparisons(writer, peer)}.get(record_type)
    agreed = now if not differences else before.agreed if before else None
    writer.put(
        "msyncd_compared",
        {"peer": peer, "type": record_type},
        {"at": now, "records": records, "differences": differences, "agreed": agreed},
    )


def comparisons(reader: Reader, peer: int) -> list[Comparison]:
    """What was compared with a peer, by record type."""
    return [
        Comparison(peer, str(name), str(at), int(str(records)), int(str(count)), _text(agreed))
        for name, at, records, count, agreed in reader.execute(
            "SELECT type, at, records, differences, agreed FROM msyncd_compared WHERE peer = ? ORDER BY type", (peer,)
        )
    ]


def last_agreed(reader: Reader, peer: int, record_types: Collection[str]) -> str | None:
    """When every one of these record types had last been found to agree: the earliest of them; None if one never."""
    agreed = {one.record_type: one.agreed for one in comparisons(reader, peer)}
    times = [agreed.get(name) for name in record_types]
    return min(time for time in times if time) if times and all(times) else None


def differing(reader: Reader, peer: int) -> dict[str, list[Row]]:
    """The records that were found to differ, by record type."""
    found: dict[str, list[Row]] = {}
    for name, key in reader.execute(
        "SELECT type, key FROM msyncd_difference WHERE peer = ? ORDER BY type, key", (peer,)
    ):
        found.setdefault(str(name), []).append(unpacked(key))
    return found


def put_differing(writer: Writer, peer: int, record_type: str, keys: Collection[Row], *, more: bool = False) -> None:
    """These records of a type differ, and no others; or these too, if they are `more`."""
    if not more:
        writer.execute("DELETE FROM msyncd_difference WHERE peer = ? AND type = ?", (peer, record_type))
    writer.insert(
        "msyncd_difference",
        [{"peer": peer, "type": record_type, "key": packed_key(key)} for key in sorted(keys, key=repr)],
    )


def _text(value: Value) -> str | None:
    return None if value is None else str(value)
