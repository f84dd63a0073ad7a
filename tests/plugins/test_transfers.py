"""transfers.py on the sample application's own tables: what a store finalised becomes an incoming record, once."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dataset import Database

from msyncd.databases.lookups import bound_to
from msyncd.model import AppliedBatch, Changes, Facts, RecordType, Row, Site, StoreFact, Value
from msyncd.plugins import Plugins
from tests.plugins.support import Listed

ROOT = Path(__file__).parents[2]
COLUMNS = ("ID", "name_ID", "store_ID", "type", "status", "invoice_num", "entry_date", "their_ref")
TRANSACT = RecordType("transact", "transact", ("ID",), COLUMNS, "active_site", "sites_of_store", "store_ID")
FACTS = Facts(
    1,
    {"A": StoreFact("A", "AAA", 2, name="name_a"), "B": StoreFact("B", "BBB", 3, name="name_b")},
    {1: Site(1, "Centre"), 2: Site(2, "A's"), 3: Site(3, "B's")},
)


class Sqlite:
    """The part of a transaction that a plugin sees; counts the writes that were made as the application's."""

    site = 3

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.db: Database = bound_to(connection)
        self.as_applications = 0

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        return self.connection.execute(sql, parameters).fetchall()

    @contextmanager
    def as_application(self) -> Iterator[None]:
        before = self.connection.total_changes
        yield
        self.as_applications += self.connection.total_changes - before

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        self.connection.execute("SAVEPOINT test")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK TO test")
            raise
        finally:
            self.connection.execute("RELEASE test")


@dataclass(frozen=True)
class World:
    """A satellite as a plugin sees it."""

    site: int
    facts: Facts
    record_types: dict[str, RecordType]

    def database(self) -> Any:
        raise AssertionError("transfers reads within its transaction")

    def send_again(self, record_type: str, keys: object, sites: object) -> None:
        raise AssertionError("transfers sends by writing")


@pytest.fixture
def transaction() -> Iterator[Sqlite]:
    """B's database, with A's invoice and its two lines just applied."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript((ROOT / "config/record_types/msupply.sql").read_text(encoding="utf-8"))
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("BEGIN")
    for letter in "ab":
        name = (f"name_{letter}", letter, f"Store {letter}")
        connection.execute("INSERT INTO name (ID, code, name) VALUES (?, ?, ?)", name)
        store = (letter.upper(), letter, letter, f"name_{letter}")
        connection.execute("INSERT INTO store (ID, code, name, name_ID) VALUES (?, ?, ?, ?)", store)
    connection.execute("INSERT INTO item (ID, code, item_name) VALUES ('i', 'i', 'Amoxicillin')")
    sent = ("S1", "name_b", "A", "ci", "fn", 17, "2026-03-01", "PO 4")
    connection.execute(f"INSERT INTO transact ({', '.join(COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", sent)
    for number in (1, 2):
        connection.execute(
            "INSERT INTO trans_line (ID, transaction_ID, item_ID, line_number, type, batch, expiry_date, pack_size, "
            "quantity, cost_price) VALUES (?, 'S1', 'i', ?, 'stock_out', 'X9', '2028-01-31', 10, ?, 0.1)",
            (f"L{number}", number, number * 5),
        )
    yield Sqlite(connection)
    connection.close()


def plugin(site: int = 3, **settings: Any) -> Plugins:
    """The shipped plugin, by its name, as on this site."""
    world = World(site, FACTS, {"transact": TRANSACT})
    plugins, problems = Plugins.load([Listed("transfers", ROOT, settings)], world=world)
    assert problems == []
    return plugins


def batch(*rows: Row, changed: bool = False) -> AppliedBatch:
    """These transact rows as just applied."""
    changes = Changes(TRANSACT, [row[:1] for row in rows], list(rows), stores=[str(row[2]) for row in rows])
    return (
        AppliedBatch(1, "m", changed={"transact": changes}) if changed else AppliedBatch(1, "m", {"transact": changes})
    )


SENT: Row = ("S1", "name_b", "A", "ci", "fn", 17, "2026-03-01", "PO 4")
INCOMING = "SELECT name_ID, store_ID, type, status, invoice_num, their_ref, entry_date FROM transact WHERE ID <> 'S1'"
LINES = (
    "SELECT item_ID, line_number, type, batch, expiry_date, pack_size, quantity, cost_price, item_line_ID "
    "FROM trans_line WHERE transaction_ID <> 'S1' ORDER BY line_number"
)


@pytest.mark.parametrize("changed", [False, True])
def test_a_finalised_transfer_becomes_an_incoming_record(transaction: Sqlite, changed: bool) -> None:
    assert plugin().applied(transaction, batch(SENT, changed=changed)) == ()
    assert transaction.execute(INCOMING) == [("name_a", "B", "si", "nw", 1, "17 / PO 4", "2026-03-01")]
    assert transaction.execute(LINES) == [
        ("i", 1, "stock_in", "X9", "2028-01-31", 10.0, 5.0, 0.1, None),
        ("i", 2, "stock_in", "X9", "2028-01-31", 10.0, 10.0, 0.1, None),
    ]
    assert transaction.as_applications == 3
    assert transaction.execute("SELECT count(*) FROM transact WHERE linked_transaction_ID = 'S1'") == [(1,)]


def test_a_doubled_delivery_makes_one_record(transaction: Sqlite) -> None:
    plugins = plugin()
    plugins.applied(transaction, batch(SENT))
    plugins.applied(transaction, batch(SENT, changed=True))
    assert plugins.report()[-1].failures == 0
    assert len(transaction.execute(INCOMING)) == 1
    assert len(transaction.execute(LINES)) == 2


def test_its_id_is_the_same_wherever_it_is_made(transaction: Sqlite) -> None:
    plugin().applied(transaction, batch(SENT))
    first = transaction.execute("SELECT ID FROM transact WHERE store_ID = 'B'")
    transaction.execute("DELETE FROM trans_line WHERE transaction_ID <> 'S1'")
    transaction.execute("DELETE FROM transact WHERE store_ID = 'B'")
    plugin().applied(transaction, batch(SENT))
    assert transaction.execute("SELECT ID FROM transact WHERE store_ID = 'B'") == first
    assert len(str(first[0][0])) == 32


def test_numbers_of_the_receiving_store_go_on(transaction: Sqlite) -> None:
    transaction.execute(
        "INSERT INTO transact (ID, name_ID, store_ID, type, status, invoice_num, entry_date) "
        "VALUES ('own', 'name_a', 'B', 'si', 'fn', 41, '2026-01-01')"
    )
    plugin().applied(transaction, batch(SENT))
    assert transaction.execute("SELECT max(invoice_num) FROM transact WHERE store_ID = 'B'") == [(42,)]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param((*SENT[:4], "cn", *SENT[5:]), id="not finalised"),
        pytest.param((*SENT[:3], "si", *SENT[4:]), id="not outgoing"),
        pytest.param(("S1", "name_x", *SENT[2:]), id="a name that is no store"),
        pytest.param(("S1", "name_a", *SENT[2:]), id="a store that is not active here"),
        pytest.param((*SENT[:2], "B", *SENT[3:]), id="to itself"),
    ],
)
def test_what_is_no_transfer_to_a_store_here_is_left_alone(transaction: Sqlite, row: Row) -> None:
    assert plugin().applied(transaction, batch(row)) == ()
    assert transaction.execute(INCOMING) == []


def test_a_copy_elsewhere_makes_nothing(transaction: Sqlite) -> None:
    assert plugin(site=1).applied(transaction, batch(SENT)) == ()
    assert transaction.execute(INCOMING) == []


def test_settings_say_what_counts_as_finalised(transaction: Sqlite) -> None:
    assert plugin(finalised_status="cn").applied(transaction, batch(SENT)) == ()
    assert transaction.execute(INCOMING) == []


def test_what_fails_halfway_leaves_nothing(transaction: Sqlite) -> None:
    # Any refusal of the database, at the last line.
    transaction.execute(
        "CREATE TRIGGER no BEFORE INSERT ON trans_line WHEN NEW.line_number = 2 "
        "BEGIN SELECT RAISE(ABORT, 'the shelf is full'); END"
    )
    failed = plugin().applied(transaction, batch(SENT))
    assert [(failure.plugin, "the shelf is full" in failure.reason) for failure in failed] == [("transfers", True)]
    assert transaction.execute(INCOMING) == []
