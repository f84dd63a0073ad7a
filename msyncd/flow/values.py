"""How keys and rows are kept in the ledger: MessagePack, whose bytes are equal exactly if the values are."""

from collections.abc import Sequence
from typing import Any

import msgspec

from msyncd.model import Row, Value

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Any, ...]).decode


def packed(row: Row | None) -> bytes | None:
    """A key or row as the ledger keeps it."""
    return _encode(row) if row is not None else None


def packed_key(key: Row) -> bytes:
    """A key as the ledger keeps it."""
    return _encode(key)


def unpacked(value: Value) -> Row:
    """The key or row that was kept."""
    assert isinstance(value, bytes)
    return _decode(value)


def size_of(row: Sequence[object]) -> int:
    """How many bytes a row, or several, take on the wire before compression."""
    return len(_encode(row))
