"""Digests of records that are equal exactly if the records mean the same at both ends, whatever their databases.

A digest is made of the columns that both ends have, the key first, then the others by their names without regard to
case; each value in the form that `kinds.normal` gives it in the kind that both columns have in common. References that
were cleared here count as what they are to hold again (P24). Rows are treated by column: nothing here is called a row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Final

import msgspec

from msyncd.databases.kinds import KINDS, common_kind, normal
from msyncd.flow.conversation import TypeChanges
from msyncd.flow.types import TypeSet
from msyncd.model import Kind, RecordType, Row, Value

DIGEST_BYTES: Final = 16

Columns = tuple[Sequence[str], Sequence[str]]
"""Names and kinds, in one order; an older end says no kinds."""

_encode = msgspec.msgpack.Encoder().encode
_PLAIN: Final[dict[Kind, type]] = {"text": str, "binary": bytes, "integer": int, "boolean": bool}
"""Kinds of which every value of that Python type stands for itself."""


@dataclass(frozen=True, slots=True)
class Common:
    """The columns that both ends have: where they stand in a row here, and the kind in which they are compared."""

    places: tuple[int, ...]
    kinds: tuple[Kind, ...]


def kinds_of(types: TypeSet, record_type: RecordType) -> tuple[Kind, ...]:
    """The kind of each column of a record type, in their order."""
    table = types.table_of(record_type.name)
    columns = (table.column(name) for name in record_type.columns)
    return tuple(column.kind if column is not None else "any" for column in columns)


def common(types: TypeSet, record_type: RecordType, columns: Sequence[str], kinds: Sequence[str]) -> Common:
    """What is compared of a type of which the other end has these columns. Both ends come to the same."""
    return in_common(record_type.key, (record_type.columns, kinds_of(types, record_type)), (columns, kinds))


def in_common(key: Sequence[str], mine: Columns, theirs: Columns) -> Common:
    """The same, of two ends' columns: the places are those of the first."""
    here = {name: (place, kind) for place, (name, kind) in enumerate(_columns(*mine).items())}
    there = _columns(*theirs)
    first = [name.casefold() for name in key]
    both = [*first, *sorted(name for name in here if name in there and name not in first)]
    return Common(
        tuple(here[name][0] for name in both),
        tuple(common_kind(here[name][1], there.get(name, "any")) for name in both),
    )


def _columns(names: Sequence[str], kinds: Sequence[str]) -> dict[str, Kind]:
    """Columns without regard to case, each with its kind; what an older end does not say, or we do not know, is any."""
    padded = [*kinds, *["any"] * len(names)]
    return {name.casefold(): kind if kind in KINDS else "any" for name, kind in zip(names, padded, strict=False)}


def digested(changes: TypeChanges, width: int, shared: Common) -> TypeChanges:
    """The rows of a piece as their keys, of so many columns, with a digest of what both ends have."""
    contents = written(changes.rows, shared)
    rows = [(*row[:width], digest(content)) for row, content in zip(changes.rows, contents, strict=True)]
    return TypeChanges(changes.type, (*changes.columns[:width], "digest"), rows=rows)


def written(rows: Sequence[Row], shared: Common) -> list[bytes]:
    """Each row as the bytes that are digested."""
    if not rows:
        return []
    picked: Iterable[Any] = [*map(_picker(shared.places), rows)]
    columns = [*zip(*picked, strict=True)]
    settled = [_settled(kind, values) for kind, values in zip(shared.kinds, columns, strict=True)]
    if any(new is not old for new, old in zip(settled, columns, strict=True)):
        picked = zip(*settled, strict=True)
    return [*map(_encode, picked)]


def digest(row: bytes) -> bytes:
    """Sixteen bytes that tell two records apart."""
    return blake2b(row, digest_size=DIGEST_BYTES).digest()


class Running:
    """A digest over the records of a range, in the order of their keys, piece by piece."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=DIGEST_BYTES)
        self.records = 0

    def add(self, rows: Sequence[bytes]) -> None:
        """Further records."""
        self._hash.update(b"".join(rows))
        self.records += len(rows)

    def digest(self) -> bytes:
        """Of all so far."""
        return self._hash.digest()


def _picker(places: tuple[int, ...]) -> Any:
    return itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)


def _settled(kind: Kind, values: Sequence[Value]) -> Sequence[Value]:
    """The values as they mean the same everywhere: the very sequence if all stand for themselves."""
    plain = _PLAIN.get(kind)
    if plain is not None and set(map(type, values)) <= {plain, type(None)}:
        return values
    return [normal(kind, value) for value in values]
