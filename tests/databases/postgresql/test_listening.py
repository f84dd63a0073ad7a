"""Who waits is told at once, and nobody is notified while nobody waits (P26)."""

import threading
import time

import psycopg
import pytest

from msyncd.databases.postgresql import listening
from msyncd.databases.postgresql.bodies import CHANNEL
from tests.databases.contract.stock import HEADER, MakeStock, Stock


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard."""
    return make_stock(guard=False)


def test_p26_a_write_ends_the_wait(stock: Stock) -> None:
    assert not stock.database.wait_for_change(0.05)
    writing = threading.Timer(0.3, lambda: stock.run(HEADER))
    writing.start()
    started = time.monotonic()
    assert stock.database.wait_for_change(30)
    assert time.monotonic() - started < 20
    writing.join(10)


def test_p26_only_what_is_logged_and_committed_notifies(stock: Stock) -> None:
    stock.database.wait_for_change(0.01)
    stock.application.begin()
    stock.run(HEADER)
    assert not stock.database.wait_for_change(0.2)
    stock.application.rollback()
    stock.run("UPDATE transact SET status = 'fn'")  # of no row
    stock.run("SELECT 1")
    stock.apply("item", ("i1", None, None))
    assert not stock.database.wait_for_change(0.2)


def test_p26_nobody_is_notified_while_nobody_waits(stock: Stock) -> None:
    with psycopg.connect(stock.application.url, autocommit=True) as other:
        other.execute(f"LISTEN {CHANNEL}")
        stock.run(HEADER)
        assert list(other.notifies(timeout=0.2)) == []
        stock.database.wait_for_change(0.01)
        stock.run("UPDATE transact SET status = 'fn'")
        assert len(list(other.notifies(timeout=5, stop_after=1))) == 1
        stock.database.close()
        assert stock.fetch("SELECT * FROM msyncd.msyncd_listener") == []
        stock.run("UPDATE transact SET status = 'cn'")
        assert list(other.notifies(timeout=0.2)) == []


def test_one_that_died_is_forgotten(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    stock.run("INSERT INTO msyncd.msyncd_listener VALUES (-1, now() - interval '1 second')")
    with psycopg.connect(stock.application.url, autocommit=True) as other:
        other.execute(f"LISTEN {CHANNEL}")
        stock.run(HEADER)
        assert list(other.notifies(timeout=0.2)) == []
    stock.database.wait_for_change(0.01)
    assert len(stock.fetch("SELECT * FROM msyncd.msyncd_listener")) == 1
    # and who lives says so again and again
    stock.run("UPDATE msyncd.msyncd_listener SET until = now()")
    monkeypatch.setattr(listening, "RENEWED_SECONDS", 0.0)
    stock.database.wait_for_change(0.01)
    assert stock.fetch("SELECT until > now() + interval '1 minute' FROM msyncd.msyncd_listener") == [(True,)]


def test_before_the_install_it_waits_in_vain(stock: Stock) -> None:
    stock.database.remove()
    assert not stock.database.wait_for_change(0.05)
    stock.install()
    stock.database.wait_for_change(0.01)
    stock.run(HEADER)
    assert stock.database.wait_for_change(30)
