"""A write transaction on MariaDB: the applier's hand on the application's tables, and the ledger's.

READ COMMITTED: each statement sees what the application has committed up to it, so that what is looked up after a row
was locked is as new as the lock.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msyncd.databases.interface import Writer
from msyncd.databases.lookups import bound_to
from msyncd.databases.mariadb.applier import Applier, Committed
from msyncd.databases.mariadb.holes import WHOLE, Holes
from msyncd.databases.mariadb.install import LOG_START
from msyncd.databases.mariadb.log import ENTRY
from msyncd.databases.mariadb.reading import as_logged
from msyncd.databases.mariadb.scene import Scene
from msyncd.databases.mariadb.session import Session
from msyncd.databases.mariadb.sql import literals, quoted, tuples
from msyncd.databases.values import WRITE, Entry, Scope
from msyncd.model import Cursor, RecordType, Row, Value

if TYPE_CHECKING:
    import dataset

PIECE: Final = 1000
"""Entries that are appended, or records that are read for it, in one statement."""


class MariaDBWriter(Applier, Writer):
    """Writes on a session whose transaction somebody else begins, commits and undoes."""

    def __init__(
        self, session: Session, scene: Scene, holes: Holes, committed: Committed, *, swift: bool, immediate: bool
    ) -> None:
        super().__init__(session, scene, holes, committed, swift=swift, immediate=immediate)
        self._seen_whole = 0
        self._looked_up = False

    def turn(self) -> None:
        """Wait for the turn to write, a bounded time: msyncd's transactions come one after the other (P15).

        The row that is locked says up to where the log is whole.
        """
        self.session.fetch_text(f"SELECT value FROM msyncd_meta WHERE name = '{WHOLE}' FOR UPDATE")

    def finish(self) -> None:
        """Before the commit: note how far the log is whole, so that no cursor is beyond what a new process knows."""
        if self._looked_up:
            self.session.run("DO 0")  # a plugin's look-up that ended the transaction is noticed by its absence
        whole = max(self.holes.whole, self._seen_whole)
        self.session.run(
            f"UPDATE msyncd_meta SET value = '{whole}' WHERE name = '{WHOLE}' AND CAST(value AS UNSIGNED) < {whole}"
        )

    # --- the ledger -------------------------------------------------------------------------------------------------

    def put(self, table: str, key: Mapping[str, Value], values: Mapping[str, Value]) -> None:
        where = " AND ".join(f"{quoted(column)} = ?" for column in key)
        if values:
            pairs = ", ".join(f"{quoted(column)} = ?" for column in values)
            if self.session.change(f"UPDATE {table} SET {pairs} WHERE {where}", (*values.values(), *key.values())):
                return
        elif self.session.fetch(f"SELECT 1 FROM {table} WHERE {where}", (*key.values(),)):
            return
        self.insert(table, [{**key, **values}])

    def insert(self, table: str, rows: Iterable[Mapping[str, Value]]) -> None:
        rows = list(rows)
        if not rows:
            return
        columns = ", ".join(map(quoted, rows[0]))
        texts = tuples([literals(column) for column in zip(*(row.values() for row in rows), strict=True)])
        self.run_by_size(f"INSERT INTO {table} ({columns}) VALUES ", texts)

    def lookups(self) -> "dataset.Database":
        self._looked_up = True
        return bound_to(self.session.driver, "mariadb+pymysql")

    # --- the change log ---------------------------------------------------------------------------------------------

    def log_end(self) -> Cursor:
        # what this transaction appended is seen by nobody else yet: nothing of this is kept
        end = self.holes.end(self.session, self.holes.whole, own=True)
        self._seen_whole = max(self._seen_whole, end)
        return Cursor(0, end)

    def log_written(self) -> Cursor:
        end = self.log_end()
        last = self.session.fetch_text(f"SELECT max(seq) FROM msyncd_change_log WHERE seq > {end.seq}")[0][0]
        return end if last is None else Cursor(0, int(str(last)))

    def append(self, width: int, entries: Iterable[Entry]) -> None:
        rows = list(entries)
        if not rows:
            return
        columns = [literals(map(as_logged, column)) for column in zip(*rows, strict=True)]
        keys = "".join(f", key{number}" for number in range(1, width + 1))
        # with VALUES as many numbers are taken as there are rows; INSERT … SELECT would hold up every other writer
        self.run_by_size(f"INSERT INTO msyncd_change_log ({ENTRY}{keys}) VALUES ", tuples(columns))

    def trim_log(self, upto: Cursor) -> int:
        gone = self.session.run(f"DELETE FROM msyncd_change_log WHERE seq <= {upto.seq}")
        self._seen_whole = max(self._seen_whole, upto.seq)
        self.session.run(
            f"UPDATE msyncd_meta SET value = '{upto.seq}' WHERE name = '{LOG_START}'"
            f" AND CAST(value AS UNSIGNED) < {upto.seq}"
        )
        return gone

    def log_again(self, type_id: int, after: Cursor, origin: int, only_site: int | None) -> int:
        mine = f"origin = {origin} AND only_site IS NULL"
        if only_site is not None:
            mine = f"(only_site IS NULL OR only_site = {only_site})"
        last = int(str(self.session.fetch_text("SELECT COALESCE(max(seq), 0) FROM msyncd_change_log")[0][0]))
        place, count, width = after.seq, 0, self.scene.width
        while rows := self.session.fetch_text(
            f"SELECT {self._entry}, seq FROM msyncd_change_log WHERE seq > {place} AND seq <= {last}"
            f" AND type = {type_id} AND {mine} ORDER BY seq LIMIT {PIECE}"
        ):
            place, count = int(str(rows[-1][-1])), count + len(rows)
            self.append(width, [(*row[:7], only_site, *row[8:-1]) for row in rows])
        return count

    def log_all(self, type_id: int, record_type: RecordType, origin: int, scope: Scope) -> int:
        after: Row | None = None
        count = 0
        while rows := self.page(record_type, after, PIECE, scope):
            keys = [record_type.key_of(row) for row in rows]
            after, count = keys[-1], count + len(rows)
            self.append(len(record_type.key), self._entries_of(type_id, record_type, origin, keys, rows))
        return count

    def _entries_of(
        self, type_id: int, record_type: RecordType, origin: int, keys: Collection[Row], rows: Sequence[Row]
    ) -> list[Entry]:
        places = self.stores_of(record_type, keys)
        at = record_type.index(record_type.through.column) if record_type.through else None
        return [
            (type_id, WRITE, origin, store, None, route, None, None, None if at is None else row[at], *key)
            for key, row in zip(keys, rows, strict=True)
            for store, route in [places[key]]
        ]
