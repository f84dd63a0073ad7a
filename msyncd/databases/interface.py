"""What the flow asks of a database: one interface, the same on every dialect.

Every method either does all that it says or raises. Errors: DatabaseUnavailable when waiting can mend it (a lock, a
full disk, a lost connection), RowRejected when the values of a row are at fault.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar, TypeVar

from msyncd.databases.values import LOCK_SECONDS, Capture, Entry, Installed, Interest, LogPage, Scope
from msyncd.errors import MsyncdError
from msyncd.model import Cursor, Facts, RecordType, Row, Table, UniqueIndex, Value

if TYPE_CHECKING:  # takes 400 ms to import
    import dataset

T = TypeVar("T")


class CareNeeded(MsyncdError):
    """Something failed in a swift transaction, which is undone: repeat it with care (see `with_care`)."""


class RowRejected(MsyncdError):
    """The database would not take a row because of the row's own values."""


class Reader(ABC):
    """One consistent look at the database. No lock that an application would feel is held for longer than the look."""

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Run portable SQL on the ledger's tables (`?` for a value) and fetch what it returns."""

    @abstractmethod
    def log_end(self) -> Cursor:
        """The cursor behind the last entry that can be read now; never one before a cursor that was given earlier."""

    @abstractmethod
    def log_start(self) -> Cursor:
        """The cursor before the first entry that is still there: older cursors need a fill."""

    @abstractmethod
    def log_page(self, after: Cursor, limit: int, interest: Interest | None = None) -> LogPage:
        """Up to `limit` entries beyond a cursor; `upto` is the log's end if there are no more."""

    @abstractmethod
    def log_families(
        self,
        after: Cursor,
        upto: Cursor,
        headers: Mapping[int, Collection[Value]],
        lines: Mapping[int, Collection[Value]],
        most: int | None = None,
    ) -> list[Entry]:
        """Entries in (after, upto] of these families: headers by type and key, lines by type and parent's key.

        At most `most` are returned, whichever; who is given so many reads less at once.
        """

    def log_hidden(
        self, headers: Mapping[int, Collection[Value]], lines: Mapping[int, Collection[Value]]
    ) -> list[Entry]:
        """Entries of these families that are committed, and that no page may give yet: others before them are open.

        The rows of this look are as these entries left them.
        """
        return []

    @abstractmethod
    def log_left(self, after: Cursor) -> int:
        """About how many entries lie beyond a cursor; 0 only if none can be read there.

        For progress, so an estimate is enough. It must not cost a scan of the log.
        """

    @abstractmethod
    def log_beyond(self, cursor: Cursor, entries: int) -> Cursor:
        """A cursor that many entries beyond another, or a little less. It may lie beyond the log's end."""

    @abstractmethod
    def log_wide_families(
        self, after: Cursor, upto: Cursor, lines: Mapping[int, int], wider_than: int, most: int
    ) -> list[tuple[int, Value]]:
        """Families (the header's type and key) with entries in (after, upto] that lie further apart than so many.

        Further apart means: one lies at or before a cursor c, another beyond log_beyond(c, wider_than). None of these
        may be left out; a few more do no harm. `lines` gives the header's type of each type of lines. At most `most`
        are returned.
        """

    @abstractmethod
    def log_count(self, after: Cursor, interest: Interest | None = None, origin: int | None = None) -> int:
        """How many records have entries beyond a cursor (of one origin, if given).

        This, `log_keys` and `changed_since` see every entry that is committed, also where `log_page` must not give it
        yet, since others before it are still open.
        """

    def open_transaction_seconds(self) -> float | None:
        """How long the oldest transaction is open that keeps entries from being read; None: none does, or not known."""
        return None

    @abstractmethod
    def log_keys(self, after: Cursor, type_id: int, origin: int) -> set[Row]:
        """The keys of one type that `origin` changed beyond a cursor."""

    @abstractmethod
    def changed_since(self, type_id: int, key: Row, after: Cursor) -> bool:
        """Whether a record has changed beyond a cursor, by whomever; an entry for one site alone tells of no change."""

    @abstractmethod
    def deleted_parents(self, type_id: int, keys: Collection[Value]) -> dict[Value, tuple[Value, Value]]:
        """Store and routing value of records by their delete entries in the log: for lines whose header is gone."""

    @abstractmethod
    def rows(self, record_type: RecordType, keys: Collection[Row]) -> dict[Row, Row]:
        """The rows that stand under these keys, by key. Raises RowRejected for one that cannot be read."""

    @abstractmethod
    def stores_of(self, record_type: RecordType, keys: Collection[Row]) -> dict[Row, tuple[str | None, Value]]:
        """Store and routing value of the records that stand under these keys, through their parents if so declared."""

    @abstractmethod
    def children_of(self, record_type: RecordType, parents: Collection[Value], most: int | None = None) -> list[Row]:
        """The rows of a type whose parent (by `through`) is one of these.

        At most `most` are returned, whichever; who is given so many reads less at once.
        """

    @abstractmethod
    def existing(self, table: str, columns: Sequence[str], values: Collection[Row]) -> set[Row]:
        """Which of these value tuples stand in those columns of a table, as these compare."""

    @abstractmethod
    def holders(
        self, table: str, columns: Sequence[str], values: Collection[Row], key: Sequence[str]
    ) -> list[tuple[Row, Row]]:
        """(value, key) of every row of a table that holds one of these value tuples in those columns.

        As the columns themselves compare: the value is the one that was asked for, whichever is held to be the same.
        """

    @abstractmethod
    def page(
        self, record_type: RecordType, after: Row | None, limit: int, scope: Scope, upto: Row | None = None
    ) -> list[Row]:
        """Rows in key order beyond a key, at most `limit`: a piece of a fill."""

    @abstractmethod
    def count(self, record_type: RecordType, scope: Scope) -> int:
        """How many rows a scope has."""


class Writer(Reader):
    """A write transaction: durable when its `with` block ends, undone if that raises.

    msyncd's own write transactions exclude one another, also those of other processes. The application's go on beside
    them, where the database lets them: each statement here sees what others have committed before it, and what is
    decided about a record is decided after `lock_rows`. What `existing` finds here, nobody deletes before the end.
    """

    @abstractmethod
    def lock_rows(self, record_type: RecordType, keys: Iterable[Row]) -> None:
        """Nobody else changes or deletes the rows under these keys before the end; called before they are looked at.

        Waits for those who are changing them now, but a bounded time, and for less than after which a database breaks a
        deadlock at the application's cost: then raises DatabaseUnavailable. A key without a row is remembered: if
        somebody else brings a row there meanwhile, `upsert` raises DatabaseUnavailable instead of writing over it.
        Where only one transaction writes at a time there is nothing to do.
        """

    @abstractmethod
    def put(self, table: str, key: Mapping[str, Value], values: Mapping[str, Value]) -> None:
        """Write one row of a ledger table, whether it stood there or not."""

    @abstractmethod
    def insert(self, table: str, rows: Iterable[Mapping[str, Value]]) -> None:
        """Add rows to a ledger table."""

    @abstractmethod
    def savepoint(self) -> AbstractContextManager[None]:
        """Undoes what was done inside if the block raises; the transaction goes on."""

    @abstractmethod
    def begin_applying(self, origin: int) -> None:
        """From here on this transaction is the applier's: references may be put off to its commit.

        Only what `upsert`, `delete`, `park` and `set_column` write passes the guard, unlogged. Whatever else writes,
        hooks and the application's own triggers, is guarded and captured as this site's own change (P12).
        """

    @abstractmethod
    def end_applying(self) -> None:
        """The application's rules hold again; called before the commit."""

    @abstractmethod
    def as_application(self) -> AbstractContextManager[None]:
        """Inside, writes are guarded and captured like the application's own."""

    @abstractmethod
    def upsert(self, record_type: RecordType, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Write rows past the guard, unlogged. `columns` begin with the key. Raises RowRejected, with none written.

        A row under another key that holds a unique value of these is in the way, never updated in their stead. Rows of
        one call may refer to each other in any order. A reference to what comes later in the transaction is put off to
        the commit where its foreign key can be (`ForeignKey.deferrable`), else rejected.
        """

    @abstractmethod
    def delete(self, record_type: RecordType, keys: Sequence[Row]) -> None:
        """Delete rows past the guard, unlogged. Raises RowRejected, with none deleted.

        Rows of one call may refer to each other. What a cascade takes along is this site's own change: logged, guarded.
        """

    @abstractmethod
    def in_the_way(self, record_type: RecordType, unique: UniqueIndex, rows: Sequence[Row]) -> list[tuple[Row, Row]]:
        """(key of a row that is to be written, key of a record that stands and that this index lets not stand beside).

        The record type has all columns of the index. A record may be said to be in its own way. Raises RowRejected,
        for all of them, where a row has a value that the database cannot take.
        """

    @abstractmethod
    def park(self, record_type: RecordType, columns: Sequence[str], key: Row) -> None:
        """Give a record temporary unique values that its columns hold, so that another may take the ones it has."""

    @abstractmethod
    def set_column(self, record_type: RecordType, key: Row, column: str, value: Value) -> None:
        """Write one column of a record past the guard, unlogged."""

    @abstractmethod
    def lookups(self) -> "dataset.Database":
        """A dataset database within this transaction, for what is not hot."""

    @abstractmethod
    def append(self, width: int, entries: Iterable[Entry]) -> None:
        """Append entries to the change log; each has `width` key values."""

    @abstractmethod
    def log_written(self) -> Cursor:
        """A cursor behind every entry that stands in the log now, those of this transaction too.

        Who has confirmed it has them all. Others may still come before it, where transactions commit out of order.
        """

    @abstractmethod
    def trim_log(self, upto: Cursor) -> int:
        """Forget entries up to a cursor; returns how many."""

    @abstractmethod
    def log_again(self, type_id: int, after: Cursor, origin: int, only_site: int | None) -> int:
        """Append an entry for each record of a type that has entries beyond a cursor; returns how many."""

    @abstractmethod
    def log_all(self, type_id: int, record_type: RecordType, origin: int, scope: Scope) -> int:
        """Append an entry for each record of a type in a scope; returns how many."""


class Database(ABC):
    """The application's database as this process uses it. Safe to use from several threads."""

    dialect: str
    lock_seconds: ClassVar[float] = LOCK_SECONDS
    """How long applying a batch should take at most, since nobody else writes what it locks meanwhile."""
    emptied: Counter[tuple[str, str]]
    """Zero dates that this process wrote as NULL, by table and column: see the setting `zero_dates`."""

    @abstractmethod
    def describe(self) -> dict[str, Table]:
        """The application's tables, by casefolded name: `schema.name` for those outside its usual schema."""

    @abstractmethod
    def install(self, capture: Capture) -> Installed:
        """Make msyncd's tables and triggers, or bring them up to date. Idempotent; the application's tables stay."""

    @abstractmethod
    def installed(self) -> bool:
        """Whether msyncd's tables are there."""

    @abstractmethod
    def renew_guard(self, facts: Facts, writer: Writer, site: int) -> None:
        """Write the store facts that the guard reads, inside a transaction.

        From then on nobody else passes the guard by the facts of before; who has passed it already is waited for, so
        that what they wrote is seen by the looks that follow (P33).
        """

    @abstractmethod
    def remove(self) -> tuple[str, ...]:
        """Take every trace of msyncd away again; returns the names of what was dropped."""

    @abstractmethod
    def schema_version(self) -> int:
        """A number that changes when any table or trigger does. Cheap."""

    @abstractmethod
    def data_version(self) -> int:
        """A number that changes when any other connection has committed. Cheap: no table is read."""

    @abstractmethod
    def watched_paths(self) -> tuple[str, ...]:
        """Files whose events tell of a local write; empty where the database notifies otherwise."""

    @abstractmethod
    def wait_for_change(self, seconds: float) -> bool:
        """Wait until something seems to have been logged, so many seconds at most; whether it does. Never certain."""

    def leads(self) -> bool:
        """Whether this process is the one that does what only one of them is to do; for its chores, now and then.

        One that has died is followed by another. For a moment two may believe it: what they do must bear that.
        """
        return True

    @abstractmethod
    def read(self) -> AbstractContextManager[Reader]:
        """A consistent look."""

    @abstractmethod
    def write(self, *, swift: bool = False, immediate: bool = False) -> AbstractContextManager[Writer]:
        """A durable write transaction. Waits for the write lock a bounded time, then raises DatabaseUnavailable.

        A `swift` one keeps no savepoints, which cost a copy of every page touched; where it would need one, it raises
        CareNeeded. In an `immediate` one references are checked row by row, not at the commit, so that the row at fault
        is known.
        """

    def with_care(self, work: Callable[[Writer], T]) -> T:
        """Do some work in a transaction: swiftly, and if anything in it fails, once more with savepoints."""
        try:
            with self.write(swift=True) as writer:
                return work(writer)
        except (CareNeeded, RowRejected):
            try:
                with self.write() as writer:
                    return work(writer)
            except RowRejected:  # only the commit raises it here: a reference that was put off
                with self.write(immediate=True) as writer:
                    return work(writer)

    @abstractmethod
    def lookups(self) -> "dataset.Database":
        """A dataset database for reading on the calling thread, for what is not hot."""

    @abstractmethod
    def close(self) -> None:
        """Let go of every connection."""
