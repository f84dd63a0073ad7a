"""A fresh application database of one kind, and its application."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from msyncd.model import RecordType, Table, Through
from msyncd.testing.application import Connection, connect

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "sqlite": {"{double}": "DOUBLE", "{blob}": "BLOB", "{timestamptz}": "TIMESTAMPTZ", "{deferrable}": "DEFERRABLE"},
    "postgresql": {
        "{double}": "DOUBLE PRECISION",
        "{blob}": "BYTEA",
        "{timestamptz}": "TIMESTAMPTZ",
        "{deferrable}": "DEFERRABLE",
    },
    "mariadb": {"{double}": "DOUBLE", "{blob}": "LONGBLOB", "{timestamptz}": "TIMESTAMP(6)", "{deferrable}": ""},
}
"""What the kinds spell differently; for all else tests use words that all three take: VARCHAR(40), INTEGER, BIGINT."""


class Application:
    """The application that owns the database: its connection, and as many more as a test asks for."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = url
        self._connections: list[Connection] = []
        self.connection = self.connect()
        if kind == "sqlite":
            self.connection.execute("PRAGMA journal_mode=WAL")

    def connect(self) -> Connection:
        """Another connection, independent of the others; it is closed with the application."""
        made = connect(self.url)
        self._connections.append(made)
        return made

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """One statement of the application, which commits by itself unless `begin` was called."""
        return self.connection.execute(sql, parameters)

    def begin(self) -> None:
        """Open a transaction."""
        self.connection.begin()

    def commit(self) -> None:
        """Commit it."""
        self.connection.commit()

    def rollback(self) -> None:
        """Undo it."""
        self.connection.rollback()

    def make(self, sql: str) -> None:
        """Run a script that makes tables, with the words of WORDS in braces."""
        for word, own in WORDS[self.kind].items():
            sql = sql.replace(word, own)
        self.connection.script(sql)

    def quoted(self, name: str) -> str:
        """An identifier as this database quotes it."""
        mark = "`" if self.kind == "mariadb" else '"'
        return mark + name.replace(mark, mark * 2) + mark

    def close(self) -> None:
        """Close every connection; what they have not committed is undone."""
        for one in self._connections:
            with suppress(Exception):
                one.close()


def spelled(tables: Mapping[str, Table], record_type: RecordType) -> RecordType:
    """A record type with its table and columns as this database spells them."""
    from dataclasses import replace

    table = tables[record_type.table.casefold()]

    def name(column: str) -> str:
        found = table.column(column)
        assert found is not None, f"{table.name} has no column {column}"
        return found.name

    store: str | Through | None = record_type.store
    if isinstance(store, Through):
        store = replace(store, column=name(store.column))
    elif store is not None:
        store = name(store)
    also = record_type.also_sent_to
    return replace(
        record_type,
        table=table.name,
        key=tuple(map(name, record_type.key)),
        columns=tuple(map(name, record_type.columns)),
        store=store,
        also_sent_to=replace(also, column=name(also.column)) if also else None,
    )
