"""Receive: what a message says becomes changes of this site's record types, or is said to be unreadable."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from msyncd.errors import FactsChanged, MessageInvalid
from msyncd.flow.conversation import SpokenRow, TypeChanges
from msyncd.flow.types import TypeSet
from msyncd.model import Changes, RecordType, Row, Value


@dataclass(slots=True)
class Work:
    """The changes of one record type on their way in. Steps take out of it what is not to be applied.

    `record_type.columns` are those that the sender sent. `bases` (push) or `versions` (pull) go with any_site records.
    """

    record_type: RecordType
    writes: Changes
    deletes: Changes
    leaves: list[Row] = field(default_factory=list)
    numbers: dict[Row, int] = field(default_factory=dict)
    stands: dict[Row, tuple[str | None, object]] = field(default_factory=dict)
    """Store and routing value of those records that stand here already, by key."""
    above: dict[Row, Value] = field(default_factory=dict)
    """On the primary: the headers of lines that are deleted, by the lines' keys, as they stood or passed through."""
    passing: set[Row] = field(default_factory=set)
    """On the primary: the keys of what only passes through, since this site is no destination of it (P30)."""

    def all_keys(self) -> Iterable[Row]:
        """The keys of every change."""
        yield from self.writes.keys
        yield from self.deletes.keys
        yield from self.leaves

    def __len__(self) -> int:
        return len(self.writes) + len(self.deletes) + len(self.leaves)


Batchwork = dict[str, Work]
"""Work by record type, parents first."""


def received(types: TypeSet, spoken: Sequence[TypeChanges], origin: int, stopped: Mapping[str, str]) -> Batchwork:
    """The work that a message brings. Raises FactsChanged for a type or column that was not agreed at hello."""
    work: Batchwork = {}
    by_name = {one.type: one for one in spoken}
    if len(by_name) != len(spoken):
        raise MessageInvalid("a record type stands twice in one batch")
    for name in by_name:
        if name not in types.types or name in stopped:
            raise not_agreed(name, stopped.get(name))
    for name in types.order:
        if name in by_name:
            work[name] = _one(types.types[name], by_name[name], origin)
    return work


def not_agreed(name: str, why: str | None = None) -> FactsChanged:
    """A record type was stopped or taken out at one end since the last hello: the next says so at both."""
    words = f"record type {name} is not synced here" + (f": {why}" if why else "")
    return FactsChanged(words, hint="say hello again: the record types were changed")


def records_of(types: TypeSet, spoken: Iterable[tuple[str, SpokenRow]]) -> list[tuple[str, Row]]:
    """Records that a message names, of types that are synced here. Raises MessageInvalid for what can be no key."""
    return [(name, key_told(types.types[name], key)) for name, key in spoken if name in types.types]


def key_told(record_type: RecordType, spoken: Sequence[object]) -> Row:
    """A key, or a place between keys, as a message tells it. Raises MessageInvalid for what can be none."""
    key = tuple(one for one in spoken if isinstance(one, Value))
    if not len(key) == len(spoken) == len(record_type.key):
        raise MessageInvalid(f"{record_type.name}: what is asked for is no key")
    return key


def link_type(record_type: RecordType, columns: Sequence[str]) -> RecordType:
    """The record type with the columns that travel on a link, spelled as here.

    Raises FactsChanged for a column that is not here, MessageInvalid where the key does not come first.
    """
    if tuple(columns) == record_type.columns:
        return record_type
    spelled = {column.casefold(): column for column in record_type.columns}
    unknown = [column for column in columns if column.casefold() not in spelled]
    if unknown:
        raise FactsChanged(
            f"{record_type.name} has no column {', '.join(unknown)} here", hint="say hello again: the columns changed"
        )
    here = tuple(spelled[column.casefold()] for column in columns)
    if here[: len(record_type.key)] != record_type.key or len(set(here)) != len(here):
        raise MessageInvalid(f"{record_type.name}: the columns must begin with the key {', '.join(record_type.key)}")
    return replace(record_type, columns=here)


def _one(record_type: RecordType, spoken: TypeChanges, origin: int) -> Work:
    record_type = link_type(record_type, spoken.columns)
    width, columns = len(record_type.key), len(record_type.columns)
    if any(length != columns for length in set(map(len, spoken.rows))):
        raise MessageInvalid(f"{record_type.name}: a row has not {columns} values")
    if any(length != width for keys in (spoken.deletes, spoken.leaves) for length in set(map(len, keys))):
        raise MessageInvalid(f"{record_type.name}: a key has not {width} values")
    if spoken.delete_stores and len(spoken.delete_stores) != len(spoken.deletes):
        raise MessageInvalid(f"{record_type.name}: deletes and their stores do not match")
    keys = [row[:width] for row in spoken.rows]
    try:
        distinct = {*keys, *spoken.deletes, *spoken.leaves}
    except TypeError as error:
        raise MessageInvalid(f"{record_type.name}: a key holds something that is no value") from error
    if len(distinct) != len(keys) + len(spoken.deletes) + len(spoken.leaves):
        raise MessageInvalid(f"{record_type.name}: a record stands twice in one batch")
    numbers = _numbers(spoken, keys)
    return Work(
        record_type,
        Changes(record_type, keys, list(spoken.rows), origins=[origin] * len(keys)),
        Changes(
            record_type,
            spoken.deletes,
            [None] * len(spoken.deletes),
            stores=spoken.delete_stores or None,
            origins=[origin] * len(spoken.deletes),
        ),
        list(spoken.leaves),
        numbers,
    )


def _numbers(spoken: TypeChanges, keys: Sequence[Row]) -> dict[Row, int]:
    """The version that each change brings, or on which it is based."""
    numbers: dict[Row, int] = {}
    of_rows = spoken.bases if spoken.bases is not None else spoken.versions
    for some, given in ((keys, of_rows), (spoken.deletes, spoken.delete_bases)):
        if given is not None and len(given) != len(some):
            raise MessageInvalid(f"{spoken.type}: changes and their versions do not match")
        numbers |= dict(zip(some, given or (), strict=given is not None))
    return numbers
