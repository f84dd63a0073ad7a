"""A write transaction on PostgreSQL: the ledger's rows, savepoints, the change log. What is applied: applying."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from msyncd.databases.care import asking_for_care
from msyncd.databases.interface import Writer
from msyncd.databases.lookups import bound_to
from msyncd.databases.postgresql.bodies import CHANNEL
from msyncd.databases.postgresql.connection import Connection
from msyncd.databases.postgresql.errors import mapped
from msyncd.databases.postgresql.expressions import as_logged
from msyncd.databases.postgresql.known import Known
from msyncd.databases.postgresql.log import ENTRY, LOG, cursor_of
from msyncd.databases.postgresql.reader import PostgreSQLReader
from msyncd.databases.values import WRITE, Entry, Scope
from msyncd.model import Cursor, RecordType, Value

if TYPE_CHECKING:
    import dataset

PAGE: Final = 5000
"""Entries or rows of the ledger that are sent in one step."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Which transactions had ended when this one began: numbers as the log has them."""

    following: int
    running: tuple[int, ...]

    @classmethod
    def of(cls, text: str, added: int) -> "Snapshot":
        """The snapshot that PostgreSQL writes as xmin:xmax:xip,xip."""
        _, following, running = text.split(":")
        return cls(int(following) + added, tuple(int(one) + added for one in running.split(",") if one))


class LedgerWriter(PostgreSQLReader, Writer):
    """Writes on a connection whose transaction somebody else begins, commits and undoes."""

    def __init__(self, connection: Connection, known: Known, began: Snapshot, *, swift: bool, immediate: bool) -> None:
        super().__init__(connection, known)
        self._began = began
        self._swift = swift
        self._immediate = immediate
        self._marked: int | None = None
        self._savepoints = 0
        self._appended = False

    # --- the ledger -------------------------------------------------------------------------------------------------

    def put(self, table: str, key: Mapping[str, Value], values: Mapping[str, Value]) -> None:
        # first as if it stood: only then may columns be lacking that cannot be empty
        where = " AND ".join(f"{column} = %s" for column in key)
        pairs = ", ".join(f"{column} = %s" for column in values)
        sql = f"UPDATE {table} SET {pairs} WHERE {where}" if values else f"SELECT FROM {table} WHERE {where}"
        with mapped():
            if self._connection.execute(sql.encode(), [*values.values(), *key.values()]).rowcount:
                return
        self.insert(table, [{**key, **values}])

    def insert(self, table: str, rows: Iterable[Mapping[str, Value]]) -> None:
        remaining = iter(rows)
        while some := list(islice(remaining, PAGE)):
            columns = list(some[0])
            sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
            with mapped(), self._connection.cursor() as cursor:
                cursor.executemany(sql.encode(), [tuple(row.values()) for row in some])

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        if self._swift:
            with asking_for_care():
                yield
            return
        self._savepoints += 1
        name, marked = f"msyncd_{self._savepoints}", self._marked
        self._fetch(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            if not self._connection.closed:
                self._fetch(f"ROLLBACK TO {name}")  # the mark of the applier, too, is as it was
                self._fetch(f"RELEASE {name}")
            self._marked = marked
            raise
        else:
            self._fetch(f"RELEASE {name}")
        finally:
            self._savepoints -= 1

    def lookups(self) -> "dataset.Database":
        return bound_to(self._connection, "postgresql+psycopg")

    # --- the change log ---------------------------------------------------------------------------------------------

    def append(self, width: int, entries: Iterable[Entry]) -> None:
        keys = "".join(f", key{number}" for number in range(1, width + 1))
        sql = f"COPY {LOG} ({ENTRY}{keys}) FROM STDIN"
        rows = list(entries)
        if not rows:
            return
        self._appended = True
        with mapped(), self._connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
            for row in _logged(rows):
                copy.write_row(row)

    def tell_others(self, mine: int | None) -> None:
        """If something was appended to the log, wake the workers that listen; this one knows. Last before the commit.

        `mine` is the backend by which this process listens. Triggers do the same for what the application writes (P26).
        """
        if self._appended:
            self._fetch(
                f"SELECT pg_notify('{CHANNEL}', '') FROM msyncd.msyncd_listener"
                " WHERE until > now() AND pid IS DISTINCT FROM %s::integer LIMIT 1",
                (mine,),
            )

    def log_written(self) -> Cursor:
        rows = self._fetch(f"SELECT xid, seq FROM {LOG} ORDER BY xid DESC, seq DESC LIMIT 1")
        return cursor_of(rows[0]) if rows else self.log_start()

    def trim_log(self, upto: Cursor) -> int:
        with mapped():
            trimmed = self._connection.execute(
                f"DELETE FROM {LOG} WHERE (xid, seq) <= (%s, %s)".encode(), upto
            ).rowcount
            self._connection.execute(
                "UPDATE msyncd.msyncd_numbering SET trimmed_major = %s, trimmed_seq = %s"
                " WHERE (trimmed_major, trimmed_seq) < (%s, %s)",
                (*upto, *upto),
            )
            return trimmed

    def log_again(self, type_id: int, after: Cursor, origin: int, only_site: int | None) -> int:
        rest = self._entry.removeprefix("type, operation, origin, store, store_before, route, route_before, only_site")
        if only_site is None:
            mine, parameter = "origin = %s AND only_site IS NULL", origin
        else:
            mine, parameter = "(only_site IS NULL OR only_site = %s)", only_site
        self._appended = True
        with mapped():
            return self._connection.execute(
                f"INSERT INTO {LOG} ({self._entry}) SELECT type, operation, origin, store, store_before, route,"
                f" route_before, %s::integer{rest} FROM {LOG} WHERE type = %s AND (xid, seq) > (%s, %s) AND {mine}"
                " ORDER BY xid, seq".encode(),
                (only_site, type_id, *after, parameter),
            ).rowcount

    def log_all(self, type_id: int, record_type: RecordType, origin: int, scope: Scope) -> int:
        place = self._known.place(record_type)
        where, parameters = self._scope(record_type, scope)
        keys = "".join(f", key{number}" for number in range(1, len(record_type.key) + 1))
        table = self._known.table(record_type.table)
        self._appended = True
        with mapped():
            return self._connection.execute(
                f"INSERT INTO {LOG} ({ENTRY}{keys}) SELECT {type_id}, {WRITE}, %s, {place.store}, NULL, {place.route},"
                f" NULL, NULL, {place.parent}, {self._known.logged(record_type, record_type.key)}"
                f" FROM {table} t{place.joins} WHERE true{where}".encode(),
                [origin, *parameters],
            ).rowcount


_TEXT: Final = frozenset({str, int, type(None)})


def _logged(rows: list[Entry]) -> Iterable[tuple[Any, ...]]:
    """Entries as the log has them. What is text or a whole number COPY writes just so."""
    columns = list(zip(*rows, strict=True))
    other = [place for place in range(3, len(columns)) if not set(map(type, columns[place])) <= _TEXT]
    if not other:
        return rows
    for place in other:
        columns[place] = tuple(map(as_logged, columns[place]))
    return zip(*columns, strict=True)
