"""Many writers at once, with pauses and rollbacks, while a reader follows: no change is skipped, none comes twice (P3).

MSYNCD_TEST_CHANGES=100000 makes it the large run.
"""

import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import pytest

from msyncd.databases.values import KEY, TYPE
from msyncd.model import Cursor
from tests.databases.contract.stock import PATIENCE, MakeStock, Stock

CHANGES: Final = int(os.environ.get("MSYNCD_TEST_CHANGES", "1200"))
WRITERS: Final = 8
ROLLED_BACK: Final = 0.2


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard."""
    return make_stock(guard=False)


@dataclass
class Follower:
    """Reads the log as a sender does: page by page, each beyond the last, in looks of its own."""

    stock: Stock
    after: Cursor
    read: list[str] = field(default_factory=list)
    rows_missing: list[str] = field(default_factory=list)

    def step(self, limit: int = 50) -> int:
        """One page; how many entries it had. Every row must stand as its entry says, or be newer (P3)."""
        with self.stock.database.read() as reader:
            page = reader.log_page(self.after, limit)
            assert self.after <= page.upto <= page.end
            keys = [entry[KEY] for entry in page.entries if entry[TYPE] == self.stock.ids["transact"]]
            stand = reader.rows(self.stock.types["transact"], [(key,) for key in keys])
        self.after = page.upto
        self.read += keys
        self.rows_missing += [key for key in keys if (key,) not in stand]
        return len(page.entries)

    def catch_up(self, expected: int) -> None:
        """Read until that many keys are there, or until patience ends."""
        give_up = time.monotonic() + PATIENCE
        while len(set(self.read)) < expected and time.monotonic() < give_up:
            if not self.step():
                time.sleep(0.02)


def write_some(stock: Stock, writer: int, count: int) -> list[str]:
    """One program: transactions of a few rows, with pauses in between; some are rolled back. What it committed."""
    chance = random.Random(writer)  # the same in every run
    connection = stock.application.connect()
    committed: list[str] = []
    number = 0
    while len(committed) < count:
        connection.begin()
        keys = []
        for _ in range(chance.randint(1, 4)):
            number += 1
            keys.append(f"w{writer}-{number}")
            connection.execute(
                "INSERT INTO transact VALUES (?, 'b', 'n1', ?, 'nw')", (keys[-1], writer * 10**7 + number)
            )
            if stock.application.kind != "sqlite" and chance.random() < 0.3:  # SQLite's writers wait for each other
                time.sleep(chance.random() * 0.01)
        if chance.random() < ROLLED_BACK:
            connection.rollback()
        else:
            connection.commit()
            committed += keys
    connection.close()
    return committed


@pytest.mark.timeout(max(120, CHANGES // 50))
def test_p03_no_change_is_skipped_and_none_comes_twice_while_many_write(stock: Stock) -> None:
    follower = Follower(stock, stock.forget())
    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write_some, stock, writer, CHANGES // WRITERS) for writer in range(WRITERS)]
        while not all(one.done() for one in writing):
            follower.step()
        committed = [key for one in writing for key in one.result()]
    follower.catch_up(len(committed))
    assert set(committed) - set(follower.read) == set(), "skipped"
    assert set(follower.read) - set(committed) == set(), "never committed"
    assert [key for key, times in Counter(follower.read).items() if times > 1] == [], "came twice"
    assert follower.rows_missing == [], "an entry came with a row from before it"


def test_p03_a_change_that_commits_late_comes_late_and_is_not_skipped(stock: Stock) -> None:
    if stock.application.kind == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    follower = Follower(stock, stock.forget())
    stock.application.begin()
    stock.run("INSERT INTO transact VALUES ('late', 'b', 'n1', 1, 'nw')")
    other = stock.application.connect()
    for number in range(2, 30):
        other.execute("INSERT INTO transact VALUES (?, 'b', 'n1', ?, 'nw')", (f"t{number}", number))
        follower.step(3)
    assert "late" not in follower.read
    stock.application.commit()
    follower.catch_up(29)
    assert sorted(follower.read) == sorted(["late", *(f"t{number}" for number in range(2, 30))])


def test_p03_a_transaction_that_is_rolled_back_late_holds_nothing_up_for_ever(stock: Stock) -> None:
    if stock.application.kind == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    follower = Follower(stock, stock.forget())
    stock.application.begin()
    stock.run("INSERT INTO transact VALUES ('never', 'b', 'n1', 1, 'nw')")
    other = stock.application.connect()
    for number in range(2, 10):
        other.execute("INSERT INTO transact VALUES (?, 'b', 'n1', ?, 'nw')", (f"t{number}", number))
        follower.step()
    stock.application.rollback()
    follower.catch_up(8)
    assert sorted(follower.read) == [f"t{number}" for number in range(2, 10)]


def test_p03_a_program_that_dies_in_its_transaction_holds_nothing_up_for_ever(stock: Stock) -> None:
    if stock.application.kind == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    follower = Follower(stock, stock.forget())
    dying = stock.application.connect()
    dying.begin()
    dying.execute("INSERT INTO transact VALUES ('never', 'b', 'n1', 1, 'nw')")
    stock.run("INSERT INTO transact VALUES ('t2', 'b', 'n1', 2, 'nw')")
    follower.step()
    dying.close()
    follower.catch_up(1)
    assert follower.read == ["t2"]


def test_p01_what_is_sent_is_what_the_table_says_whatever_the_order_of_its_entries(stock: Stock) -> None:
    """T1 begins, T2 deletes the record and commits, T1 inserts it again and commits: the record lives."""
    if stock.application.kind == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    stock.run("INSERT INTO transact VALUES ('r', 'b', 'n1', 1, 'nw')")
    follower = Follower(stock, stock.forget())
    first, second = stock.application.connect(), stock.application.connect()
    first.begin()
    first.execute("INSERT INTO transact VALUES ('other', 'b', 'n1', 2, 'nw')")
    second.execute("DELETE FROM transact WHERE ID = 'r'")
    first.execute("INSERT INTO transact VALUES ('r', 'b', 'n1', 1, 'again')")
    first.commit()
    follower.catch_up(2)
    assert set(follower.read) == {"r", "other"}
    assert follower.rows_missing == []


def test_no_lock_is_taken_that_a_writer_would_feel(stock: Stock) -> None:
    """While a look is open, the application inserts, updates and deletes what was looked at."""
    stock.run("INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, 'nw'), ('t2', 'b', 'n1', 2, 'nw')")
    after = stock.forget()
    done = threading.Event()

    def application() -> None:
        connection = stock.application.connect()
        connection.execute("UPDATE transact SET status = 'fn' WHERE ID = 't1'")
        connection.execute("DELETE FROM transact WHERE ID = 't2'")
        connection.execute("INSERT INTO transact VALUES ('t3', 'b', 'n1', 3, 'nw')")
        done.set()

    with stock.database.read() as reader:
        reader.log_page(after, 10)
        reader.rows(stock.types["transact"], [("t1",), ("t2",)])
        thread = threading.Thread(target=application)
        thread.start()
        assert done.wait(PATIENCE), "the application waits for a look"
        reader.log_page(after, 10)
    thread.join(PATIENCE)
    assert stock.logged() == {("transact", "t1"), ("transact", "t2"), ("transact", "t3")}


def test_the_application_writes_while_the_applier_applies(stock: Stock) -> None:
    """Each sees its own through: the applier's rows stand unlogged, the application's are all logged."""
    own: list[str] = []
    stop = threading.Event()

    def application() -> None:
        connection = stock.application.connect()
        while not stop.is_set() or len(own) < 20:
            key = f"own{len(own)}"
            connection.execute("INSERT INTO transact VALUES (?, 'b', 'n1', ?, 'nw')", (key, len(own)))
            own.append(key)
            time.sleep(0.002)  # SQLite knows no queue: who asks again at once may have the lock for ever

    stock.forget()
    thread = threading.Thread(target=application)
    thread.start()
    try:
        for batch in range(15):
            stock.apply("transact", *[(f"in{batch}-{n}", "k", "n2", batch * 100 + n, "nw") for n in range(30)])
            stock.take_away("transact", (f"in{batch}-0",))
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert stock.logged() == {("transact", key) for key in own}
    assert stock.fetch("SELECT count(*) FROM transact WHERE store_ID = 'k'") == [(15 * 29,)]
    assert stock.fetch("SELECT count(*) FROM transact WHERE store_ID = 'b'") == [(len(own),)]
