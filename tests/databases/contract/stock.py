"""A small medical store in a database of any kind, captured and guarded as a site would have it."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from msyncd.databases import Database
from msyncd.databases.interface import Writer
from msyncd.databases.values import (
    KEY,
    OPERATION,
    PARENT,
    ROUTE,
    ROUTE_BEFORE,
    STORE,
    STORE_BEFORE,
    TYPE,
    Capture,
    Entry,
    LogPage,
)
from msyncd.model import START, AlsoSentTo, Cursor, Facts, RecordType, Row, StoreFact, Through, Value
from msyncd.testing.application import Connection
from tests.databases.contract.application import Application, spelled

SCHEMA: Final = """
CREATE TABLE item (
  ID VARCHAR(40) PRIMARY KEY, code VARCHAR(40) UNIQUE, item_name VARCHAR(200), local_note VARCHAR(200));
CREATE TABLE item_line (
  ID VARCHAR(40) PRIMARY KEY, store_ID VARCHAR(40),
  item_ID VARCHAR(40) REFERENCES item (ID) ON DELETE CASCADE ON UPDATE CASCADE,
  quantity {double}, local_note VARCHAR(40) UNIQUE);
CREATE TABLE transact (
  ID VARCHAR(40) PRIMARY KEY, store_ID VARCHAR(40), name_ID VARCHAR(40), number INTEGER, status VARCHAR(8),
  UNIQUE (store_ID, number));
CREATE TABLE trans_line (
  ID VARCHAR(40) PRIMARY KEY,
  transaction_ID VARCHAR(40) REFERENCES transact (ID) ON DELETE CASCADE ON UPDATE CASCADE,
  item_ID VARCHAR(40) REFERENCES item (ID) ON DELETE SET NULL, quantity {double});
CREATE TABLE line_note (
  ID VARCHAR(40) PRIMARY KEY, line_ID VARCHAR(40) REFERENCES trans_line (ID) ON DELETE CASCADE ON UPDATE CASCADE,
  note VARCHAR(200));
"""

ITEM = RecordType("item", "item", ("ID",), ("ID", "code", "item_name"), "primary", "every_site", excludes_columns=True)
ITEM_LINE = RecordType(
    "item_line", "item_line", ("ID",), ("ID", "store_ID", "item_ID", "quantity"), "active_site", "sites_of_store",
    store="store_ID", excludes_columns=True,
)  # fmt: skip
TRANSACT = RecordType(
    "transact", "transact", ("ID",), ("ID", "store_ID", "name_ID", "number", "status"), "active_site", "sites_of_store",
    store="store_ID", also_sent_to=AlsoSentTo("store_of_name", "name_ID"),
)  # fmt: skip
TRANS_LINE = RecordType(
    "trans_line", "trans_line", ("ID",), ("ID", "transaction_ID", "item_ID", "quantity"), "active_site",
    "sites_of_store", store=Through("transaction_ID", "transact"),
)  # fmt: skip
LINE_NOTE = RecordType(
    "line_note", "line_note", ("ID",), ("ID", "line_ID", "note"), "active_site", "sites_of_store",
    store=Through("line_ID", "trans_line"),
)  # fmt: skip
TYPES: Final = (ITEM, ITEM_LINE, TRANSACT, TRANS_LINE, LINE_NOTE)

STORES: Final = {
    "b": StoreFact("b", "BUM", 2),
    "c": StoreFact("c", "CMS", 1),
    "h": StoreFact("h", "KDI", 2),
    "k": StoreFact("k", "KAL", 3),
    "x": StoreFact("x", "OLD", None),
}
FACTS: Final = Facts(1, STORES, {})

HEADER: Final = "INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw')"
LINE: Final = "INSERT INTO trans_line VALUES ('l1', 't1', NULL, 5)"
NOTE: Final = "INSERT INTO line_note VALUES ('o1', 'l1', 'fragile')"

PATIENCE: Final = 60.0
"""Seconds that a log may take to show what is committed: other transactions of the server may hold it up."""

Record = tuple[str, Value | Row]
"""A record type's name and the key: the value itself where it is one."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the log tells of a record: operations, and every store and route that it had, through its parents too."""

    operations: frozenset[int]
    stores: frozenset[Value]
    routes: frozenset[Value]


def seen(operations: Sequence[int] | int, stores: str = "", routes: str = "") -> Seen:
    """A Seen in short: stores and routes in one word, separated by blanks."""
    several = operations if isinstance(operations, Sequence) else [operations]
    return Seen(frozenset(several), frozenset(stores.split()), frozenset(routes.split()))


class Stock:
    """An application's database with capture and guard: what the application does in it, what the log then says."""

    def __init__(
        self,
        application: Application,
        database: Database,
        *,
        schema: str = SCHEMA,
        types: Sequence[RecordType] = TYPES,
        site: int = 2,
        guard: bool = True,
        facts: Facts = FACTS,
        before: str = "",
        open_another: Callable[[str], Database] | None = None,
    ) -> None:
        self._open_another, self._facts = open_another, facts
        self.application, self.database, self.site = application, database, site
        application.make(schema)
        application.make(before)
        tables = database.describe()
        self.types = {one.name: replace(spelled(tables, one), guard=one.guard and guard) for one in types}
        self.install(facts)
        self._upto = settled(database).upto

    def install(self, facts: Facts = FACTS) -> None:
        """Install capture and guard as the daemon does at its start, with these facts."""
        self.installed = self.database.install(Capture(self.site, tuple(self.types.values()), facts))
        self.ids = self.installed.ids
        self._names = {number: name for name, number in self.ids.items()}
        self.renew(facts)

    def another(self) -> Database:
        """The same database as another worker has it, with connections of its own."""
        assert self._open_another is not None
        opened = self._open_another(self.application.url)
        opened.install(Capture(self.site, tuple(self.types.values()), self._facts))
        return opened

    def renew(self, facts: Facts) -> None:
        """Other facts than before."""
        with self.database.write() as writer:
            self.database.renew_guard(facts, writer, self.site)

    # --- the application ---

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """What the application writes."""
        self.application.execute(sql, parameters)

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        """What the application reads."""
        return self.application.execute(sql)

    def family(self) -> None:
        """A header with a line with a note, logged and forgotten."""
        for statement in (HEADER, LINE, NOTE):
            self.run(statement)
        self.forget()

    def tables(self) -> list[list[tuple[Any, ...]]]:
        """Everything that stands in the declared tables."""
        quoted = self.application.quoted
        return [sorted(self.fetch(f"SELECT * FROM {quoted(one.table)}"), key=repr) for one in self.types.values()]

    def refusal(self, sql: str, parameters: Sequence[Any] = (), connection: Connection | None = None) -> str:
        """The words with which a write is refused. It must be undone, with everything that it logged."""
        connection = connection or self.application.connection
        before = self.tables()
        self.forget()
        with pytest.raises(connection.errors) as refused:
            connection.execute(sql, parameters)
        assert self.tables() == before
        assert self.entries() == []
        return connection.message(refused.value)

    # --- the log ---

    def entries(self) -> list[Entry]:
        """What was logged since the last look."""
        settled(self.database)
        with self.database.read() as reader:
            page = reader.log_page(self._upto, 1_000_000)
        self._upto = page.upto
        return page.entries

    def forget(self) -> Cursor:
        """Whatever was logged until now is of no interest; the cursor behind it."""
        self.entries()
        return self._upto

    def seen(self) -> dict[Record, Seen]:
        """What the log tells since the last look, by record."""
        by_record = self.by_record()
        return {record: self._seen(record, by_record) for record in by_record}

    def by_record(self) -> dict[Record, list[Entry]]:
        """The entries since the last look, by record."""
        by_record: defaultdict[Record, list[Entry]] = defaultdict(list)
        for entry in self.entries():
            by_record[self._record(entry)].append(entry)
        return dict(by_record)

    def logged(self) -> set[Record]:
        """The records that were logged since the last look."""
        return set(map(self._record, self.entries()))

    def name_of(self, type_id: int) -> str:
        """The record type of a number in the log."""
        return self._names[type_id]

    def _record(self, entry: Entry) -> Record:
        name = self._names[entry[TYPE]]
        key = tuple(entry[KEY : KEY + len(self.types[name].key)])
        return name, key[0] if len(key) == 1 else key

    def _seen(self, record: Record, by_record: dict[Record, list[Entry]]) -> Seen:
        stores, routes, operations = set[Value](), set[Value](), set[int]()
        through = self.types[record[0]].through
        for entry in by_record.get(record, ()):
            operations.add(entry[OPERATION])
            stores |= {entry[STORE], entry[STORE_BEFORE]}
            routes |= {entry[ROUTE], entry[ROUTE_BEFORE]}
            # the parent went in the same transaction: its own entry says where it was (P4)
            if entry[STORE] is None and through is not None and entry[PARENT] is not None:
                above = self._seen((through.parent, entry[PARENT]), by_record)
                stores |= above.stores
                routes |= above.routes
        return Seen(frozenset(operations), frozenset(stores - {None}), frozenset(routes - {None}))

    # --- the applier ---

    def apply(self, record_type: str, *rows: Row, columns: Sequence[str] | None = None, origin: int = 1) -> None:
        """Upsert rows of a record type as the applier does, in a transaction of its own."""
        one = self.types[record_type]
        with self.database.write() as writer:
            writer.begin_applying(origin)
            writer.upsert(one, self.columns(record_type, columns), rows)
            writer.end_applying()

    def take_away(self, record_type: str, *keys: Row, origin: int = 1) -> None:
        """Delete records as the applier does."""
        with self.database.write() as writer:
            writer.begin_applying(origin)
            writer.delete(self.types[record_type], keys)
            writer.end_applying()

    def columns(self, record_type: str, columns: Sequence[str] | None = None) -> tuple[str, ...]:
        """Columns as this database spells them; all that travel if none are named."""
        one = self.types[record_type]
        spelling = {column.casefold(): column for column in one.columns}
        return one.columns if columns is None else tuple(spelling[column.casefold()] for column in columns)

    def append(self, writer: Writer, *entries: tuple[str, int, str | None, str]) -> None:
        """Append entries as the applier does: record type, operation, store, key; from site 3."""
        writer.append(
            1, [(self.ids[name], op, 3, store, None, None, None, None, None, key) for name, op, store, key in entries]
        )


MakeStock = Callable[..., Stock]


def settled(database: Database) -> LogPage:
    """The whole log, once everything that is committed can be read in it."""
    give_up = time.monotonic() + PATIENCE
    while True:
        with database.read() as reader:
            committed = int(str(reader.execute("SELECT count(*) FROM msyncd_change_log")[0][0]))
            page = reader.log_page(START, 1_000_000)
        if len(page.entries) == committed:
            return page
        assert time.monotonic() < give_up, f"{committed - len(page.entries)} committed entries cannot be read"
        time.sleep(0.02)
