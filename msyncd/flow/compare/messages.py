"""What satellite and primary say to each other when they compare."""

from typing import Any

import msgspec

from msyncd.model import Whole

SpokenKey = tuple[Any, ...]


class Range(msgspec.Struct, frozen=True, array_like=True):
    """The records with keys beyond the range before, up to `upto` (None: to the end): how many, and their digest."""

    upto: SpokenKey | None
    records: Whole
    digest: bytes


class Compare(msgspec.Struct, frozen=True):
    """A question about one record type: which of these ranges differ, what a range holds, or how these keys stand.

    `columns` and `kinds` are the satellite's, so that both ends digest what both have. `ranges` follow each other from
    `after` on. `listing` asks for the records of the one range. `keys` asks for records by name; with `send_again` the
    primary also sends each of them anew, or takes it back, as it stands there. `results` ends a comparison.
    """

    type: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    database_id: str
    generation: Whole
    facts_number: Whole
    cursor: tuple[Whole, Whole] = (0, 0)
    """How far the satellite has the primary's change log: what changed beyond it is on its way."""
    after: SpokenKey | None = None
    ranges: tuple[Range, ...] = ()
    listing: bool = False
    keys: tuple[SpokenKey, ...] = ()
    send_again: bool = False
    results: tuple["Result", ...] = ()
    installation_id: str = ""


class Digest(msgspec.Struct, frozen=True, array_like=True):
    """One record at the primary. `digest` None: it has none that this site is to hold. `owner`: who may edit it."""

    key: SpokenKey
    digest: bytes | None
    owner: Whole | None = None
    moving: bool = False
    """Whether a change of it is on its way to the site."""


class Compared(msgspec.Struct, frozen=True):
    """The answer: which ranges differ, by their place in the question; or digests of records, up to `upto`."""

    differ: tuple[Whole, ...] = ()
    records: tuple[Digest, ...] = ()
    upto: SpokenKey | None = None
    """Where a listing stopped, if it is not at the range's end."""
    facts_number: Whole = 0


class Result(msgspec.Struct, frozen=True):
    """What a comparison of a record type found, for the primary's status."""

    type: str
    records: Whole
    differences: Whole
