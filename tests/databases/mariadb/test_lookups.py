"""Look-ups of hooks on the connection of a write transaction: nothing is ever committed outside of it."""

import threading
import time

import pytest

from msyncd.databases.mariadb.database import MariaDBDatabase
from msyncd.databases.values import Capture
from msyncd.errors import DatabaseUnavailable, MsyncdError
from msyncd.model import Facts
from msyncd.testing.application import Connection
from tests.databases.contract.application import Application


def test_after_a_deadlock_that_a_hook_passes_over_nothing_more_is_written(
    application: Application, maria: MariaDBDatabase
) -> None:
    for table in "ab":
        application.execute(f"CREATE TABLE {table} (n INT PRIMARY KEY, v INT)")
        application.execute(f"INSERT INTO {table} VALUES (1, 0)")
    application.execute("INSERT INTO a SELECT seq + 1, 0 FROM seq_1_to_500")
    install(maria)
    other = application.connect()
    with pytest.raises(MsyncdError, match="has ended the transaction"):
        _pass_over_a_deadlock(application, maria, other)
    other.commit()
    assert application.execute("SELECT v FROM b") == [(2,)]


def _pass_over_a_deadlock(application: Application, maria: MariaDBDatabase, other: Connection) -> None:
    with maria.write() as writer:
        db = writer.lookups()
        db.query("UPDATE b SET v = 1 WHERE n = 1")
        other.begin()
        # it has written more, so that ours is the one to be undone
        other.execute("UPDATE a SET v = 2")
        beside = threading.Thread(target=lambda: other.execute("UPDATE b SET v = 2 WHERE n = 1"))
        beside.start()
        _wait_until_it_waits(application)
        with pytest.raises(DatabaseUnavailable):
            db.query("UPDATE a SET v = 1 WHERE n = 1")
        beside.join()
        writer.execute("UPDATE b SET v = 3 WHERE n = 1")


def test_after_a_look_up_that_ends_the_transaction_nothing_more_is_written(
    application: Application, maria: MariaDBDatabase
) -> None:
    application.execute("CREATE TABLE a (n INT PRIMARY KEY)")
    install(maria)
    with pytest.raises(MsyncdError, match="has ended the transaction"):
        _write_after_ending_it(maria)
    assert application.execute("SELECT * FROM a") == []


def _write_after_ending_it(maria: MariaDBDatabase) -> None:
    with maria.write() as writer:
        writer.lookups().query("CREATE TABLE b (n INT PRIMARY KEY)")
        writer.execute("INSERT INTO a VALUES (1)")


def install(maria: MariaDBDatabase) -> None:
    maria.install(Capture(1, (), Facts(1, {}, {})))


def _wait_until_it_waits(application: Application) -> None:
    give_up = time.monotonic() + 20
    while not application.execute("SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"):
        assert time.monotonic() < give_up
        time.sleep(0.12)
