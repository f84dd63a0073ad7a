"""The words of the field as frozen values. No I/O: everything here can be made and compared in a test.

One word per idea; docs/glossary.md says what each means to an admin.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Annotated, Final, Literal, NamedTuple, overload

import msgspec

Value = None | bool | int | float | str | bytes
"""One value of one column. What a database gives is in the canonical form of its column's kind (databases/kinds.py)."""

Row = tuple[Value, ...]
"""The values of a record in the order of RecordType.columns, or of a key in the order of RecordType.key."""

Operation = Literal["write", "delete"]
EditedOn = Literal["primary", "active_site", "any_site"]
SentTo = Literal["every_site", "sites_of_store", "primary_only"]
Direction = Literal["push", "pull"]
ApplicationTriggers = Literal["fire", "silent"]
Kind = Literal[
    "integer",
    "decimal",
    "float",
    "text",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "boolean",
    "json",
    "uuid",
    "binary",
    "array",
    "any",
]
"""What a column holds, whatever its database calls it; "any" where the database does not say."""
ZeroDates = Literal["null", "refuse"]
"""What becomes of 0000-00-00 where a database has no such date."""

PRIMARY: Final = 1
"""The sync ID of the primary."""


Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""A whole number as every database holds it, in 64 bits: what a message tells beyond them is no message."""
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Cursor(NamedTuple):
    """A place in a site's change log in commit order: everything up to and including it has been read.

    `major` is the writing transaction's number where the database orders commits by it (PostgreSQL), else 0.
    """

    major: _Number
    seq: _Number


START = Cursor(0, 0)
"""Before the first change."""


# --- record types ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Through:
    """A record's store is its parent's: `column` holds the key of a record of type `parent`."""

    column: str
    parent: str


@dataclass(frozen=True, slots=True)
class AlsoSentTo:
    """A further destination: the active site of the store that `column` names.

    `kind` says how: "store_of_name", the column holds a name that may stand for a store; "store", a store's value.
    """

    kind: Literal["store_of_name", "store"]
    column: str


@dataclass(frozen=True, slots=True)
class RecordType:
    """A declared table: its key, who edits it, who receives it.

    `columns` are those that travel, the key first, as the database here spells them. `store` is the column that names
    the store, or the parent through which it is known; None for records that belong to no store.
    """

    name: str
    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    edited_on: EditedOn
    sent_to: SentTo
    store: str | Through | None = None
    also_sent_to: AlsoSentTo | None = None
    clear_missing: frozenset[str] = frozenset()
    guard: bool = True
    application_triggers: ApplicationTriggers | None = None
    excludes_columns: bool = False

    @property
    def through(self) -> Through | None:
        """The parent by which the store is known, or None."""
        return self.store if isinstance(self.store, Through) else None

    @property
    def store_column(self) -> str | None:
        """The column of this very table that names the store, or None."""
        return self.store if isinstance(self.store, str) else None

    def key_of(self, row: Row) -> Row:
        """The key of a row: columns begin with it."""
        return row[: len(self.key)]

    def index(self, column: str) -> int:
        """The place of a column in a row. Raises ValueError for a column that does not travel."""
        return self.columns.index(column)


# --- tables, as a database describes them ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `declared` is its type as the database spells it; `generated` cannot be written.

    `kind` says how its values are written when they leave the database: see databases/kinds.py. `unfit_key` says why it
    cannot be in a key, if it cannot.
    """

    name: str
    declared: str = ""
    nullable: bool = True
    has_default: bool = False
    collation: str | None = None
    generated: bool = False
    kind: Kind = "any"
    unfit_key: str = ""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference that the database declares. `on_delete`: NO ACTION, RESTRICT, CASCADE, SET NULL, SET DEFAULT.

    `deferrable`: whether msyncd can put its check off to the commit. `on_update` is like `on_delete`, where the
    database's triggers do not see what it does; else NO ACTION.
    """

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str = "NO ACTION"
    deferrable: bool = True
    on_update: str = "NO ACTION"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the application: names as the database spells them.

    `uniques` holds the columns of every unique constraint or plain unique index but the primary key. `triggers` are the
    application's own, and `silenceable` says whether they can be silenced. `kind` "table" can be captured; "view" and
    "virtual" cannot. `unfit` says why a table cannot be captured, and `remedy` what to do, if it cannot.
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    triggers: tuple[str, ...] = ()
    kind: Literal["table", "view", "virtual"] = "table"
    silenceable: bool = True
    unfit: str = ""
    remedy: str = ""

    def column(self, name: str) -> Column | None:
        """The column of that name, whatever its case; None if there is none."""
        folded = name.casefold()
        return next((column for column in self.columns if column.name.casefold() == folded), None)


# --- sites and stores -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Site:
    """A server that syncs. `active_stores` and `copies_of` hold store values; copies_of may be "all"."""

    sync_id: int
    name: str
    active_stores: frozenset[str] = frozenset()
    copies_of: frozenset[str] | Literal["all"] = frozenset()

    def holds_copy(self, store: str) -> bool:
        """Whether the site is to hold a read-only copy of that store's records."""
        return self.copies_of == "all" or store in self.copies_of


HandOverStep = Literal["draining", "filling"]


@dataclass(frozen=True, slots=True)
class HandOver:
    """A store on its way from one site to another (P31 to P34); its records can be edited nowhere meanwhile.

    "draining": what the old site has written before it heard of it is still accepted from there. "filling": no longer;
    the new site is brought all of it. `forced`: the old site is not waited for (known on the primary only).
    """

    from_site: int | None
    to_site: int
    step: HandOverStep = "draining"
    forced: bool = False

    @property
    def takes_back(self) -> bool:
        """Whether it is no move: the site was restored from a backup and takes back its own (P35)."""
        return self.from_site == self.to_site

    @property
    def ends(self) -> frozenset[int]:
        """Both sites: each is to hold the store's records until it is over."""
        return frozenset({self.from_site, self.to_site} - {None})  # type: ignore[arg-type]  # None is taken out


@dataclass(frozen=True, slots=True)
class StoreFact:
    """Where a store is active: a row of the primary's database. Not a wish: a wish stands in the YAML.

    `epoch` grows by one with each hand-over. `active_site` is the site from which the primary accepts its records;
    None: from nowhere. While `hand_over` is there, nobody's application may edit them, not there either.
    """

    store: str
    code: str
    active_site: int | None
    epoch: int = 1
    name: Value = None
    hand_over: HandOver | None = None

    @property
    def edited_at(self) -> int | None:
        """The site whose guard lets its application edit the store's records; None: none does."""
        return self.active_site if self.hand_over is None else None

    @property
    def home(self) -> frozenset[int]:
        """The sites that hold the store's records as their own: where it is active, both ends of a hand-over."""
        own = frozenset[int]() if self.active_site is None else frozenset({self.active_site})
        return own if self.hand_over is None else own | self.hand_over.ends


@dataclass(frozen=True, slots=True)
class Facts:
    """The numbered truth about sites and stores, as the primary's database has it and as every site has heard it.

    `number` grows with each change of any of it; a site that acts on an older number is asked to say hello again.
    """

    number: int
    stores: Mapping[str, StoreFact]
    sites: Mapping[int, Site]

    def active_site(self, store: Value) -> int | None:
        """The one site on which that store's records may be edited, or None."""
        fact = self.stores.get(store) if isinstance(store, str) else None
        return fact.active_site if fact else None

    def home(self, store: Value) -> frozenset[int]:
        """The sites that hold that store's records as their own (see StoreFact.home); copies are another matter."""
        fact = self.stores.get(store) if isinstance(store, str) else None
        return fact.home if fact else frozenset()

    def stores_at(self, site: int) -> frozenset[str]:
        """The stores whose records a site holds as its own."""
        return frozenset(fact.store for fact in self.stores.values() if site in fact.home)

    def holds(self, site: int, store: str) -> bool:
        """Whether a site is to hold a store's records, as its own or as a copy."""
        known = self.sites.get(site)
        return site in self.home(store) or (known is not None and known.holds_copy(store))

    def epoch(self, store: str) -> int:
        """The store's epoch; 0 for a store that nobody has declared."""
        fact = self.stores.get(store)
        return fact.epoch if fact else 0

    def code(self, store: Value) -> str:
        """The code by which people know the store."""
        fact = self.stores.get(store) if isinstance(store, str) else None
        return fact.code if fact else str(store)


# --- changes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """The fact that a record was written or deleted, with its row if it stands."""

    record_type: str
    key: Row
    operation: Operation
    store: str | None
    store_before: str | None
    origin: int
    row: Row | None
    columns: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def value(self, column: str) -> Value:
        """The value of a column; None for a delete. Raises KeyError for a column that does not travel."""
        if column not in self.columns:
            raise KeyError(f"{self.record_type} has no column {column}")
        return self.row[self.columns.index(column)] if self.row is not None else None


class Changes(Sequence[Change]):
    """Changes of one record type, held by column; a Change is made only when one is indexed.

    All lists have the same length and order. `rows[i]` is None for a delete. `routes[i]` is the value of the column
    that also_sent_to names, as it was captured (a delete has one too); None where the record type has no such column.
    """

    __slots__ = ("_operations", "keys", "origins", "record_type", "routes", "rows", "stores", "stores_before")

    def __init__(
        self,
        record_type: RecordType,
        keys: Sequence[Row],
        rows: Sequence[Row | None],
        *,
        operations: Sequence[Operation] | None = None,
        stores: Sequence[str | None] | None = None,
        stores_before: Sequence[str | None] | None = None,
        origins: Sequence[int] | None = None,
        routes: Sequence[Value] | None = None,
    ) -> None:
        self.record_type = record_type
        self.keys = keys
        self.rows = rows
        self._operations = operations
        self.stores: Sequence[str | None] = stores if stores is not None else [None] * len(keys)
        self.stores_before: Sequence[str | None] = stores_before if stores_before is not None else [None] * len(keys)
        self.origins: Sequence[int] = origins if origins is not None else [0] * len(keys)
        self.routes: Sequence[Value] = routes if routes is not None else [None] * len(keys)

    @property
    def operations(self) -> Sequence[Operation]:
        """What became of each record."""
        if self._operations is not None:
            return self._operations
        found: list[Operation] = ["delete" if row is None else "write" for row in self.rows]
        self._operations = found
        return found

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Change: ...
    @overload
    def __getitem__(self, index: slice) -> "Changes": ...
    def __getitem__(self, index: int | slice) -> "Change | Changes":
        if isinstance(index, slice):
            return self.select(range(*index.indices(len(self.keys))))
        return Change(
            self.record_type.name,
            self.keys[index],
            self.operations[index],
            self.stores[index],
            self.stores_before[index],
            self.origins[index],
            self.rows[index],
            self.record_type.columns,
        )

    def __iter__(self) -> Iterator[Change]:
        names, columns = repeat(self.record_type.name), repeat(self.record_type.columns)
        return map(
            Change, names, self.keys, self.operations, self.stores, self.stores_before, self.origins, self.rows, columns
        )

    def __repr__(self) -> str:
        return f"<{len(self)} changes of {self.record_type.name}>"

    def column(self, name: str) -> list[Value]:
        """The values of one column, None for deletes. Raises ValueError for a column that does not travel."""
        at = self.record_type.index(name)
        return [row[at] if row is not None else None for row in self.rows]

    def select(self, indexes: Iterable[int]) -> "Changes":
        """The changes at these places, in this order."""
        at = list(indexes)
        if at == list(range(len(self.keys))):
            return self
        return Changes(
            self.record_type,
            [self.keys[i] for i in at],
            [self.rows[i] for i in at],
            operations=[self.operations[i] for i in at],
            stores=[self.stores[i] for i in at],
            stores_before=[self.stores_before[i] for i in at],
            origins=[self.origins[i] for i in at],
            routes=[self.routes[i] for i in at],
        )


# --- what rules and plugins answer ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Allow:
    """The change may be applied. The same as answering None."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The change is kept in quarantine with this reason, and its site is told."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """The change is kept aside and tried again by itself with each later batch."""

    reason: str


@dataclass(frozen=True, slots=True)
class Replace:
    """The change is applied with this row, in the order of RecordType.columns, instead of its own."""

    row: Row


Verdict = Allow | Refuse | Wait | Replace


@dataclass(frozen=True, slots=True)
class Route:
    """What a plugin adds to or removes from the destinations of one change; remove beats add."""

    add_sites: frozenset[int] = frozenset()
    remove_sites: frozenset[int] = frozenset()
    add_stores: frozenset[str] = frozenset()
    remove_stores: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two sites wrote the same record of a type that any site may edit. `base` is what both last agreed on."""

    key: Row
    base: Row | None
    here: Row
    incoming: Row


@dataclass(frozen=True, slots=True)
class Refusal:
    """A change that a rule said no to, with its reason.

    `may_edit` False: the site may not edit the record at all, so the authoritative version is put back there.
    `plugin` names the rule or plugin that said so.
    """

    record_type: str
    key: Row
    reason: str
    plugin: str
    may_edit: bool = True
    store: str | None = None
    row: Row | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AppliedBatch:
    """What a batch did here, as hooks see it: the changes by record type, told apart by what they did.

    `new` had no row here before, `changed` had another one, `same` had the very same. Deletes count as changed if a
    row stood here, else as same.
    """

    origin: int
    mark: str
    new: Mapping[str, Changes] = field(default_factory=dict)
    changed: Mapping[str, Changes] = field(default_factory=dict)
    same: Mapping[str, Changes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CycleSummary:
    """What one cycle did, for `msyncd_cycle_finished`, the log and `msyncd sync`."""

    sent: int = 0
    received: int = 0
    refused: int = 0
    waiting: int = 0
    left_to_send: int = 0
    left_to_receive: int | None = 0
    problem: str | None = None
