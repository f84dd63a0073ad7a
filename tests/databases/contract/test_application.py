"""The tests' own means: an application of each kind behaves alike before anything of msyncd is there."""

import os
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from msyncd.testing.application import Connection, connect
from tests import servers
from tests.databases.contract.application import Application


def test_statements_commit_by_themselves_and_take_values(application: Application) -> None:
    application.make("CREATE TABLE item (ID VARCHAR(40) PRIMARY KEY, name VARCHAR(40), price {double});")
    application.execute("INSERT INTO item VALUES (?, '100 % of ?', ?)", ("i1", 1.5))
    other = application.connect()
    assert other.execute("SELECT ID, name, price FROM item WHERE ID = ?", ("i1",)) == [("i1", "100 % of ?", 1.5)]
    assert other.execute("SELECT count(*) FROM item WHERE name LIKE '%?%'") == [(1,)]


def test_a_transaction_is_seen_by_others_when_it_commits(application: Application) -> None:
    application.make("CREATE TABLE item (ID VARCHAR(40) PRIMARY KEY);")
    other = application.connect()
    application.begin()
    application.execute("INSERT INTO item VALUES ('i1')")
    assert other.execute("SELECT * FROM item") == []
    application.commit()
    assert other.execute("SELECT * FROM item") == [("i1",)]
    with pytest.raises(Exception, match="nowhere"):
        _delete_all_and_fail(other)
    assert application.execute("SELECT * FROM item") == [("i1",)]


def _delete_all_and_fail(connection: Connection) -> None:
    with connection.transaction():
        connection.execute("DELETE FROM item")
        connection.execute("SELECT * FROM nowhere")


def test_keys_compare_byte_for_byte_and_foreign_keys_hold(application: Application) -> None:
    application.make(
        """CREATE TABLE item (ID VARCHAR(40) PRIMARY KEY);
        CREATE TABLE line (ID VARCHAR(40) PRIMARY KEY, item_ID VARCHAR(40) REFERENCES item (ID));"""
    )
    for key in ("a", "A", "a ", "á"):
        application.execute("INSERT INTO item VALUES (?)", (key,))
    assert application.execute("SELECT count(*) FROM item WHERE ID = 'a'") == [(1,)]
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        application.execute("INSERT INTO line VALUES ('l1', 'gone')")


def test_every_application_has_a_database_of_its_own(
    database_kind: str, make_application: Callable[[str], Application]
) -> None:
    one, other = make_application(database_kind), make_application(database_kind)
    assert one.url != other.url
    one.make("CREATE TABLE item (ID VARCHAR(40) PRIMARY KEY);")
    other.make("CREATE TABLE item (ID VARCHAR(40) PRIMARY KEY);")


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_what_a_killed_run_left_is_dropped_and_what_runs_is_not(
    kind: str, make_application: Callable[[str], Application]
) -> None:
    running = make_application(kind)
    at = servers.server(kind)
    gone, old = f"msyncd_test_{int(time.time()) - 90:x}_4999999_a", f"msyncd_test_1_{os.getpid()}_b{os.getpid()}"
    with closing(connect(at)) as connection:
        for name in (gone, old):
            connection.execute(f"CREATE DATABASE {name}")
        servers._drop_leftovers(kind, connection)
        sql = {"postgresql": "SELECT datname FROM pg_database", "mariadb": "SHOW DATABASES"}[kind]
        names = {name for (name,) in connection.execute(sql)}
    assert not names & {gone, old}
    assert running.url.partition("?")[0].rpartition("/")[2] in names


def test_a_server_that_does_not_answer_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSYNCD_TEST_MARIADB", "mariadb://root:secret@127.0.0.1:1/")
    servers.server.cache_clear()
    with pytest.raises(servers.NoServer, match=r"127\.0\.0\.1:1.*MSYNCD_TEST_MARIADB") as told:
        servers.server("mariadb")
    assert "secret" not in str(told.value)
    servers.server.cache_clear()
