"""What a database is told and tells: entries of the change log, what is wanted of it, what is to be captured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from msyncd.model import Cursor, Facts, RecordType, Value

WRITE = 1
DELETE = 2

LOCK_SECONDS: Final = 0.1
"""How long the one write lock of a database that has only one is held at a time (P25)."""

# An entry of the change log as a plain tuple, since thousands are read at a time:
# (type, operation, origin, store, store_before, route, route_before, only_site, parent, key, key, ...)
Entry = tuple[Any, ...]
TYPE, OPERATION, ORIGIN, STORE, STORE_BEFORE, ROUTE, ROUTE_BEFORE, ONLY_SITE, PARENT, KEY = range(10)


@dataclass(frozen=True, slots=True)
class LogPage:
    """Entries of the change log in commit order. `upto` is the cursor behind the last; `end` that of the whole log."""

    entries: list[Entry]
    upto: Cursor
    end: Cursor


@dataclass(frozen=True, slots=True)
class Interest:
    """Which entries can concern a site at all: a filter for the database, wider than routing, never narrower.

    `types` are always of interest; others if their store is one of `stores` (None: any) or their routing value one of
    `routes`. `not_from` leaves out entries that came from that site and from no one else's hand.
    """

    site: int
    types: frozenset[int]
    stores: frozenset[str] | None
    routes: frozenset[Value]


@dataclass(frozen=True, slots=True)
class Capture:
    """What is to be captured and guarded on this site."""

    site: int
    record_types: tuple[RecordType, ...]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Installed:
    """What `install` found and did: ids of the record types in the change log, names of what it made or dropped.

    `lost` names record types whose tables may have changed unseen: their triggers had gone, or were not there while the
    type was stopped or not yet declared. They are not `captured` in msyncd_record_type, and are named by each install,
    until whoever has looked after them says so there.
    """

    ids: Mapping[str, int]
    made: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows a fill is about: those of `stores` (None: every row), or whose routing value is one of `routes`."""

    stores: frozenset[str] | None = None
    routes: frozenset[Value] = field(default_factory=frozenset)
