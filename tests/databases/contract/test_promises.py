"""What a write transaction may rely on beside an application that writes: locked rows, looks that see all, a fence."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from msyncd.databases.fence import ASKING
from msyncd.databases.interface import Writer
from msyncd.databases.values import KEY, WRITE
from msyncd.errors import DatabaseUnavailable
from msyncd.model import START, Row, StoreFact
from msyncd.testing import Connection
from tests.databases.contract.stock import FACTS, HEADER, PATIENCE, STORES, MakeStock, Stock, settled

SERVERS = pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"], indirect=True)
"""SQLite has one writer at a time: there is nothing to wait for."""


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard, with a header."""
    stock = make_stock(guard=False)
    stock.run(HEADER)
    stock.forget()
    return stock


@pytest.fixture
def open_transaction(stock: Stock) -> Iterator[Connection]:
    """A program of the application in the midst of a transaction; undone at the end if the test does not commit."""
    connection = stock.application.connect()
    connection.begin()
    yield connection
    connection.close()


class Beside:
    """Something that is done beside the test, in a thread of its own."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._failed: list[BaseException] = []
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def waits(self, seconds: float = 0.3) -> bool:
        """Whether it is not done after so long."""
        self._thread.join(seconds)
        return self._thread.is_alive()

    def ended(self) -> None:
        """It comes to its end; what went wrong is raised here."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "it waits for ever"
        if self._failed:
            raise self._failed[0]

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            self._failed.append(error)


# --- the log ----------------------------------------------------------------------------------------------------------


def test_what_is_left_in_the_log_is_about_right_and_nothing_only_if_there_is_none(stock: Stock) -> None:
    before = stock.forget()
    with stock.database.read() as reader:
        assert reader.log_left(before) == 0
    for number in range(2, 12):
        stock.run("INSERT INTO transact VALUES (?, 'b', 'n1', ?, 'nw')", (f"t{number}", number))
    end = settled(stock.database).end
    with stock.database.read() as reader:
        assert 5 <= reader.log_left(before) <= 20
        assert reader.log_left(START) >= 5
        assert reader.log_left(end) == 0
        assert reader.log_left(reader.log_page(before, 9).upto) >= 1


def test_what_was_written_lies_before_the_cursor_that_says_so(stock: Stock) -> None:
    transact = stock.ids["transact"]
    with stock.database.write() as writer:
        before = writer.log_written()
        writer.append(1, [(transact, WRITE, 3, "b", None, None, None, None, None, f"t{n}") for n in range(3)])
        written = writer.log_written()
        assert before < written
    settled(stock.database)
    with stock.database.read() as reader:
        assert reader.log_page(written, 10).entries == []
        assert len(reader.log_page(before, 10).entries) == 3
        assert before <= reader.log_end()


def test_an_entry_for_one_site_alone_tells_of_no_change(stock: Stock) -> None:
    before = stock.forget()
    transact = stock.ids["transact"]
    with stock.database.write() as writer:
        writer.append(1, [(transact, WRITE, 2, "b", None, None, None, 3, None, "t1")])
    with stock.database.read() as reader:
        assert not reader.changed_since(transact, ("t1",), before)


@SERVERS
def test_p19_what_is_committed_is_seen_though_others_before_it_are_open(
    stock: Stock, open_transaction: Connection
) -> None:
    before = stock.forget()
    open_transaction.execute("INSERT INTO transact VALUES ('open', 'b', 'n1', 8, 'nw')")
    stock.run("UPDATE transact SET status = 'fn' WHERE ID = 't1'")
    transact = stock.ids["transact"]
    for look in (stock.database.read, stock.database.write):
        with look() as reader:
            assert [entry[KEY] for entry in reader.log_page(before, 10).entries] in ([], ["t1"])
            assert reader.changed_since(transact, ("t1",), before)
            assert reader.log_keys(before, transact, 2) == {("t1",)}
            assert reader.log_count(before) == 1
            assert not reader.changed_since(transact, ("open",), before)


@SERVERS
def test_the_end_of_the_log_never_goes_back(stock: Stock, open_transaction: Connection) -> None:
    ends = []
    open_transaction.execute("INSERT INTO transact VALUES ('open', 'b', 'n1', 8, 'nw')")
    for number in range(10, 16):
        stock.run("INSERT INTO transact VALUES (?, 'b', 'n1', ?, 'nw')", (f"t{number}", number))
        with stock.database.read() as reader:
            ends.append(reader.log_end())
    open_transaction.rollback()
    with stock.database.read() as reader:
        ends.append(reader.log_end())
    assert ends == sorted(ends)


# --- locks of rows ----------------------------------------------------------------------------------------------------


def lock(stock: Stock, writer: Writer, *keys: str) -> None:
    writer.lock_rows(stock.types["transact"], [(key,) for key in keys])


@SERVERS
def test_p19_who_is_changing_a_row_is_waited_for_and_then_seen(stock: Stock, open_transaction: Connection) -> None:
    before = stock.forget()
    open_transaction.execute("UPDATE transact SET status = 'fn' WHERE ID = 't1'")
    seen: list[object] = []

    def applier() -> None:
        with stock.database.write() as writer:
            lock(stock, writer, "t1", "t9")
            seen.append(writer.changed_since(stock.ids["transact"], ("t1",), before))
            seen.append(writer.rows(stock.types["transact"], [("t1",)])["t1",][-1])

    beside = Beside(applier)
    assert beside.waits()
    open_transaction.commit()
    beside.ended()
    assert seen == [True, "fn"]


@SERVERS
def test_a_row_that_is_locked_is_changed_by_nobody_else_before_the_end(stock: Stock) -> None:
    other = stock.application.connect()
    with stock.database.write() as writer:
        lock(stock, writer, "t1")
        beside = Beside(lambda: other.execute("UPDATE transact SET status = 'late' WHERE ID = 't1'"))
        assert beside.waits()
        writer.begin_applying(1)
        writer.upsert(stock.types["transact"], stock.types["transact"].columns, [("t1", "b", "n1", 1, "in")])
        writer.end_applying()
    beside.ended()
    assert stock.fetch("SELECT status FROM transact") == [("late",)]
    assert stock.logged() == {("transact", "t1")}


@SERVERS
def test_a_row_that_somebody_holds_for_ever_is_waited_for_a_bounded_time(
    stock: Stock, open_transaction: Connection
) -> None:
    open_transaction.execute("UPDATE transact SET status = 'held' WHERE ID = 't1'")
    with pytest.raises(DatabaseUnavailable), stock.database.write() as writer:
        lock(stock, writer, "t1")
    # neither was harmed: the application goes on, and so does msyncd
    open_transaction.execute("UPDATE transact SET status = 'fn' WHERE ID = 't1'")
    open_transaction.commit()
    with stock.database.write() as writer:
        lock(stock, writer, "t1")
    assert stock.fetch("SELECT status FROM transact") == [("fn",)]


@SERVERS
def test_a_row_that_somebody_brings_meanwhile_is_not_written_over(stock: Stock) -> None:
    row: Row = ("t9", "b", "n9", 9, "in")
    with pytest.raises(DatabaseUnavailable):
        _write_where_somebody_else_does(stock, row)
    assert stock.fetch("SELECT status FROM transact WHERE ID = 't9'") == [("own",)]
    with stock.database.write() as writer:  # the next attempt sees it
        lock(stock, writer, "t9")
        assert writer.rows(stock.types["transact"], [("t9",)])["t9",][-1] == "own"
        writer.begin_applying(1)
        writer.upsert(stock.types["transact"], stock.types["transact"].columns, [row])
        writer.end_applying()
    assert stock.fetch("SELECT status FROM transact WHERE ID = 't9'") == [("in",)]


def _write_where_somebody_else_does(stock: Stock, row: Row) -> None:
    with stock.database.write() as writer:
        lock(stock, writer, "t9")
        other = Beside(
            lambda: stock.application.connect().execute("INSERT INTO transact VALUES ('t9', 'b', 'n', 9, 'own')")
        )
        other.ended()  # what does not stand yet is not locked: the application need not wait
        writer.begin_applying(1)
        writer.upsert(stock.types["transact"], stock.types["transact"].columns, [row])
        writer.end_applying()


@SERVERS
def test_what_was_found_to_exist_is_deleted_by_nobody_before_the_end(stock: Stock) -> None:
    other = stock.application.connect()
    with stock.database.write() as writer:
        assert writer.existing("transact", stock.types["transact"].key, [("t1",), ("t9",)]) == {("t1",)}
        beside = Beside(lambda: other.execute("DELETE FROM transact WHERE ID = 't1'"))
        assert beside.waits()
        writer.begin_applying(1)
        writer.upsert(stock.types["trans_line"], stock.types["trans_line"].columns, [("l1", "t1", None, 1.0)])
        writer.end_applying()
    beside.ended()
    assert stock.fetch("SELECT * FROM trans_line") == []
    assert {("transact", "t1"), ("trans_line", "l1")} <= stock.logged()


def test_locking_nothing_is_nothing(stock: Stock) -> None:
    with stock.database.write() as writer:
        lock(stock, writer)
        lock(stock, writer, *(f"none{number}" for number in range(10_000)))
        lock(stock, writer, "t1")
        lock(stock, writer, "t1")


# --- the fence --------------------------------------------------------------------------------------------------------


@SERVERS
def test_p35_a_restored_primary_s_fence_waits_and_holds_against_older_snapshots(make_stock: MakeStock) -> None:
    stock = make_stock(site=1)
    with stock.database.write() as writer:
        writer.put("msyncd_meta", {"name": ASKING}, {"value": ""})
    stock.run("INSERT INTO item VALUES ('i1', 'amox', 'Amoxicillin', NULL)")
    writing, reading = stock.application.connect(), stock.application.connect()
    reading.begin()
    if stock.application.kind == "postgresql":
        reading.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    reading.execute("SELECT * FROM item")
    writing.begin()
    writing.execute("UPDATE item SET item_name = 'x'")

    def close() -> None:
        with stock.database.write() as writer:
            writer.put("msyncd_meta", {"name": ASKING}, {"value": "asks"})

    beside = Beside(close)
    assert beside.waits()
    writing.commit()
    beside.ended()
    with pytest.raises(reading.errors):
        reading.execute("UPDATE item SET code = 'late'")
    reading.rollback()
    assert stock.fetch("SELECT code, item_name FROM item") == [("amox", "x")]


@SERVERS
def test_p33_who_has_passed_the_guard_is_waited_for_and_seen(make_stock: MakeStock) -> None:
    stock = make_stock()
    stock.run(HEADER)
    before = stock.forget()
    connection = stock.application.connect()
    connection.begin()
    connection.execute("UPDATE transact SET status = 'fn'")
    seen: list[bool] = []

    def fence() -> None:
        facts = replace(FACTS, number=2, stores={**STORES, "b": StoreFact("b", "BUM", None, epoch=2)})
        with stock.database.write() as writer:
            stock.database.renew_guard(facts, writer, 2)
            seen.append(writer.changed_since(stock.ids["transact"], ("t1",), before))

    beside = Beside(fence)
    assert beside.waits()
    connection.commit()
    beside.ended()
    assert seen == [True]
    words = "store BUM is active on no site, so its records can be edited nowhere"
    assert stock.refusal("UPDATE transact SET status = 'late'") == words
