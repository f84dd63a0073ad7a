"""Messages as bytes and back: MessagePack by default, JSON on request.

In JSON a binary value is {"base64": "…"}, and a number that JSON cannot write is {"float": "inf" | "-inf" | "nan"}.
"""

import base64
import math
from collections.abc import Callable, Iterable, Sized
from functools import lru_cache
from itertools import chain
from typing import Any, Final, TypeVar

import msgspec

from msyncd.errors import MessageInvalid
from msyncd.flow.bundle.messages import BundleHead, BundleItem
from msyncd.flow.compare.messages import Compare, Compared
from msyncd.flow.conversation import (
    Batch,
    Give,
    GiveReply,
    Hello,
    Piece,
    Pull,
    PullReply,
    Push,
    PushReply,
    TypeChanges,
    Welcome,
)

MSGPACK: Final = "application/vnd.msyncd+msgpack"
JSON: Final = "application/json"
FORMATS: Final = (MSGPACK, JSON)

M = TypeVar("M", bound=msgspec.Struct)

VALUE_TYPES: Final = frozenset({type(None), bool, int, float, str, bytes})
"""What a row may hold: model.Value."""

_DEFECTS: Final = (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError, ValueError, MemoryError)

_to_msgpack: Final = msgspec.msgpack.Encoder()
_to_json: Final = msgspec.json.Encoder()
_from_json: Final = msgspec.json.Decoder()


@lru_cache(maxsize=32)
def _from_msgpack(kind: type[M]) -> msgspec.msgpack.Decoder[M]:
    return msgspec.msgpack.Decoder(kind)


def encode(message: msgspec.Struct, content_type: str = MSGPACK) -> bytes:
    """The message as bytes. Raises MessageInvalid for a value that no message can carry (a number over 64 bits)."""
    try:
        if content_type == MSGPACK:
            return _to_msgpack.encode(message)
        return _to_json.encode(_spell(msgspec.to_builtins(message, builtin_types=(bytes,))))
    except (*_DEFECTS, TypeError) as error:
        raise MessageInvalid(f"a {type(message).__name__} cannot be sent: {error}") from error


def decode(body: bytes, kind: type[M], content_type: str = MSGPACK) -> M:
    """The message in these bytes, checked: its fields, that every row has all its columns, that every value is one."""
    try:
        if content_type == MSGPACK:
            message: M = _from_msgpack(kind).decode(body)
        else:
            message = msgspec.convert(_read(_from_json.decode(body)), kind, builtin_types=(bytes,))
    except _DEFECTS as error:
        raise MessageInvalid(
            f"this is no {kind.__name__}: {error}", hint="both ends must speak one protocol"
        ) from error
    for changes in _types_of(message):
        _check(changes)
    _check_keys(message)
    return message


# --- the checks: by column and in C, since a message may hold 20,000 rows -----------------------------------------


def _types_of(message: msgspec.Struct) -> Iterable[TypeChanges]:
    parts: tuple[Batch | Piece | None, ...] = ()
    if isinstance(message, BundleItem):
        return chain.from_iterable(_types_of(one) for one in (message.push, message.reply) if one is not None)
    if isinstance(message, Give):
        return message.types
    if isinstance(message, Push):
        parts = (message.batch,)
    elif isinstance(message, PullReply):
        parts = (message.batch, message.piece)
    return chain.from_iterable(part.types for part in parts if part is not None)


def _check_keys(message: msgspec.Struct) -> None:
    """Keys are of values: they go into the database's statements."""
    keys: list[tuple[Any, ...] | None] = []
    inside: tuple[msgspec.Struct | None, ...] = ()
    match message:
        case BundleItem():
            inside = (message.push, message.reply)
        case BundleHead():
            inside = (message.place, message.welcome)
        case Pull():
            keys = [*(key for _, key in message.include), message.fill[2] if message.fill else None]
            for one in message.standing:
                _all_of_length([one.row], len(one.columns), f"{one.type}: a standing record")
                keys += [one.key, one.row]
        case Compare():
            keys = [message.after, *(one.upto for one in message.ranges), *message.keys]
        case Compared():
            keys = [message.upto, *(one.key for one in message.records)]
        case Hello(standpoint=standpoint):
            keys = [tuple(one.name for one in standpoint.stores)] if standpoint is not None else []
        case GiveReply():
            keys = [key for _, key in message.needs]
        case Welcome():
            keys = [one.key for one in message.refusals]
        case PushReply():
            keys = [*(key for _, key in message.needs), *(one.key for one in message.refusals)]
        case PullReply(piece=piece):
            keys = [*(one.key for one in message.refusals), *((piece.after, piece.upto) if piece else ())]
    for held in inside:
        if held is not None:
            _check_keys(held)
    if {type(value) for key in keys if key is not None for value in key} - VALUE_TYPES:
        raise MessageInvalid("a key holds what is no value")


def _check(changes: TypeChanges) -> None:
    """A short row would shift values into other columns; a list or a date is no value of any database."""
    name = changes.type
    if len(set(changes.columns)) != len(changes.columns):
        raise MessageInvalid(f"{name}: a column is named twice")
    _all_of_length(changes.rows, len(changes.columns), f"{name}: a row")
    keys = [*changes.deletes, *changes.leaves]
    widths = set(map(len, keys))
    if len(widths) > 1 or not all(0 < width <= len(changes.columns) for width in widths):
        raise MessageInvalid(f"{name}: a key does not have the key's columns")
    for what, side in (("bases", changes.bases), ("versions", changes.versions)):
        if side is not None and len(side) != len(changes.rows):
            raise MessageInvalid(f"{name}: {len(side)} {what} for {len(changes.rows)} rows")
    if changes.delete_stores and len(changes.delete_stores) != len(changes.deletes):
        raise MessageInvalid(f"{name}: {len(changes.delete_stores)} stores for {len(changes.deletes)} deletes")
    strange = set(map(type, chain(chain.from_iterable(changes.rows), chain.from_iterable(keys)))) - VALUE_TYPES
    if strange:
        raise MessageInvalid(f"{name}: a value cannot be a {min(kind.__name__ for kind in strange)}")


def _all_of_length(rows: Iterable[Sized], expected: int, what: str) -> None:
    wrong = set(map(len, rows)) - {expected}
    if wrong:
        raise MessageInvalid(f"{what} has {min(wrong)} values for {expected} columns")


# --- JSON: for light clients and people, not for speed ----------------------------------------------------------------


def _spell(value: Any) -> Any:
    """Replaces what JSON has no word for."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return _inside(value, _spell)


def _read(value: Any) -> Any:
    """The inverse of _spell."""
    if isinstance(value, dict) and len(value) == 1:
        if isinstance(text := value.get("base64"), str):
            return _unbase64(text)
        if (text := value.get("float")) in ("inf", "-inf", "nan"):
            return float(text)
    return _inside(value, _read)


def _inside(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {key: change(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [change(one) for one in value]
    return value


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise MessageInvalid(f"a binary value is not base64: {error}") from error
