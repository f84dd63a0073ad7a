"""The applier beside an application that writes at the same time: nothing of it is overwritten unseen (P19, P21)."""

import threading
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from msyncd.databases.interface import RowRejected, Writer
from msyncd.databases.postgresql import database as own
from msyncd.databases.postgresql import staging
from msyncd.errors import DatabaseUnavailable
from msyncd.model import RecordType
from tests.databases.contract.stock import HEADER, MakeStock, Stock


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 2, without a guard."""
    return make_stock(guard=False)


def put(stock: Stock, writer: Writer, status: str, key: str = "t1") -> None:
    """Write a header as the applier does, within a transaction that goes on."""
    writer.upsert(stock.types["transact"], stock.types["transact"].columns, [(key, "b", "n1", int(key[1:]), status)])


# --- what the application has just written ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "written"),
    [
        (HEADER, "UPDATE transact SET status = 'own' WHERE ID = 't1'"),
        ("SELECT 1", HEADER),  # the very same new record, at both ends
        (HEADER, "DELETE FROM transact WHERE ID = 't1'"),
    ],
    ids=["updated", "inserted", "deleted"],
)
def test_p19_what_the_application_writes_meanwhile_is_not_overwritten(stock: Stock, before: str, written: str) -> None:
    stock.run(before)
    with pytest.raises(DatabaseUnavailable, match="writing the same records"):
        _write_behind(stock, written)
    assert stock.fetch("SELECT count(*) FROM transact WHERE status = 'theirs'") == [(0,)]
    # the next attempt begins after it, and sees it where it looks for conflicts
    with stock.database.write() as writer:
        assert writer.changed_since(stock.ids["transact"], ("t1",), stock.forget()) is False
        writer.begin_applying(1)
        put(stock, writer, "theirs")
        writer.end_applying()
    assert stock.fetch("SELECT status FROM transact WHERE ID = 't1'") == [("theirs",)]


def _write_behind(stock: Stock, written: str) -> None:
    with stock.database.write() as writer:
        stock.run(written)  # committed after the writer began
        writer.begin_applying(1)
        put(stock, writer, "theirs")
        writer.end_applying()


def test_p19_a_change_that_commits_while_the_applier_waits_for_its_row_is_not_overwritten(stock: Stock) -> None:
    stock.run(HEADER)
    other = stock.application.connect()
    other.begin()
    other.execute("UPDATE transact SET status = 'own' WHERE ID = 't1'")
    committing = threading.Timer(0.3, other.commit)
    committing.start()
    with pytest.raises(DatabaseUnavailable, match="writing the same records"):
        _put_once(stock)
    committing.join(10)
    assert stock.fetch("SELECT status FROM transact") == [("own",)]


def _put_once(stock: Stock) -> None:
    with stock.database.write() as writer:
        writer.begin_applying(1)
        put(stock, writer, "theirs")
        writer.end_applying()


def test_p19_a_deletion_and_a_column_heed_it_too(stock: Stock) -> None:
    stock.run(HEADER)
    one = stock.types["transact"]
    steps: tuple[Callable[[Writer], None], ...] = (
        lambda writer: writer.delete(one, [("t1",)]),
        lambda writer: writer.set_column(one, ("t1",), stock.columns("transact", ["status"])[0], "theirs"),
        lambda writer: writer.park(one, stock.columns("transact", ["number"]), ("t1",)),
    )
    for number, step in enumerate(steps):
        with pytest.raises(DatabaseUnavailable, match="writing the same records"):
            _step_behind(stock, f"UPDATE transact SET status = 'own{number}'", step)
        assert stock.fetch("SELECT status FROM transact") == [(f"own{number}",)]


def _step_behind(stock: Stock, written: str, step: Callable[[Writer], None]) -> None:
    with stock.database.write() as writer:
        stock.run(written)
        writer.begin_applying(1)
        step(writer)


def test_other_records_of_the_same_table_do_not_disturb(stock: Stock) -> None:
    stock.run(HEADER)
    with stock.database.write() as writer:
        stock.run("UPDATE transact SET status = 'own'")
        writer.begin_applying(1)
        put(stock, writer, "theirs", "t2")
        writer.end_applying()
    assert stock.fetch("SELECT ID, status FROM transact ORDER BY ID") == [("t1", "own"), ("t2", "theirs")]


def test_what_a_hook_wrote_in_the_same_transaction_does_not_disturb(stock: Stock) -> None:
    with stock.database.write() as writer:
        writer.begin_applying(1)
        with writer.as_application():
            writer.lookups()["transact"].insert({"ID": "t1", "store_ID": "b"})
        put(stock, writer, "theirs")
        writer.end_applying()
    assert stock.fetch("SELECT status FROM transact") == [("theirs",)]


# --- locks ------------------------------------------------------------------------------------------------------------


def test_p21_a_row_that_stays_locked_is_tried_later(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "_WRITE", own._WRITE.replace("lock_timeout TO 3000", "lock_timeout TO 200"))
    stock.run(HEADER)
    other = stock.application.connect()
    other.begin()
    other.execute("UPDATE transact SET status = 'own' WHERE ID = 't1'")
    with pytest.raises(DatabaseUnavailable, match="lock"):
        _put_once(stock)
    other.commit()
    _put_once(stock)
    assert stock.fetch("SELECT status FROM transact") == [("theirs",)]


def test_p21_another_worker_that_writes_for_long_is_tried_later(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    other = stock.another()
    monkeypatch.setattr(own, "_WRITE", own._WRITE.replace("lock_timeout TO 10000", "lock_timeout TO 200"))
    with stock.database.write(), pytest.raises(DatabaseUnavailable, match="lock"), other.write():
        raise AssertionError("two write at once")


def test_p21_a_deadlock_with_the_application_is_tried_later(stock: Stock) -> None:
    stock.run("INSERT INTO transact VALUES ('t1', 'b', 'n1', 1, ''), ('t2', 'b', 'n1', 2, '')")
    other = stock.application.connect()
    other.begin()
    other.execute("UPDATE transact SET status = 'own' WHERE ID = 't2'")
    ended: list[str] = []

    def application() -> None:
        try:
            other.execute("UPDATE transact SET status = 'own' WHERE ID = 't1'")
            other.commit()
            ended.append("committed")
        except psycopg.errors.DeadlockDetected:
            other.rollback()
            ended.append("deadlock")

    def applier() -> None:
        with stock.database.write() as writer:
            writer.begin_applying(1)
            put(stock, writer, "theirs", "t1")
            thread.start()
            waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            while not stock.fetch(waits):
                pass
            put(stock, writer, "theirs", "t2")
            writer.end_applying()
        ended.append("applied")

    thread = threading.Thread(target=application)
    try:
        applier()
    except DatabaseUnavailable:
        ended.append("later")
    thread.join(30)
    assert sorted(ended) in (["committed", "later"], ["applied", "deadlock"])


# --- many rows, and odd tables ----------------------------------------------------------------------------------------


def test_many_rows_are_rejected_as_few_are(stock: Stock) -> None:
    """Those that are copied too: none of them is written, and the words name what is wrong."""
    rows = [(f"t{number}", "b", "n1", number, "nw") for number in range(staging.MANY + 10)]
    one = stock.types["transact"]
    with stock.database.write() as writer:
        writer.begin_applying(1)
        with pytest.raises(RowRejected, match="status"):
            writer.upsert(
                one,
                one.columns,
                [*rows, ("t0x", "b", "n1", -1, "much too long")],
            )
        with pytest.raises(RowRejected, match="already exists"):
            writer.upsert(one, one.columns, [*rows, ("again", "b", "n1", 1, "")])
        writer.upsert(one, one.columns, rows)
        writer.end_applying()
    assert stock.fetch("SELECT count(*) FROM transact") == [(len(rows),)]


def test_a_key_whose_check_can_be_put_off_takes_writes_all_the_same(make_stock: MakeStock) -> None:
    schema = "CREATE TABLE unit (ID VARCHAR(40) PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, name VARCHAR(40));"
    unit = RecordType("unit", "unit", ("ID",), ("ID", "name"), "primary", "every_site")
    stock = make_stock(schema=schema, types=[unit])
    stock.apply("unit", ("u1", "a"), ("u2", "b"))
    stock.apply("unit", ("u2", "c"), ("u3", "d"))
    stock.apply("unit", ("u3",), columns=["ID"])
    assert stock.fetch("SELECT * FROM unit ORDER BY ID") == [("u1", "a"), ("u2", "c"), ("u3", "d")]
    assert stock.entries() == []


def test_a_key_that_only_the_database_makes_is_written_as_it_comes(make_stock: MakeStock) -> None:
    schema = "CREATE TABLE visit (ID BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note VARCHAR(40));"
    visit = RecordType("visit", "visit", ("ID",), ("ID", "note"), "any_site", "every_site")
    stock = make_stock(schema=schema, types=[visit])
    stock.apply("visit", (77, "a"))
    stock.apply("visit", (77, "b"))
    assert stock.fetch("SELECT * FROM visit") == [(77, "b")]


@pytest.mark.parametrize(
    ("declared", "key"),
    [
        ("UUID", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
        ("UUID", "a0eebc999c0b4ef8bb6d6bb9bd380a11"),
        ("INTEGER", "5"),
        ("VARCHAR(40)", 5),
        ("NUMERIC(6, 2)", "1.5"),
        ("DATE", "2026-01-01 00:00:00"),
        ("BOOLEAN", 1),
    ],
)
def test_p36_a_key_in_another_form_would_be_another_record_and_is_refused(
    make_stock: MakeStock, declared: str, key: str | int
) -> None:
    one = RecordType("one", "one", ("ID",), ("ID", "note"), "any_site", "every_site")
    stock = make_stock(schema=f"CREATE TABLE one (ID {declared} PRIMARY KEY, note VARCHAR(40));", types=[one])
    with pytest.raises(RowRejected, match=r"one.id: .* another key"):
        stock.apply("one", (key, "a"))
    assert stock.fetch("SELECT * FROM one") == []


def test_what_is_looked_for_in_another_form_is_found_as_it_was_asked_for(make_stock: MakeStock) -> None:
    schema = "CREATE TABLE one (ID UUID PRIMARY KEY, number INTEGER, day DATE);"
    one = RecordType("one", "one", ("ID",), ("ID", "number", "day"), "any_site", "every_site")
    key = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    stock = make_stock(schema=schema, types=[one], before=f"INSERT INTO one VALUES ('{key}', 5, '2026-01-01');")
    number, day = stock.columns("one", ["number", "day"])
    with stock.database.read() as reader:
        assert set(reader.rows(stock.types["one"], [(key.upper(),), ("no uuid",), (None,), (5,)])) == {(key.upper(),)}
        assert reader.existing("one", [number], [("5",), ("five",), (2**80,), (None,)]) == {("5",)}
        assert reader.existing("one", [day], [("2026-01-01",), ("0000-00-00",), ("nul\0",)]) == {("2026-01-01",)}


def test_the_guard_is_asked_again_when_a_record_type_is_declared_otherwise(make_stock: MakeStock) -> None:
    """Functions are made anew without a lock: a connection that has used the old ones uses the new."""
    stock = make_stock(guard=False)
    stock.run(HEADER)
    stock.types["transact"] = replace(stock.types["transact"], guard=True)
    stock.install()
    assert stock.refusal("UPDATE transact SET store_ID = 'k'") == "store KAL is active on site 3, not here"
