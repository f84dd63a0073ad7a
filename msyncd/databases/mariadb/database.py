"""A MariaDB database as this process uses it: one writer at a time, a few readers, a small look-out."""

import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from msyncd.databases.interface import Database, Reader, Writer
from msyncd.databases.lookups import bound_to
from msyncd.databases.mariadb import install
from msyncd.databases.mariadb.address import address_of
from msyncd.databases.mariadb.describe import describe
from msyncd.databases.mariadb.facts import renew_facts
from msyncd.databases.mariadb.holes import Holes
from msyncd.databases.mariadb.places import APPLYING
from msyncd.databases.mariadb.pool import Pool
from msyncd.databases.mariadb.reader import MariaDBReader
from msyncd.databases.mariadb.scene import Scene
from msyncd.databases.mariadb.server import check_server
from msyncd.databases.mariadb.session import Session
from msyncd.databases.mariadb.versions import data_version, schema_version
from msyncd.databases.mariadb.writer import MariaDBWriter
from msyncd.databases.values import Capture, Installed
from msyncd.errors import DatabaseUnavailable
from msyncd.model import Facts, RecordType, Row, Table, ZeroDates

if TYPE_CHECKING:
    import dataset

TURN_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.025
"""Between two looks at the end of the log, while a change is waited for."""
SNAPSHOT: Final = "WITH CONSISTENT SNAPSHOT, READ ONLY"


class MariaDBDatabase(Database):
    """See Database. Connections are opened when first needed, so that a server that is down is tried later."""

    dialect = "mariadb"

    def __init__(self, url: str, zero_dates: ZeroDates = "null") -> None:
        self.address = address_of(url)
        self.emptied = Counter()  # MariaDB has zero dates: none is ever written as something else
        self._local = threading.local()
        self._turn = threading.Lock()
        self._readers = Pool(self.address, "read")
        self._writers = Pool(self.address, "write", most=2)
        self._lookouts = Pool(self.address, "read", most=1)
        self._holes = Holes()
        self._scene = Scene()
        self._described = False
        self._log_is_there = False
        self._checked = False
        self._schema = (0, 0)  # as last seen, and how often it was seen to change

    def describe(self) -> dict[str, Table]:
        with self._lookouts.lent() as session:
            self._check(session)
            catalogue = describe(session)
        self._scene = Scene(catalogue, self._scene.types, self._scene.ids, self._scene.width)
        self._described = True
        return catalogue.tables

    def _check(self, session: Session) -> None:
        if not self._checked:
            check_server(session)
            self._checked = True

    # --- installing -------------------------------------------------------------------------------------------------

    def install(self, capture: Capture) -> Installed:
        self.describe()
        catalogue = self._scene.catalogue
        with self._writers.lent() as session:
            done = install.install(session, capture, catalogue)
            width = install.log_width(session)
        self._scene = Scene(catalogue, {one.name: one for one in capture.record_types}, done.ids, width)
        self._log_is_there = True
        return done

    def installed(self) -> bool:
        with self._lookouts.lent() as session:
            self._log_is_there = install.is_installed(session)
            return self._log_is_there

    def renew_guard(self, facts: Facts, writer: Writer, site: int) -> None:
        renew_facts(facts, writer)

    def remove(self) -> tuple[str, ...]:
        with self._writers.lent() as session:
            self._log_is_there = False
            return install.remove(session)

    # --- looking out ------------------------------------------------------------------------------------------------

    def schema_version(self) -> int:
        with self._lookouts.lent() as session:
            now = schema_version(session)
            if now != self._schema[0]:
                self._schema = now, self._schema[1] + 1
            return self._schema[1]

    def data_version(self) -> int:
        with self._lookouts.lent() as session:
            if self._holes.due:
                self._holes.look(session)
            return data_version(session, self._holes.settled)

    def watched_paths(self) -> tuple[str, ...]:
        return ()

    def wait_for_change(self, seconds: float) -> bool:
        before, end = self.data_version(), time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(LOOK_SECONDS, left))
            if self.data_version() != before:
                return True
        return False

    # --- reading and writing ----------------------------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[Reader]:
        if not self._described:
            self.describe()
        with self._readers.lent() as session:
            reader = self._look(session)
            try:
                yield reader
            finally:
                session.rollback()

    def _look(self, session: Session) -> MariaDBReader:
        """A reader in a new snapshot. Where holes in the log can be settled at once, in one from after that."""
        reader = self._in_snapshot(session)
        if self._log_is_there:
            reader.log_end()
            if self._holes.due:
                with self._lookouts.lent() as lookout:
                    self._holes.look(lookout)
                session.rollback()
                reader = self._in_snapshot(session)
        return reader

    def _in_snapshot(self, session: Session) -> MariaDBReader:
        whole = self._holes.whole  # before the snapshot: what is found out later may be newer
        session.begin(SNAPSHOT)
        return MariaDBReader(session, self._scene, self._holes, whole)

    @contextmanager
    def write(self, *, swift: bool = False, immediate: bool = False) -> Iterator[Writer]:
        current: MariaDBWriter | None = getattr(self._local, "writer", None)
        if current is not None:  # a hook inside a transaction of ours: it commits with that, or not at all
            with current.savepoint():
                yield current
            return
        if not self._turn.acquire(timeout=TURN_SECONDS):
            raise DatabaseUnavailable(
                "another step of msyncd is still writing", where=str(self.address), hint="trying again"
            )
        try:
            with self._writers.lent(Session.begin) as session:
                writer = MariaDBWriter(
                    session, self._scene, self._holes, self._committed, swift=swift, immediate=immediate
                )
                yield from self._written(writer)
        finally:
            self._turn.release()

    def _committed(self, record_type: RecordType, keys: Sequence[Row]) -> Collection[Row]:
        with self.read() as reader:
            return reader.rows(record_type, keys).keys()

    def _written(self, writer: MariaDBWriter) -> Iterator[Writer]:
        session = writer.session
        writer.turn()
        self._local.writer = writer
        try:
            yield writer
            writer.finish()
            session.commit()
        finally:
            self._local.writer = None
            # no ROLLBACK takes a variable back
            session.rollback()
            if not session.lost:
                with suppress(DatabaseUnavailable):
                    session.run(f"SET {APPLYING} = NULL")

    def lookups(self) -> "dataset.Database":
        # one per thread: dataset belongs to the thread and connection on which it was made
        session: Session | None = getattr(self._local, "session", None)
        if session is None or not session.answers():
            session = self._local.session = Session(self.address, "read")
            self._local.lookups = bound_to(session.driver, "mariadb+pymysql")
        found: dataset.Database = self._local.lookups
        return found

    def close(self) -> None:
        for pool in (self._readers, self._writers, self._lookouts):
            pool.close()
