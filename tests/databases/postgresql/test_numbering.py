"""A database that was restored from a dump, in another cluster: its log goes on, and passes nothing over (P3, P8)."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from msyncd.databases import Database, open_database
from msyncd.databases.postgresql import numbering
from msyncd.databases.values import KEY, Capture
from msyncd.errors import DatabaseUnavailable
from msyncd.model import Cursor
from tests.databases.contract.stock import FACTS, HEADER, MakeStock, Stock, settled

ELSEWHERE = 10**6
"""How much further the transactions of the cluster were that the dump is from."""

Restore = Callable[[], Stock]


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard, in a database that has a generation."""
    stock = make_stock(guard=False)
    stock.run("INSERT INTO msyncd.msyncd_meta VALUES ('generation', '1')")
    return stock


def generation(database: Database) -> str:
    with database.read() as reader:
        return str(reader.execute("SELECT value FROM msyncd_meta WHERE name = 'generation'")[0][0])


def age(stock: Stock) -> None:
    """Make as if the log had been written in a cluster whose transactions had higher numbers."""
    stock.run(f"UPDATE msyncd.msyncd_change_log SET xid = xid + {ELSEWHERE}")
    stock.run(f"UPDATE msyncd.msyncd_numbering SET identity = 'elsewhere', trimmed_major = trimmed_major + {ELSEWHERE}")


def keys_beyond(database: Database, cursor: Cursor) -> list[object]:
    settled(database)
    with database.read() as reader:
        return [entry[KEY] for entry in reader.log_page(cursor, 1000).entries]


def reopened(stock: Stock) -> Database:
    """The database as a daemon that starts finds it."""
    database = stock.another()
    database.install(Capture(stock.site, tuple(stock.types.values()), FACTS))
    return database


def test_a_database_where_it_was_is_left_as_it_is(stock: Stock) -> None:
    stock.run(HEADER)
    before = stock.fetch("SELECT * FROM msyncd.msyncd_numbering")
    end = stock.forget()
    database = reopened(stock)
    assert stock.fetch("SELECT * FROM msyncd.msyncd_numbering") == before
    assert generation(database) == "1"
    with database.read() as reader:
        assert reader.log_end() == end


def test_a_restored_log_goes_on_behind_every_cursor_that_was_given(stock: Stock) -> None:
    stock.run(HEADER)
    stock.forget()
    age(stock)
    database = reopened(stock)
    with database.read() as reader:
        end = reader.log_end()
    assert end.major > ELSEWHERE
    assert generation(database) == "2"
    stock.run("UPDATE transact SET status = 'fn'")
    assert keys_beyond(database, end) == ["t1"]
    # once is enough
    assert generation(reopened(stock)) == "2"


def test_what_the_application_writes_before_msyncd_looks_is_not_passed_over(stock: Stock) -> None:
    for number in range(3):
        stock.run(f"INSERT INTO transact VALUES ('old{number}', 'b', 'n1', {number}, 'nw')")
    stock.forget()
    age(stock)
    (confirmed,) = (Cursor(*row) for row in stock.fetch("SELECT max(xid), max(seq) FROM msyncd.msyncd_change_log"))
    # the restored triggers number as before, far too low
    for number in range(3):
        stock.run(f"INSERT INTO transact VALUES ('new{number}', 'b', 'n1', {number + 10}, 'nw')")
    database = reopened(stock)
    assert sorted(map(str, keys_beyond(database, confirmed))) == ["new0", "new1", "new2"]
    assert sorted(map(str, keys_beyond(database, Cursor(0, 0)))) == ["new0", "new1", "new2", "old0", "old1", "old2"]


def test_the_same_where_the_log_was_trimmed_empty(stock: Stock) -> None:
    stock.run(HEADER)
    end = stock.forget()
    with stock.database.write() as writer:
        writer.trim_log(end)
    age(stock)
    confirmed = Cursor(end.major + ELSEWHERE, end.seq)
    stock.run("UPDATE transact SET status = 'fn'")
    database = reopened(stock)
    assert keys_beyond(database, confirmed) == ["t1"]
    with database.read() as reader:
        assert reader.log_start() == confirmed


def test_numbers_that_went_back_in_the_same_place_are_noticed(stock: Stock) -> None:
    stock.run(HEADER)
    stock.forget()
    stock.run(f"UPDATE msyncd.msyncd_change_log SET xid = xid + {ELSEWHERE}")
    database = reopened(stock)
    assert generation(database) == "2"
    with database.read() as reader:
        end = reader.log_end()
    stock.run("UPDATE transact SET status = 'fn'")
    assert keys_beyond(database, end) == ["t1"]


def test_a_transaction_that_numbers_as_before_is_waited_for(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    stock.run(HEADER)
    stock.forget()
    age(stock)
    (confirmed,) = (Cursor(*row) for row in stock.fetch("SELECT max(xid), max(seq) FROM msyncd.msyncd_change_log"))
    other = stock.application.connect()
    other.begin()
    other.execute("INSERT INTO transact VALUES ('late', 'b', 'n1', 7, 'nw')")
    monkeypatch.setattr(numbering, "PATIENCE", 0.2)
    with pytest.raises(DatabaseUnavailable, match="since before msyncd looked"):
        reopened(stock)
    monkeypatch.undo()
    committing = threading.Timer(0.5, other.commit)
    committing.start()
    database = reopened(stock)
    committing.join(10)
    assert keys_beyond(database, confirmed) == ["late"]


def test_a_daemon_under_which_the_database_was_changed_reads_nothing_until_it_has_looked_anew(stock: Stock) -> None:
    stock.run(HEADER)
    stock.forget()
    stock.database.close()  # every connection is a new one, as after a restart of the server
    monkey = stock.database
    assert monkey._numbering is not None  # type: ignore[attr-defined]
    monkey._numbering = numbering.Numbering("elsewhere", 0)  # type: ignore[attr-defined]
    with pytest.raises(DatabaseUnavailable, match="another database stands"):
        _look(monkey)
    assert monkey.schema_version() is not None  # by which it is noticed
    stock.install()
    _look(monkey)


def _look(database: Database) -> None:
    with database.read() as reader:
        reader.log_end()


# --- with the real tools ----------------------------------------------------------------------------------------------


@pytest.fixture
def another_url(stock: Stock) -> Iterator[str]:
    """An empty database beside the first."""
    name = f"msyncd_test_{int(time.time()):x}_{os.getpid()}_restored{time.monotonic_ns()}"
    stock.run(f"CREATE DATABASE {name}")
    where, slash, _ = stock.application.url.rpartition("/")
    yield f"{where}{slash}{name}"
    stock.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.skipif(shutil.which("pg_dump") is None, reason="pg_dump is not there")
def test_a_dump_is_restored_into_another_database(stock: Stock, another_url: str) -> None:
    for number in range(5):
        stock.run(f"INSERT INTO transact VALUES ('t{number}', 'b', 'n1', {number}, 'nw')")
    end = stock.forget()
    dump = subprocess.run(["pg_dump", stock.application.url], check=True, capture_output=True).stdout
    subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", another_url], input=dump, check=True, capture_output=True)
    with psycopg.connect(another_url, autocommit=True) as application, closing(open_database(another_url)) as database:
        application.execute("UPDATE transact SET status = 'fn' WHERE ID = 't3'")
        done = database.install(Capture(stock.site, tuple(stock.types.values()), FACTS))
        assert done.lost == ()
        assert generation(database) == "2"
        assert keys_beyond(database, end) == ["t3"]
        application.execute("UPDATE transact SET status = 'cn' WHERE ID = 't4'")
        assert keys_beyond(database, end) == ["t3", "t4"]


def test_a_copy_by_template_is_another_database(stock: Stock) -> None:
    stock.run(HEADER)
    end = stock.forget()
    name = f"msyncd_test_{int(time.time()):x}_{os.getpid()}_copied{time.monotonic_ns()}"
    where, slash, old = stock.application.url.rpartition("/")
    stock.database.close()
    stock.application.connection.close()
    with psycopg.connect(f"{where}{slash}postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE {old}".encode())
        try:
            with closing(open_database(f"{where}{slash}{name}")) as database:
                database.install(Capture(stock.site, tuple(stock.types.values()), FACTS))
                assert generation(database) == "2"
                with database.read() as reader:
                    assert reader.log_end() == end
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
