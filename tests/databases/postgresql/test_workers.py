"""Several workers on one database: one of them leads, and what one applies wakes the others."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from msyncd.databases import Database
from msyncd.databases.postgresql.locking import LEADING
from msyncd.model import Value
from tests.databases.contract.stock import MakeStock, Stock
from tests.servers import ADVISORY_HERE


@pytest.fixture
def stock(make_stock: MakeStock) -> Stock:
    """Site 1 as the first worker has it, without a guard."""
    return make_stock(guard=False, site=1)


@pytest.fixture
def other(stock: Stock) -> Iterator[Database]:
    """The second worker."""
    with closing(stock.another()) as database:
        yield database


def test_one_leads_and_another_follows_it(stock: Stock, other: Database) -> None:
    assert [stock.database.leads(), other.leads()] == [True, False]
    assert [stock.database.leads(), other.leads()] == [True, False]
    stock.database.close()
    _until_leads(other)
    assert not stock.database.leads()


def _until_leads(database: Database) -> None:
    """The lock ends when the server has noticed that its connection did."""
    give_up = time.monotonic() + 20
    while not database.leads():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_one_whose_connection_died_leads_no_longer(stock: Stock, other: Database) -> None:
    assert stock.database.leads()
    ends = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE {ADVISORY_HERE} AND objid = ?"
    stock.run(ends, LEADING[1:])
    _until_leads(other)
    with pytest.raises(Exception, match="terminating"):
        stock.database.leads()
    assert not stock.database.leads()


def test_p26_what_a_worker_applies_wakes_the_others_and_alone_it_notifies_nobody(stock: Stock, other: Database) -> None:
    for one in (stock.database, other):
        one.wait_for_change(0.01)

    def apply() -> None:
        with stock.database.write() as writer:
            stock.append(writer, ("item", 1, None, "i1"))

    applying = threading.Timer(0.2, apply)
    applying.start()
    started = time.monotonic()
    assert other.wait_for_change(30)
    assert time.monotonic() - started < 20
    applying.join(10)
    other.close()
    while stock.database.wait_for_change(0.1):
        pass  # where others wait, it hears of itself too
    apply()
    assert not stock.database.wait_for_change(0.1)


def test_p31_store_facts_and_fills_of_one_worker_are_news_at_another(stock: Stock, other: Database) -> None:
    seen = other.data_version()
    with stock.database.write() as writer:
        writer.put("msyncd_meta", {"name": "facts_number"}, {"value": "7"})
    facts = other.data_version()
    assert facts != seen
    with stock.database.write() as writer:
        values: dict[str, Value] = {"boundary_major": 0, "boundary_seq": 0, "initial": 0, "because": "", "since": ""}
        writer.put("msyncd_fill", {"id": 3}, {"site": 2, **values})
    assert other.data_version() != facts
