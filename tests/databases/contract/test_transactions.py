"""Write transactions: all or nothing, one at a time, durable, and the ledger's rows within them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from msyncd.databases import Database
from msyncd.databases.interface import CareNeeded, RowRejected, Writer
from msyncd.errors import DatabaseUnavailable
from msyncd.model import Value
from tests.databases.contract.stock import HEADER, LINE, MakeStock, Stock


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard."""
    return make_stock(guard=False)


def meta(database: Database) -> dict[object, object]:
    with database.read() as reader:
        return dict(reader.execute("SELECT name, value FROM msyncd_meta WHERE name LIKE 'x%'"))  # type: ignore[arg-type]


def put(writer: Writer, name: str, value: str | None) -> None:
    writer.put("msyncd_meta", {"name": name}, {"value": value})


def test_what_was_written_is_there_for_all_and_at_once(stock: Stock) -> None:
    with stock.database.write() as writer:
        put(writer, "x", "1")
        assert meta(stock.database) == {}
        assert writer.execute("SELECT value FROM msyncd_meta WHERE name = 'x'") == [("1",)]
    assert meta(stock.database) == {"x": "1"}


def test_put_writes_a_row_whether_it_stood_or_not(stock: Stock) -> None:
    with stock.database.write() as writer:
        put(writer, "x1", "1")
        put(writer, "x1", "2")
        put(writer, "x1", "2")  # the very same: a database that counts changed rows must not add it again
        put(writer, "x2", None)
        key: dict[str, Value] = {"site": 3, "type": "item", "key": b"\x00\xff'"}
        writer.put("msyncd_held", key, {})
        writer.put("msyncd_held", key, {})
        held = writer.execute("SELECT site, type, key FROM msyncd_held WHERE key = ?", (b"\x00\xff'",))
    assert meta(stock.database) == {"x1": "2", "x2": None}
    assert held == [(3, "item", b"\x00\xff'")]


def test_insert_adds_rows(stock: Stock) -> None:
    rows: list[dict[str, Value]] = [{"at": f"{number:05}", "major": number, "seq": 2**62} for number in range(3000)]
    with stock.database.write() as writer:
        writer.insert("msyncd_tick", iter(rows))
        writer.insert("msyncd_tick", [])
    with stock.database.read() as reader:
        assert reader.execute("SELECT count(*), min(seq), max(major) FROM msyncd_tick") == [(3000, 2**62, 2999)]
    with pytest.raises(RowRejected), stock.database.write() as writer:
        writer.insert("msyncd_tick", rows[:1])


def test_a_block_that_raises_undoes_everything(stock: Stock) -> None:
    with pytest.raises(InterruptedError):
        _write_and_fail(stock.database)
    assert meta(stock.database) == {}
    with stock.database.write() as writer:
        put(writer, "x", "after")
    assert meta(stock.database) == {"x": "after"}


def _write_and_fail(database: Database) -> None:
    with database.write() as writer:
        put(writer, "x", "1")
        raise InterruptedError


def test_a_savepoint_undoes_its_own_and_the_transaction_goes_on(stock: Stock) -> None:
    with stock.database.write() as writer:
        put(writer, "x1", "1")
        with pytest.raises(InterruptedError):
            _save_and_fail(writer)
        with writer.savepoint():
            put(writer, "x4", "4")
    assert meta(stock.database) == {"x1": "1", "x4": "4"}


def _save_and_fail(writer: Writer) -> None:
    with writer.savepoint():
        put(writer, "x2", "2")
        with writer.savepoint():
            put(writer, "x3", "3")
        raise InterruptedError


def test_a_savepoint_mends_what_the_database_rejected(stock: Stock) -> None:
    with stock.database.write() as writer:
        put(writer, "x1", "1")
        with pytest.raises(RowRejected):
            _insert_twice(writer)
        put(writer, "x2", "2")
    assert meta(stock.database) == {"x1": "1", "x2": "2"}


def _insert_twice(writer: Writer) -> None:
    with writer.savepoint():
        writer.insert("msyncd_meta", [{"name": "x9", "value": "1"}, {"name": "x9", "value": "2"}])


def test_a_transaction_within_one_is_part_of_it(stock: Stock) -> None:
    """A hook may write to the ledger while a batch is applied: it commits with that, or not at all."""
    with pytest.raises(InterruptedError):
        _nest_and_fail(stock.database)
    assert meta(stock.database) == {}
    with stock.database.write() as writer:
        put(writer, "x1", "outer")
        with pytest.raises(InterruptedError):
            _write_and_fail(stock.database)
        with stock.database.write() as inner:
            put(inner, "x2", "inner")
    assert meta(stock.database) == {"x1": "outer", "x2": "inner"}


def _nest_and_fail(database: Database) -> None:
    with database.write():
        with database.write() as inner:
            put(inner, "x", "1")
        raise InterruptedError


def test_write_transactions_are_serial(stock: Stock) -> None:
    """Also between workers, each with connections of its own: no update is lost."""

    def count_up(database: Database) -> None:
        with database.write() as writer:
            stands = writer.execute("SELECT value FROM msyncd_meta WHERE name = 'x'")
            put(writer, "x", str(int(str(stands[0][0])) + 1 if stands else 1))

    workers = [stock.database, stock.another(), stock.another()]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(count_up, workers * 20))
    assert meta(stock.database) == {"x": "60"}


def test_a_writer_sees_what_was_committed_while_it_waited(stock: Stock) -> None:
    other, waiting = stock.another(), threading.Event()
    seen: list[object] = []

    def late() -> None:
        waiting.set()
        with other.write() as writer:
            seen.extend(writer.execute("SELECT value FROM msyncd_meta WHERE name = 'x'"))

    with stock.database.write() as writer:
        thread = threading.Thread(target=late)
        thread.start()
        waiting.wait(10)
        put(writer, "x", "first")
    thread.join(60)
    assert seen == [("first",)]


def test_an_error_of_the_ledger_s_sql_is_no_row_s_fault(stock: Stock) -> None:
    with pytest.raises(Exception, match=r"(?i)nowhere") as told, stock.database.write() as writer:
        writer.execute("SELECT * FROM nowhere")
    assert not isinstance(told.value, RowRejected)


def test_a_swift_transaction_asks_for_care_and_is_undone(stock: Stock) -> None:
    attempts: list[str] = []

    def work(writer: Writer) -> str:
        attempts.append("swift" if not attempts else "with care")
        put(writer, "x", str(len(attempts)))
        if len(attempts) == 1:
            with writer.savepoint():
                raise RowRejected("a row at fault")
        return attempts[-1]

    assert stock.database.with_care(work) == "with care"
    assert meta(stock.database) == {"x": "2"}
    with pytest.raises(CareNeeded), stock.database.write(swift=True) as writer, writer.savepoint():
        raise InterruptedError
    assert attempts == ["swift", "with care"]


def test_waiting_is_not_turned_into_care(stock: Stock) -> None:
    with pytest.raises(DatabaseUnavailable), stock.database.write(swift=True) as writer, writer.savepoint():
        raise DatabaseUnavailable("locked")


def test_the_application_writes_while_a_transaction_of_ours_is_open(stock: Stock) -> None:
    """It waits at most until ours ends (SQLite), and what it writes is captured as its own."""
    done = threading.Event()

    def application() -> None:
        stock.application.connect().execute(HEADER)
        done.set()

    with stock.database.write() as writer:
        writer.begin_applying(1)
        writer.upsert(stock.types["item"], stock.types["item"].columns, [("i1", "amox", "Amoxicillin")])
        thread = threading.Thread(target=application)
        thread.start()
        if stock.application.kind != "sqlite":
            assert done.wait(60), "the application waits for a transaction that touches other rows"
        writer.upsert(stock.types["item"], stock.types["item"].columns, [("i2", "para", "Paracetamol")])
        writer.end_applying()
    thread.join(60)
    assert stock.logged() == {("transact", "t1")}


def test_what_the_application_writes_in_a_transaction_that_is_open_meanwhile_is_its_own(stock: Stock) -> None:
    if stock.application.kind == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    stock.application.begin()
    stock.run(HEADER)
    stock.apply("item", ("i1", "amox", "Amoxicillin"))
    stock.run(LINE)
    stock.application.commit()
    assert stock.logged() == {("transact", "t1"), ("trans_line", "l1")}
