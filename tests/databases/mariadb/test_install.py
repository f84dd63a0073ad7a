"""Installing beside an application that is at work, in steps that may each be the last."""

import threading
import time
from collections.abc import Callable
from itertools import count

import pymysql
import pytest

from msyncd.databases import open_database
from msyncd.databases.mariadb import install as module
from msyncd.databases.mariadb.database import MariaDBDatabase
from msyncd.databases.mariadb.install import install
from msyncd.databases.mariadb.session import Session
from msyncd.databases.values import KEY, Capture
from msyncd.errors import DatabaseUnavailable, WrongUsage
from msyncd.model import RecordType
from tests.databases.contract.application import Application, spelled
from tests.databases.contract.stock import FACTS, HEADER, SCHEMA, TYPES, MakeStock, Stock
from tests.mariadb_server import PrivateServer

RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER"
"""As docs/databases.md has them."""


def capture(database: MariaDBDatabase, site: int = 2) -> Capture:
    tables = database.describe()
    return Capture(site, tuple(spelled(tables, one) for one in TYPES), FACTS)


class Killed(BaseException):
    """The process died before its next statement."""


class DyingSession(Session):
    """Dies before its n-th statement."""

    left = 10**9

    def run(self, sql: str) -> int:
        self.left -= 1
        if self.left < 0:
            self.close()
            raise Killed(sql)
        return super().run(sql)


def test_killed_before_any_statement_of_it_the_next_installation_completes_it(
    application: Application, maria: MariaDBDatabase
) -> None:
    application.make(SCHEMA)
    wanted = capture(maria)
    catalogue = maria._scene.catalogue
    for statements in count(0, 5):
        dying = DyingSession(maria.address, "write")
        dying.left = statements
        try:
            install(dying, wanted, catalogue)
        except Killed:
            # half of it does no harm to the application
            application.execute("INSERT INTO transact VALUES (?, 'b', 'n1', ?, 'nw')", (f"t{statements}", statements))
            application.execute("DELETE FROM transact")
            continue
        dying.close()
        break
    assert statements >= 20
    first = maria.install(wanted)
    assert (first.made, first.dropped, first.lost) == ((), (), ())
    application.execute("DELETE FROM msyncd_change_log")
    with maria.write() as writer:
        maria.renew_guard(FACTS, writer, 2)
    application.execute(HEADER)
    assert application.execute("SELECT key1 FROM msyncd_change_log") == [("t1",)]


def test_the_application_never_waits_behind_an_installation_that_waits(
    application: Application, maria: MariaDBDatabase
) -> None:
    """CREATE TRIGGER needs the table for itself: while it queues, everybody else would queue behind it."""
    application.make(SCHEMA)
    wanted = capture(maria)
    application.begin()
    application.execute("INSERT INTO transact VALUES ('long', 'b', 'n1', 1, 'nw')")
    longest, stop = 0.0, threading.Event()

    def others() -> None:
        nonlocal longest
        connection = application.connect()
        while not stop.is_set():
            started = time.monotonic()
            connection.execute("INSERT INTO transact VALUES (UUID(), 'b', NULL, NULL, 'nw')")
            longest = max(longest, time.monotonic() - started)
            time.sleep(0.002)

    thread = threading.Thread(target=others)
    thread.start()
    session = Session(maria.address, "write")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 10:
            application.commit()
        time.sleep(seconds)

    try:
        done = install(session, wanted, maria._scene.catalogue, sleep=wait)
    finally:
        stop.set()
        thread.join()
        session.close()
    assert len(waits) >= 10
    assert any("after_insert" in name for name in done.made)
    # what it never does is queue: the server's own limit would be a second, then another
    assert longest < 1.0, "the application queued behind CREATE TRIGGER"


def test_a_table_that_is_never_free_is_a_matter_of_trying_later(
    application: Application, maria: MariaDBDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    application.make(SCHEMA)
    wanted = capture(maria)
    application.begin()
    application.execute("SELECT * FROM transact")
    monkeypatch.setattr(module, "_PATIENCE", 3)
    session = Session(maria.address, "write")
    with pytest.raises(DatabaseUnavailable, match="transact"):
        install(session, wanted, maria._scene.catalogue, sleep=lambda _seconds: None)
    application.rollback()
    assert install(session, wanted, maria._scene.catalogue).made
    session.close()


def test_two_processes_install_one_after_the_other(application: Application, maria: MariaDBDatabase) -> None:
    application.make(SCHEMA)
    wanted = capture(maria)
    others = [MariaDBDatabase(application.url) for _ in range(3)]
    done: list[tuple[str, ...]] = []
    threads = [threading.Thread(target=lambda one=one: done.append(one.install(wanted).made)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(map(bool, done)) == [False, False, True]
    for one in others:
        one.close()


def test_triggers_are_current_only_if_they_are_made_by_whom_they_run_as(make_stock: MakeStock) -> None:
    stock = make_stock()
    stock.install()
    assert not stock.installed.made
    stock.run("DROP TRIGGER msyncd_3_after_insert")
    stock.run("CREATE TRIGGER msyncd_3_after_insert AFTER INSERT ON transact FOR EACH ROW SET @nothing = 1")
    stock.install()
    assert stock.installed.made == ("msyncd_3_after_insert",)


def test_with_just_the_rights_that_the_docs_name_everything_works(
    make_stock: MakeStock, make_user: Callable[..., str]
) -> None:
    stock = make_stock()
    url = make_user(RIGHTS, on_server="PROCESS")
    stock.database.remove()
    database = open_database(url)
    assert isinstance(database, MariaDBDatabase)
    database.install(capture(database))
    with database.write() as writer:
        database.renew_guard(FACTS, writer, 2)
    stock.run(HEADER)
    with database.write() as writer:
        writer.begin_applying(1)
        writer.upsert(stock.types["item"], stock.types["item"].columns, [("i1", "amox", "Amoxicillin")])
        writer.end_applying()
        writer.lookups()["item"].update({"ID": "i1", "local_note": "x"}, ["ID"])
    with database.read() as reader:
        assert [entry[KEY] for entry in reader.log_page(reader.log_start(), 10).entries] == ["t1"]
        assert reader.rows(stock.types["item"], [("i1",)])
    assert database.schema_version()
    assert database.remove()
    database.close()


def test_the_application_s_trigger_beside_ours_sees_to_the_same_event(make_stock: MakeStock) -> None:
    before = "CREATE TRIGGER upper_status BEFORE INSERT ON transact FOR EACH ROW SET NEW.status = UPPER(NEW.status);"
    stock = make_stock(before=before, guard=False)
    stock.run(HEADER)
    assert stock.fetch("SELECT status FROM transact") == [("NW",)]
    assert stock.logged() == {("transact", "t1")}


def test_a_row_that_a_trigger_moves_to_a_store_elsewhere_is_refused(make_stock: MakeStock) -> None:
    """The guard asks after every trigger of the application has had its word."""
    before = "CREATE TRIGGER moves BEFORE INSERT ON transact FOR EACH ROW SET NEW.store_ID = 'k';"
    stock = make_stock(before=before)
    assert stock.refusal(HEADER) == "store KAL is active on site 3, not here"


def test_a_key_of_many_columns_widens_the_log(make_stock: MakeStock) -> None:
    stock = make_stock()
    stock.run("CREATE TABLE wide (a INT, b INT, c VARCHAR(20), d INT, PRIMARY KEY (a, b, c, d))")
    wide = RecordType("wide", "wide", ("a", "b", "c", "d"), ("a", "b", "c", "d"), "any_site", "every_site")
    stock.database.describe()
    stock.types["wide"] = wide
    stock.install()
    stock.run("INSERT INTO wide VALUES (1, 2, 'x', 4)")
    assert stock.logged() == {("wide", (1, 2, "x", 4))}


@pytest.mark.timeout(300)
def test_servers_that_cannot_be_synced_are_refused_in_words(private_server: PrivateServer) -> None:
    private_server.run("CREATE DATABASE app")
    for setting, words in (
        ("innodb_flush_log_at_trx_commit = 2", "can be lost in a power cut"),
        ("innodb_flush_log_at_trx_commit = 0", "can be lost in a power cut"),
    ):
        private_server.run(f"SET GLOBAL {setting}")
        with pytest.raises(WrongUsage, match=words):
            MariaDBDatabase(private_server.url("app")).describe()
        private_server.run("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
    MariaDBDatabase(private_server.url("app")).describe()
    private_server.kill()
    private_server.options = ["--log-bin", "--binlog-format=STATEMENT"]
    private_server.start()
    with pytest.raises(WrongUsage, match="binlog_format is STATEMENT"):
        MariaDBDatabase(private_server.url("app")).describe()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("binlog_format", ["MIXED", "ROW"])
def test_under_a_binary_log_everything_works(private_server: PrivateServer, binlog_format: str) -> None:
    private_server.kill()
    private_server.options = ["--log-bin", f"--binlog-format={binlog_format}"]
    private_server.start()
    private_server.run("CREATE DATABASE app COLLATE utf8mb4_nopad_bin")
    private_server.run(
        *[one for one in SCHEMA.replace("{double}", "DOUBLE").split(";\n") if one.strip()], database="app"
    )
    database = MariaDBDatabase(private_server.url("app"))
    wanted = capture(database)
    database.install(wanted)
    with database.write() as writer:
        database.renew_guard(FACTS, writer, 2)
        writer.begin_applying(1)
        item = wanted.record_types[0]
        writer.upsert(item, item.columns, [("i1", "amox", "Amoxicillin")])
        writer.upsert(item, item.columns, [("i1", "amox", "Amoxicillin 250")])
        writer.end_applying()
    private_server.run(HEADER, database="app")
    with pytest.raises(pymysql.err.OperationalError, match="not here"):
        private_server.run(HEADER.replace("'b'", "'k'").replace("'t1'", "'t2'"), database="app")
    assert private_server.run("SELECT key1 FROM msyncd_change_log", database="app") == [("t1",)]
    database.close()


def test_stock_is_what_it_was_after_everything_is_taken_away(make_stock: MakeStock) -> None:
    stock: Stock = make_stock()
    stock.run(HEADER)
    gone = stock.database.remove()
    assert "msyncd_change_log" in gone
    assert stock.fetch("SHOW TABLES LIKE 'msyncd%'") == []
    assert stock.fetch("SHOW TRIGGERS") == []
    stock.run("INSERT INTO transact VALUES ('t2', 'k', 'n1', 2, 'nw')")
