"""Installing beside an application that never stops: it is kept waiting for a moment at most."""

import threading
import time

import pytest

from msyncd.databases.postgresql import install, locking
from msyncd.databases.values import Capture
from msyncd.errors import DatabaseUnavailable
from tests.databases.contract.application import Application
from tests.databases.contract.stock import FACTS, HEADER, SCHEMA, MakeStock, Stock


def test_an_open_transaction_is_waited_for_and_nobody_waits_behind(
    application: Application, make_stock: MakeStock
) -> None:
    application.make(SCHEMA)
    early, other = application.connect(), application.connect()
    early.begin()
    early.execute(HEADER)
    done = threading.Event()
    made: list[Stock] = []

    def installing() -> None:
        made.append(make_stock(schema="", guard=False))
        done.set()

    thread = threading.Thread(target=installing)
    thread.start()
    waits = []
    for number in range(2, 12):
        started = time.monotonic()
        other.execute(f"INSERT INTO transact VALUES ('t{number}', 'b', 'n1', {number}, 'nw')")
        waits.append(time.monotonic() - started)
        time.sleep(0.05)
    assert not done.is_set(), "it did not wait for what was written before"
    early.commit()
    thread.join(60)
    (stock,) = made
    print("an insert waited, ms:", [round(one * 1000) for one in waits])
    other.execute("UPDATE transact SET status = 'fn' WHERE ID = 't5'")
    assert stock.logged() == {("transact", "t5")}


def test_a_table_that_stays_in_use_is_tried_later_and_who_uses_it_is_named(
    application: Application, make_stock: MakeStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "PATIENCE", 0.3)
    application.make(SCHEMA)
    early = application.connect()
    early.execute("SET application_name = 'the till'")
    early.begin()
    early.execute(HEADER)
    with pytest.raises(DatabaseUnavailable, match=r"transact.* is in use all the time: the till \(pid \d+, open for"):
        make_stock(schema="", guard=False)
    early.commit()
    stock = make_stock(schema="", guard=False)  # it goes on where it stopped
    stock.run("UPDATE transact SET status = 'fn'")
    assert stock.logged() == {("transact", "t1")}


def test_what_is_current_is_not_locked_again(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    busy = stock.application.connect()
    busy.begin()
    busy.execute(HEADER)
    stock.install()  # with the table in use
    busy.commit()
    assert stock.installed.made == ()


def test_killed_halfway_it_goes_on_where_it_stopped(
    application: Application, make_stock: MakeStock, monkeypatch: pytest.MonkeyPatch
) -> None:
    application.make(SCHEMA)
    done: list[str] = []

    def dying(*arguments: object) -> None:
        done.append(str(arguments[1]))
        if len(done) == 3:
            raise InterruptedError
        locking.with_table(*arguments)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(install, "with_table", dying)
    with pytest.raises(InterruptedError):
        make_stock(schema="", guard=False)
    monkeypatch.undo()
    stock = make_stock(schema="", guard=False)
    stock.run(HEADER)
    stock.run("INSERT INTO trans_line VALUES ('l1', 't1', NULL, 1)")
    stock.run("INSERT INTO line_note VALUES ('o1', 'l1', NULL)")
    assert stock.logged() == {("transact", "t1"), ("trans_line", "l1"), ("line_note", "o1")}


def test_what_was_lost_is_told_again_until_somebody_looked_after_it(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    stock.run(f'DROP TRIGGER "msyncd_{stock.ids["transact"]}_update" ON transact')
    capture = Capture(stock.site, tuple(stock.types.values()), FACTS)
    assert stock.another().install(capture).lost == ("transact",)  # and then it died
    other = stock.another()
    assert other.install(capture).lost == ("transact",)
    with other.write() as writer:
        writer.execute("UPDATE msyncd_record_type SET captured = 1 WHERE name = ?", ("transact",))
    assert stock.another().install(capture).lost == ()


def test_a_trigger_that_was_disabled_is_lost_too(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    stock.run("ALTER TABLE transact DISABLE TRIGGER ALL")
    stock.install()
    assert stock.installed.lost == ("transact",)
    stock.forget()
    stock.run(HEADER)
    assert stock.logged() == {("transact", "t1")}


def test_two_that_install_at_once_do_it_one_after_the_other(application: Application, make_stock: MakeStock) -> None:
    application.make(SCHEMA)
    stock = make_stock(schema="", guard=False)
    stock.database.remove()
    capture = Capture(stock.site, tuple(stock.types.values()), FACTS)
    others = [stock.another() for _ in range(4)]
    threads = [threading.Thread(target=one.install, args=(capture,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert others[0].install(capture).made == ()


def test_how_long_a_transaction_holds_the_log_up_is_told(make_stock: MakeStock) -> None:
    stock = make_stock(guard=False)
    other = stock.application.connect()
    other.begin()
    other.execute(HEADER)
    time.sleep(0.2)
    stock.run("INSERT INTO item VALUES ('i1', NULL, NULL, NULL)")
    with stock.database.read() as reader:
        seconds = reader.open_transaction_seconds()
        assert seconds is not None
        assert seconds >= 0.2
        assert reader.log_count(reader.log_end()) == 1  # committed, and not to be read yet
    assert stock.database.wait_for_change(0.01) in (True, False)
    other.rollback()
    assert ("item", "i1") in stock.logged()
