"""Parts of a batch that is too large for one message (P9): staged until the last is there, then applied whole."""

import msgspec

from msyncd.databases.interface import Writer
from msyncd.flow.conversation import Batch
from msyncd.model import Value

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Batch).decode


MOST_PARTS = 10_000
"""Parts of a batch; its sender makes them of 20,000 records."""

_GOES_WITH = {"bases": "rows", "versions": "rows", "delete_bases": "deletes"}


def collect(writer: Writer, site: int, batch: Batch) -> Batch | None:
    """The whole batch if this part completes it, else None: the part is kept."""
    if batch.parts <= 1:
        return batch
    key: dict[str, Value] = {"site": site, "mark": batch.mark, "part": batch.part}
    writer.execute("DELETE FROM msyncd_staged WHERE site = ? AND mark <> ?", (site, batch.mark))
    writer.put("msyncd_staged", key, {"body": _encode(batch)})
    rows = writer.execute(
        "SELECT body FROM msyncd_staged WHERE site = ? AND mark = ? ORDER BY part", (site, batch.mark)
    )
    if len(rows) < batch.parts:
        return None
    writer.execute("DELETE FROM msyncd_staged WHERE site = ?", (site,))
    return joined(batch, [_decode(row[0]) for row in rows])  # type: ignore[arg-type]  # bytes


def joined(batch: Batch, parts: list[Batch]) -> Batch:
    """One batch from its parts: the changes of each type together, in order."""
    types: dict[str, list[object]] = {}
    for part in parts:
        for one in part.types:
            types.setdefault(one.type, []).append(one)
    whole = []
    for several in types.values():
        first = several[0]
        merged = {
            name: [value for one in several for value in getattr(one, name)]
            for name in ("rows", "deletes", "delete_stores", "leaves")
        }
        for name in _GOES_WITH:
            if getattr(first, name) is not None:
                merged[name] = [value for one in several for value in getattr(one, name) or ()]
        whole.append(msgspec.structs.replace(first, **merged))  # type: ignore[type-var]  # a TypeChanges
    return msgspec.structs.replace(batch, types=tuple(whole), part=1, parts=1)


def parted(batch: Batch, records: int) -> list[Batch]:
    """A batch in parts of at most so many records each."""
    parts: list[list[object]] = [[]]
    room = records
    for one in batch.types:
        for name in ("rows", "deletes", "leaves"):
            start, end = 0, len(getattr(one, name))
            while start < end:
                if room == 0:
                    parts.append([])
                    room = records
                count = min(room, end - start)
                parts[-1].append(_only(one, name, start, count))
                start, room = start + count, room - count
    return [
        msgspec.structs.replace(batch, types=tuple(types), part=number, parts=len(parts))
        for number, types in enumerate(parts, 1)
    ]


def _only(one: object, name: str, start: int, count: int) -> object:
    end = start + count
    chosen: dict[str, object] = {"rows": [], "deletes": [], "delete_stores": [], "leaves": []}
    chosen[name] = getattr(one, name)[start:end]
    if name == "deletes":
        chosen["delete_stores"] = one.delete_stores[start:end]  # type: ignore[attr-defined]  # a TypeChanges
    for numbers, goes_with in _GOES_WITH.items():
        values = getattr(one, numbers)
        if values is not None:
            chosen[numbers] = values[start:end] if name == goes_with else []
    return msgspec.structs.replace(one, **chosen)  # type: ignore[type-var]  # a TypeChanges
