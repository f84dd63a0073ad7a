"""Families across the pages of a change log: what goes with a page before its own turn (P9), and goes only once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from msyncd.databases.interface import KEY, PARENT, TYPE, Entry, LogPage, Reader
from msyncd.flow.types import TypeSet
from msyncd.model import Cursor, Row, Value

Record = tuple[int, Row]
"""A record type's number in the change log, and a key."""

MOST = 100_000
"""Records, or families, that are remembered; memory is bounded, and what is forgotten costs time only."""
NEAR = 20_000
"""Entries behind a page in which its families are looked for, where those that reach further are known."""
FAR = 3 * NEAR
"""A log that goes on for more than this is looked through once for families that reach far."""


class Sent(Protocol):
    """A window that is being sent."""

    @property
    def end(self) -> Cursor: ...
    @property
    def ahead(self) -> frozenset[Record]: ...
    @property
    def passed(self) -> frozenset[Record]: ...


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the families of a page can have later entries: up to `near`, and beyond `looked`; those in `far` anywhere.

    `near` None: anywhere up to the log's end.
    """

    near: Cursor | None = None
    looked: Cursor | None = None
    far: Mapping[int, set[Value]] = field(default_factory=dict)


class Ahead:
    """What went ahead of its turn, so that it is not sent a second time when its turn comes.

    It holds for one unbroken run of batches: after anything else than "applied", begin with a new one. Each record is
    kept with the log's end when it was read: what was logged since is news.
    """

    def __init__(self) -> None:
        self._until: dict[Record, Cursor] = {}
        self._far: dict[int, set[Value]] = {}
        self._looked: Cursor | None = None
        self._too_many = False

    def fresh(self, page: LogPage, widths: Mapping[int, int]) -> tuple[list[Entry], set[Record]]:
        """The entries of a page that have not gone, and the records of those that have."""
        if not self._until:
            return page.entries, set()
        fresh: list[Entry] = []
        passed: set[Record] = set()
        for entry in page.entries:
            record = (entry[TYPE], entry[KEY : KEY + widths.get(entry[TYPE], 1)])
            until = self._until.get(record)
            if until is None or page.upto > until:
                fresh.append(entry)
            else:
                passed.add(record)
        return fresh, passed

    def went(self, window: Sent) -> None:
        """The window is being sent: remember what goes with it before its turn, forget whose turn is over."""
        for record in window.passed:
            self._until.pop(record, None)
        if len(self._until) > MOST:
            self._until.clear()
        self._until.update(dict.fromkeys(window.ahead, window.end))

    def reach(self, reader: Reader, types: TypeSet, after: Cursor, page: LogPage) -> Reach:
        """How far the families of a page can reach. A long log is looked through once for those that reach far."""
        if self._looked is None and not self._too_many and reader.log_beyond(page.upto, FAR) < page.end:
            lines = {types.ids[name]: types.ids[one.through.parent] for name, one in types.types.items() if one.through}
            wide = reader.log_wide_families(after, page.end, lines, NEAR, MOST + 1)
            self._too_many = len(wide) > MOST
            self._looked = page.end
            for type_id, key in wide:
                self._far.setdefault(type_id, set()).add(key)
        if self._looked is None or self._too_many:
            return Reach()
        return Reach(reader.log_beyond(page.upto, NEAR), self._looked, self._far)


def families(reader: Reader, types: TypeSet, entries: list[Entry], page: LogPage, reach: Reach) -> list[Entry]:
    """Later entries of the families that the entries touch, header by header and line by line."""
    extra: list[Entry] = []
    seen: dict[int, set[Value]] = {}
    fresh = _headers(types, entries)
    while fresh:
        for type_id, keys in fresh.items():
            seen.setdefault(type_id, set()).update(keys)
        later = _later(reader, types, fresh, page, reach)
        extra += later
        found = _headers(types, later)
        fresh = {t: keys - seen.get(t, set()) for t, keys in found.items() if keys - seen.get(t, set())}
    return extra


def _later(reader: Reader, types: TypeSet, headers: dict[int, set[Value]], page: LogPage, reach: Reach) -> list[Entry]:
    if reach.near is None or reach.looked is None or reach.near >= page.end:
        return _between(reader, types, headers, page.upto, page.end)
    found = _between(reader, types, headers, page.upto, reach.near)
    far = {t: keys & reach.far.get(t, set()) for t, keys in headers.items()}
    found += _between(reader, types, {t: keys for t, keys in far.items() if keys}, reach.near, page.end)
    if reach.looked < page.end:  # logged since
        near = {t: keys - far[t] for t, keys in headers.items()}
        found += _between(reader, types, near, max(reach.looked, reach.near), page.end)
    return found


def _between(
    reader: Reader, types: TypeSet, headers: dict[int, set[Value]], after: Cursor, upto: Cursor
) -> list[Entry]:
    lines: dict[int, set[Value]] = {}
    names = types.names
    for type_id, keys in headers.items():
        for child in types.children[names[type_id]]:
            lines.setdefault(types.ids[child], set()).update(keys)
    return reader.log_families(after, upto, headers, lines) if headers else []


def _headers(types: TypeSet, entries: list[Entry]) -> dict[int, set[Value]]:
    """The keys of the headers, by record type, whose families these entries belong to."""
    headers: dict[int, set[Value]] = {}
    for name, record_type in types.types.items():
        type_id = types.ids[name]
        if types.children[name]:
            headers.setdefault(type_id, set()).update(entry[KEY] for entry in entries if entry[TYPE] == type_id)
        if record_type.through:
            parents = {entry[PARENT] for entry in entries if entry[TYPE] == type_id}
            headers.setdefault(types.ids[record_type.through.parent], set()).update(parents - {None})
    return {type_id: keys for type_id, keys in headers.items() if keys}
