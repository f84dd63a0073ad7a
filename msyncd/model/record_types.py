"""What is synced: record types, as the YAML declares them and the database completes them."""

from dataclasses import dataclass, replace
from typing import Literal

from msyncd.model.values import ApplicationTriggers, EditedOn, Row, SentTo


@dataclass(frozen=True, slots=True)
class Through:
    """A record's store is its parent's: `column` holds the key of a record of type `parent`."""

    column: str
    parent: str


@dataclass(frozen=True, slots=True)
class AlsoSentTo:
    """A further destination: the active site of the store that `column` names.

    `kind` says how: "store_of_name", the column holds a name that may stand for a store; "store", a store's value;
    "by_plugins", the column names no store: the change log keeps its values for plugins, see msyncd_touched.
    """

    kind: Literal["store_of_name", "store", "by_plugins"]
    column: str

    @property
    def names_store(self) -> bool:
        """Whether the column means a store at all."""
        return self.kind != "by_plugins"


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

    @property
    def keys_only(self) -> "RecordType":
        """The same with nothing but its key: for looks that only name records, so that no other value is read."""
        return replace(self, columns=self.key)

    def key_of(self, row: Row) -> Row:
        """The key of a row: columns begin with it."""
        return row[: len(self.key)]

    def index(self, column: str) -> int:
        """The place of a column in a row. Raises ValueError for a column that does not travel."""
        return self.columns.index(column)
