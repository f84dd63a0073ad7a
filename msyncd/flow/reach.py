"""What else was logged of the families that a page of the change log touches, beyond the page (P9)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from msyncd.databases.interface import Reader
from msyncd.databases.values import KEY, PARENT, TYPE, Entry, LogPage
from msyncd.flow.types import TypeSet
from msyncd.model import Cursor, Value

Family = tuple[int, Value]
"""A header: its record type's number in the change log, and its key."""
Headers = dict[int, set[Value]]

NEAR = 20_000
"""Entries among which all of a family lie, unless it is known to reach further."""
FAR = 3 * NEAR
"""A log that goes on for more than this is looked through once for families that reach far."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Which families reach far: those in `far`, as the log was when it was `looked` through. `looked` None: any may."""

    looked: Cursor | None = None
    far: Mapping[int, Mapping[Value, object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """Entries, and the place behind which their families have none, as far as was looked."""

    entries: list[Entry]
    horizon: Cursor


def family_of(entry: Entry, parents: Mapping[int, int], headers: frozenset[int]) -> Family | None:
    """The family that an entry belongs to first: its parent's, else its own; None if it can have none."""
    parent = parents.get(entry[TYPE])
    if parent is not None and entry[PARENT] is not None:
        return parent, entry[PARENT]
    return (entry[TYPE], entry[KEY]) if entry[TYPE] in headers else None


def families(
    reader: Reader, types: TypeSet, entries: list[Entry], page: LogPage, reach: Reach, most: int | None
) -> list[Found] | None:
    """All that was logged behind the page of the families that its entries touch, and of those that these touch.

    None if that is more than `most` entries, if it is given.
    """
    every: list[Found] = []
    count = 0
    seen: dict[int, set[Value]] = {}
    near = page.end if reach.looked is None else reader.log_beyond(page.upto, NEAR)
    todo = [(_headers(types, entries), near)]
    while todo:
        touched, near = todo.pop()
        fresh = {t: keys for t, some in touched.items() if (keys := some - seen.get(t, set()))}
        for type_id, keys in fresh.items():
            seen.setdefault(type_id, set()).update(keys)
        for found in _later(reader, types, fresh, page, reach, near, most):
            every.append(found)
            count += len(found.entries)
            if most is not None and count > most:
                return None
            # a family that was met behind the page reaches further than those of the page
            further = page.end if found.horizon >= page.end else reader.log_beyond(found.horizon, NEAR)
            todo.append((_headers(types, found.entries), further))
    return every


def hidden(reader: Reader, types: TypeSet, entries: list[Entry]) -> list[Entry]:
    """What is committed of the families of these entries, and must not be read in the log's order yet (P9).

    Rows are read as they stand, so that a header may already tell of lines whose entries are still to come.
    """
    every: list[Entry] = []
    seen: dict[int, set[Value]] = {}
    touched = _headers(types, entries)
    while fresh := {t: keys for t, some in touched.items() if (keys := some - seen.get(t, set()))}:
        for type_id, keys in fresh.items():
            seen.setdefault(type_id, set()).update(keys)
        found = reader.log_hidden(fresh, _lines_of(types, fresh))
        every += found
        touched = _headers(types, found)
    return every


def _lines_of(types: TypeSet, headers: Headers) -> Headers:
    """The same families by their lines: by the types below, the keys of their parents."""
    lines: Headers = {}
    for type_id, keys in headers.items():
        for child in types.children[types.names[type_id]]:
            lines.setdefault(types.ids[child], set()).update(keys)
    return lines


def _later(
    reader: Reader, types: TypeSet, headers: Headers, page: LogPage, reach: Reach, near: Cursor, most: int | None
) -> Iterator[Found]:
    """Entries of these families behind the page: up to `near`, and further where they can have any."""
    most = None if most is None else most + 1
    if not headers:
        return
    if reach.looked is None or near >= page.end:
        yield Found(_between(reader, types, headers, page.upto, page.end, most), page.end)
        return
    yield Found(_between(reader, types, headers, page.upto, near, most), near)
    far = {t: keys & reach.far.get(t, {}).keys() for t, keys in headers.items()}
    yield Found(_between(reader, types, far, near, page.end, most), page.end)
    if reach.looked < page.end:  # logged since
        rest = {t: keys - far[t] for t, keys in headers.items()}
        yield Found(_between(reader, types, rest, max(reach.looked, near), page.end, most), page.end)


def _between(
    reader: Reader, types: TypeSet, headers: Headers, after: Cursor, upto: Cursor, most: int | None
) -> list[Entry]:
    headers = {type_id: keys for type_id, keys in headers.items() if keys}
    return reader.log_families(after, upto, headers, _lines_of(types, headers), most) if headers else []


def _headers(types: TypeSet, entries: list[Entry]) -> Headers:
    """The keys of the headers, by record type, whose families these entries belong to."""
    headers: Headers = {}
    for type_id in types.header_ids:
        headers.setdefault(type_id, set()).update(entry[KEY] for entry in entries if entry[TYPE] == type_id)
    for type_id, parent in types.parent_ids.items():
        parents = {entry[PARENT] for entry in entries if entry[TYPE] == type_id}
        headers.setdefault(parent, set()).update(parents - {None})
    return {type_id: keys for type_id, keys in headers.items() if keys}
