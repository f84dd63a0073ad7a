"""Two steps of a bundle as one: where the first gives a unique value away that a later one frees (P16).

Over the line the sender is asked to take more records in. Here nobody can be asked, but what frees the value is further
on in the bundle, or the sender does not have it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from msyncd.flow.bundle.messages import BundleItem
from msyncd.flow.conversation import Batch, Piece, PullReply, TypeChanges
from msyncd.flow.types import TypeSet

MOST = 100_000
"""Records that are taken in as one at most; beyond, the database says itself what is in the way."""


def merged(types: TypeSet, first: BundleItem, second: BundleItem) -> BundleItem | None:
    """One item that brings what both bring, the later row of each record; None if they cannot be one."""
    if len_of(first) + len_of(second) > MOST:
        return None
    if first.push is not None and second.push is not None:
        batch = _batches(types, first.push.batch, second.push.batch)
        push = None if batch is None else msgspec.structs.replace(second.push, batch=batch)
        return None if push is None else msgspec.structs.replace(second, push=push)
    if first.reply is None or second.reply is None:
        return None
    reply = _replies(types, first.reply, second.reply)
    return None if reply is None else msgspec.structs.replace(second, reply=reply)


def len_of(item: BundleItem) -> int:
    """How many changes an item brings."""
    if item.push is not None:
        return len(item.push.batch)
    reply = item.reply or PullReply()
    in_piece = sum(map(len, reply.piece.types)) if reply.piece is not None else 0
    return in_piece + (len(reply.batch) if reply.batch is not None else 0)


def _replies(types: TypeSet, first: PullReply, second: PullReply) -> PullReply | None:
    told: dict[str, Any] = {
        "refusals": (*first.refusals, *second.refusals),
        "wanted": tuple(dict.fromkeys((*first.wanted, *second.wanted))),
    }
    if first.piece is not None and second.piece is not None:
        piece = _pieces(first.piece, second.piece)
        return None if piece is None else msgspec.structs.replace(second, piece=piece, **told)
    if first.piece is not None or second.piece is not None or first.batch is None or second.batch is None:
        return None
    batch = _batches(types, first.batch, second.batch)
    return None if batch is None else msgspec.structs.replace(second, batch=batch, **told)


def _pieces(first: Piece, second: Piece) -> Piece | None:
    """The range of both. Only pieces of one root type follow each other in their keys."""
    if (first.fill, first.type) != (second.fill, second.type) or first.upto is None:
        return None
    by_type = {one.type: one for one in first.types}
    for one in second.types:
        before = by_type.get(one.type)
        if before is not None and (
            before.columns != one.columns or (before.versions is None) != (one.versions is None)
        ):
            return None
        by_type[one.type] = one if before is None else _together(before, one)
    return msgspec.structs.replace(second, after=first.after, types=tuple(by_type.values()))


def _together(first: TypeChanges, second: TypeChanges) -> TypeChanges:
    versions = None if first.versions is None or second.versions is None else [*first.versions, *second.versions]
    return msgspec.structs.replace(
        second, rows=[*first.rows, *second.rows], leaves=[*first.leaves, *second.leaves], versions=versions
    )


def _batches(types: TypeSet, first: Batch, second: Batch) -> Batch | None:
    names = dict.fromkeys(one.type for batch in (first, second) for one in batch.types)
    changes = []
    for name in names:
        both = [one for batch in (first, second) for one in batch.types if one.type == name]
        if name not in types.types or len({one.columns for one in both}) > 1:
            return None
        changes.append(_later(both, len(types.types[name].key)))
    return msgspec.structs.replace(
        second, after=first.after, types=tuple(changes), epochs={**first.epochs, **second.epochs}
    )


def _later(both: Iterable[TypeChanges], width: int) -> TypeChanges:
    """What was last said of each record."""
    said: dict[Any, tuple[str, Any, Any, Any]] = {}
    columns: tuple[str, ...] = ()
    name, numbered = "", {"bases": False, "versions": False, "delete_bases": False}
    for one in both:
        name, columns = one.type, one.columns
        numbered = {field: has or getattr(one, field) is not None for field, has in numbered.items()}
        for at, row in enumerate(one.rows):
            said[row[:width]] = ("rows", row, _at(one.bases, at), _at(one.versions, at))
        for at, key in enumerate(one.deletes):
            said[key] = ("deletes", key, _at(one.delete_bases, at), _at(one.delete_stores or None, at))
        for key in one.leaves:
            said[key] = ("leaves", key, None, None)
    return _spoken(name, columns, said.values(), numbered)


def _at(numbers: list[Any] | None, at: int) -> Any:
    return None if numbers is None else numbers[at]


def _spoken(
    name: str, columns: tuple[str, ...], said: Iterable[tuple[str, Any, Any, Any]], numbered: Mapping[str, bool]
) -> TypeChanges:
    said = list(said)
    rows = [one for one in said if one[0] == "rows"]
    deletes = [one for one in said if one[0] == "deletes"]
    return TypeChanges(
        name,
        columns,
        rows=[one[1] for one in rows],
        deletes=[one[1] for one in deletes],
        delete_stores=[one[3] for one in deletes],
        leaves=[one[1] for one in said if one[0] == "leaves"],
        bases=[one[2] or 0 for one in rows] if numbered["bases"] else None,
        versions=[one[3] or 0 for one in rows] if numbered["versions"] else None,
        delete_bases=[one[2] or 0 for one in deletes] if numbered["delete_bases"] else None,
    )
