"""Holes in the change log (P3): what a page may pass over, and what it must wait for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from msyncd.databases import open_database
from msyncd.databases.mariadb import holes as module
from msyncd.databases.mariadb.database import MariaDBDatabase
from msyncd.databases.mariadb.holes import Gap, Open, gaps_between, open_transactions
from msyncd.databases.mariadb.session import Session
from msyncd.databases.values import KEY
from msyncd.errors import DatabaseUnavailable
from msyncd.model import START, Cursor
from tests.databases.contract.stock import PATIENCE, MakeStock, Stock, settled

INSERT = "INSERT INTO transact VALUES ('{}', 'b', NULL, {}, 'nw')"


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard."""
    return make_stock(guard=False)


def insert(stock: Stock, number: int) -> str:
    return INSERT.format(f"t{number}", number)


def look(database: MariaDBDatabase) -> tuple[list[str], int]:
    """The keys that can be read, and the log's end."""
    with database.read() as reader:
        page = reader.log_page(START, 1000)
        return [entry[KEY] for entry in page.entries], page.end.seq


def until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.02)


@contextmanager
def open_elsewhere(stock: Stock) -> Iterator[None]:
    """A transaction that has written in another table than a captured one is open meanwhile."""
    other = stock.application.connect()
    other.execute("CREATE TABLE IF NOT EXISTS elsewhere (n INT PRIMARY KEY)")
    other.begin()
    other.execute("INSERT INTO elsewhere VALUES (1)")
    yield
    other.rollback()


def test_a_hole_that_nobody_can_fill_is_passed_over_at_once(stock: Stock, maria: MariaDBDatabase) -> None:
    stock.run(insert(stock, 1))
    settled(maria)
    stock.application.begin()
    stock.run(insert(stock, 2))
    stock.application.rollback()
    stock.run(insert(stock, 3))
    until(lambda: look(maria)[0] == ["t1", "t3"])


def test_p03_the_end_is_never_beyond_a_hole_that_may_be_filled(stock: Stock, maria: MariaDBDatabase) -> None:
    stock.run(insert(stock, 1))
    end = settled(maria).end
    stock.application.begin()
    stock.run(insert(stock, 2))
    other = stock.application.connect()
    other.execute(insert(stock, 3))
    for _ in range(20):
        with maria.read() as reader:
            assert reader.log_end() == end
            assert reader.log_page(end, 10).entries == []
        with maria.write() as writer:  # whoever has confirmed it has what stands there, also beyond the hole
            assert writer.log_written().seq == end.seq + 2
        time.sleep(0.02)
    until(lambda: _held_up(maria) is not None)
    stock.application.commit()
    until(lambda: look(maria)[0] == ["t1", "t2", "t3"])
    with maria.read() as reader:
        assert reader.open_transaction_seconds() is None


def _held_up(maria: MariaDBDatabase) -> float | None:
    with maria.read() as reader:
        return reader.open_transaction_seconds()


def test_p03_whoever_was_open_when_the_hole_was_seen_is_waited_for_also_if_it_is_another(
    stock: Stock, maria: MariaDBDatabase
) -> None:
    """Nobody can tell whose number is missing: the rule asks for all who were open to have ended."""
    stock.run(insert(stock, 1))
    settled(maria)
    with open_elsewhere(stock):
        stock.application.begin()
        stock.run(insert(stock, 2))
        stock.application.rollback()
        stock.run(insert(stock, 3))
        for _ in range(20):
            assert look(maria)[0] == ["t1"]
            time.sleep(0.02)
    until(lambda: look(maria)[0] == ["t1", "t3"])


def test_a_transaction_that_only_reads_holds_nothing_up(stock: Stock, maria: MariaDBDatabase) -> None:
    stock.run(insert(stock, 1))
    settled(maria)
    report = stock.application.connect()
    report.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    report.begin()
    report.execute("SELECT count(*) FROM transact")
    stock.application.begin()
    stock.run(insert(stock, 2))
    stock.application.rollback()
    stock.run(insert(stock, 3))
    until(lambda: look(maria)[0] == ["t1", "t3"])
    report.rollback()


def test_a_prepared_transaction_is_open_until_it_is_decided(stock: Stock, maria: MariaDBDatabase) -> None:
    stock.run(insert(stock, 1))
    settled(maria)
    name = f"'{maria.address.database}'"
    far = stock.application.connect()
    far.execute(f"XA START {name}")
    far.execute(insert(stock, 2))
    far.execute(f"XA END {name}")
    far.execute(f"XA PREPARE {name}")
    far.close()
    stock.run(insert(stock, 3))
    try:
        for _ in range(15):
            assert look(maria)[0] == ["t1"]
            time.sleep(0.02)
    finally:
        until(lambda: _decided(stock, f"XA COMMIT {name}"))
    until(lambda: look(maria)[0] == ["t1", "t2", "t3"])


def _decided(stock: Stock, sql: str) -> bool:
    try:
        stock.application.connect().execute(sql)
    except stock.application.connection.errors:  # the server has not let go of it yet
        return False
    return True


def test_a_new_process_never_says_less_than_what_a_cursor_was_told(stock: Stock, maria: MariaDBDatabase) -> None:
    """A cursor beyond the log's end would be taken for a restored backup (P8)."""
    stock.application.begin()
    stock.run(insert(stock, 1))
    stock.application.rollback()
    stock.run(insert(stock, 2))
    end = settled(maria).end
    with maria.write() as writer:
        writer.put("msyncd_meta", {"name": "a cursor"}, {"value": str(end.seq)})
    with open_elsewhere(stock):  # with it, the hole could not be told from one that may be filled
        other = stock.another()
        with other.read() as reader:
            assert reader.log_end() == end
            assert reader.log_page(START, 10).end == end


def test_what_a_transaction_of_ours_appended_is_seen_by_it_alone_until_it_commits(
    stock: Stock, maria: MariaDBDatabase
) -> None:
    stock.run(insert(stock, 1))
    end = settled(maria).end
    with maria.write() as writer:
        stock.append(writer, ("item", 1, None, "i1"), ("item", 1, None, "i2"))
        assert writer.log_end() == Cursor(0, end.seq + 2)
        with maria.read() as reader:
            assert reader.log_end() == end
    assert settled(maria).end == Cursor(0, end.seq + 2)


def test_appending_and_logging_again_leave_no_holes(stock: Stock, maria: MariaDBDatabase) -> None:
    end = settled(maria).end
    with maria.write() as writer:
        stock.append(writer, *[("item", 1, None, f"i{number}") for number in range(2500)])
        assert writer.log_again(stock.ids["item"], end, 3, None) == 2500
    session = Session(maria.address, "write")
    top = settled(maria).end
    assert gaps_between(session, end.seq, top.seq + 1) == []
    assert top.seq == end.seq + 5000
    session.close()


def test_numbers_are_told_apart_from_gaps(stock: Stock, session: Session) -> None:
    session.run(
        "INSERT INTO msyncd_change_log (seq, type, operation, origin) VALUES (3, 1, 1, 1), (4, 1, 1, 1), (9, 1, 1, 1)"
    )
    assert gaps_between(session, 0, 12) == [Gap(1, 2), Gap(5, 8), Gap(10, 11)]
    assert gaps_between(session, 3, 4) == []
    session.run("DELETE FROM msyncd_change_log")
    assert gaps_between(session, 3, 6) == [Gap(4, 5)]


def test_a_transaction_is_the_same_under_the_number_that_it_gets_when_it_writes() -> None:
    reading, writing = Open(0, 7, "2026-01-01 00:00:00", 0.0), Open(99, 7, "2026-01-01 00:00:00", 0.0)
    assert reading.is_same(writing)
    assert writing.is_same(Open(99, 0, "2026-01-01 00:00:00", 0.0))  # prepared, its connection gone
    assert not writing.is_same(Open(100, 7, "2026-01-01 00:00:05", 0.0))
    assert not Open(0, 0, "2026-01-01 00:00:00", 0.0).is_same(Open(0, 0, "2026-01-01 00:00:00", 0.0))


def test_others_who_look_all_the_time_only_delay(
    stock: Stock, maria: MariaDBDatabase, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """innodb_trx is a copy that is renewed only if nobody has read it for 0.1 s."""
    stop = threading.Event()
    looks = 0

    def monitor() -> None:
        nonlocal looks
        connection = stock.application.connect()
        while not stop.wait(0.05 if looks % 20 else 0.4):
            connection.execute("SELECT count(*) FROM information_schema.innodb_trx")
            looks += 1

    thread = threading.Thread(target=monitor)
    thread.start()
    try:
        until(lambda: looks > 3)
        stale = [open_transactions(session) for _ in range(3)]
        stock.application.begin()
        stock.run(insert(stock, 1))
        stock.application.rollback()
        stock.run(insert(stock, 2))
        until(lambda: look(maria)[0] == ["t2"])
    finally:
        stop.set()
        thread.join()
    assert None in stale, "an answer that was made for somebody else is not taken for one's own"
    assert module.LOOK_SECONDS > 0.1


def test_without_the_right_to_see_transactions_it_says_what_to_grant(
    stock: Stock, maria: MariaDBDatabase, make_user: Callable[..., str]
) -> None:
    url = make_user("SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER")
    database = open_database(url)
    with pytest.raises(DatabaseUnavailable, match=r"GRANT PROCESS ON \*\.\* TO"):
        database.describe()
    database.close()
