"""A table is altered while both ends run: nothing is sent by the columns of before, and nobody waits for a restart."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from msyncd.databases.sqlite import database
from msyncd.errors import SchemaChanged, TryLater
from msyncd.flow.described import check_described
from msyncd.flow.ledger import fills
from msyncd.model import Cursor, Row, Table
from msyncd.testing import OneSite, Sites
from tests.flow.support import TYPES, keys, stock, stock_sites

SHELF = "ALTER TABLE stock ADD COLUMN shelf TEXT"
DOSE = "ALTER TABLE item ADD COLUMN dose TEXT"


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Sites]:
    with stock_sites(tmp_path) as found:
        yield found


def stopped(site: OneSite) -> dict[str, str]:
    assert site.satellite is not None
    assert site.satellite.link is not None
    return dict(site.satellite.link.stopped)


def asked(site: OneSite) -> list[str]:
    """What the site has asked so far."""
    return [kind for kind, _, _ in site.line.messages]


def end(site: OneSite) -> Cursor:
    """Where the change log ends."""
    with site.here.database.read() as reader:
        return reader.log_end()


def logged_since(site: OneSite, cursor: Cursor) -> set[Row]:
    """The lines of stock that the change log names since then."""
    with site.here.database.read() as reader:
        return reader.log_keys(cursor, site.here.types.ids["stock"], site.sync_id)


# --- before the next look at the tables -----------------------------------------------------------------------------


@pytest.mark.everywhere
def test_what_is_pushed_before_the_next_look_does_not_lose_a_column_that_both_have(sites: Sites) -> None:
    for site in sites:
        site.write(SHELF)
    for site in (sites.primary, sites[3]):
        site.reload()
    stock(sites[2], "k", "BUM")
    sites[2].write("UPDATE stock SET shelf = 'A1' WHERE id = 'k'")
    with pytest.raises(SchemaChanged, match="stock"):
        sites[2].cycle()
    assert keys(sites.primary, "stock") == []
    sites[2].reload()
    sites.sync()
    assert sites.primary.rows("stock", "id, shelf") == [("k", "A1")]


@pytest.mark.parametrize("filled", [False, True])
def test_what_is_pulled_before_the_primarys_next_look_does_not_lose_one(sites: Sites, filled: bool) -> None:
    """Whether it comes by the log or by a piece of a fill."""
    for site in sites.satellites:
        site.write(DOSE)
        site.reload()
    sites.sync()
    sites.primary.write(DOSE)
    sites.primary.write("UPDATE item SET dose = '5 mg', name = 'x' WHERE id = 'i-1'")
    if filled:
        with sites.primary.here.database.write() as writer:
            fills.begin(writer, 2, because="all anew", now="", initial=True)
    with pytest.raises(TryLater, match="tables have changed, and with them item"):
        sites[2].cycle()
    assert sorted(sites[2].rows("item", "name, dose")) == [("amoxicillin", None), ("paracetamol", None)]
    sites.primary.reload()
    sites.sync()
    assert sorted(sites[2].rows("item", "name, dose")) == [("paracetamol", None), ("x", "5 mg")]


def test_a_column_that_is_dropped_again_before_the_look_delays_only_till_then(sites: Sites) -> None:
    sites[2].write(SHELF)
    stock(sites[2], "k", "BUM")
    with pytest.raises(SchemaChanged):
        sites[2].cycle()
    sites[2].write("ALTER TABLE stock DROP COLUMN shelf")
    sites.sync()
    assert keys(sites.primary, "stock") == ["k"]


def test_an_alteration_of_what_does_not_travel_stops_nothing(sites: Sites) -> None:
    for statement in (
        "CREATE TABLE other (id INTEGER)",
        "CREATE INDEX beside ON stock (item_id)",
        "ALTER TABLE store ADD COLUMN seen TEXT GENERATED ALWAYS AS (code) VIRTUAL",
    ):
        sites[2].write(statement)
    stock(sites[2], "k", "BUM")
    sites.sync()
    assert keys(sites.primary, "stock") == ["k"]


# --- where some columns are left out, triggers look only at the others ------------------------------------------------


@pytest.mark.everywhere
def test_what_was_written_into_a_new_column_before_the_triggers_knew_it_is_sent(sites: Sites) -> None:
    """Of stock the note does not travel: an update of what the triggers do not name is not logged."""
    for key in ("k", "l"):
        stock(sites[2], key, "BUM")
    sites.sync()
    for site in sites:
        site.write(SHELF)
    sites[2].write("UPDATE stock SET shelf = 'A1' WHERE id = 'k'")
    before = end(sites[2])
    for site in sites:
        site.reload()
    assert logged_since(sites[2], before) == {("k",)}, "what holds nothing there is not sent again"
    sites.sync()
    assert sites.primary.rows("stock", "id, shelf") == [("k", "A1"), ("l", None)]
    before = end(sites[2])
    sites[2].restart()
    assert logged_since(sites[2], before) == set(), "it is done once"


def test_a_column_that_was_left_out_brings_what_it_holds(sites: Sites) -> None:
    """A site sends what is its own, the primary what it edits."""
    stock(sites[2], "k", "BUM")
    stock(sites.primary, "c", "CMS")
    sites.sync()
    for site in sites:
        site.write("UPDATE stock SET note = ?", f"by {site.sync_id}")
    whole = TYPES.replace(", columns: {exclude: [note]}", "")
    assert whole != TYPES
    sites.reload(record_types=whole)
    sites.sync()
    assert sorted(sites.primary.rows("stock", "id, note")) == [("c", "by 1"), ("k", "by 2")]
    assert sites[2].rows("stock", "id, note") == [("k", "by 2")]


# --- what it costs ----------------------------------------------------------------------------------------------------


def test_a_batch_asks_one_question_and_an_idle_cycle_none(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    look = database.SQLiteDatabase._look
    describe = database.SQLiteDatabase.describe

    def looking(self: database.SQLiteDatabase, pragma: str) -> int:
        looks.append(pragma)
        return look(self, pragma)

    def describing(self: database.SQLiteDatabase) -> dict[str, Table]:
        looks.append("describe")
        return describe(self)

    monkeypatch.setattr(database.SQLiteDatabase, "_look", looking)
    monkeypatch.setattr(database.SQLiteDatabase, "describe", describing)
    for site in sites:
        check_described(site.here)  # what opening itself has made
    looks.clear()
    sites[2].cycle()
    assert looks == []
    stock(sites[2], "k", "BUM")
    sites[2].cycle()
    assert looks == ["PRAGMA schema_version"]


# --- who hears of it --------------------------------------------------------------------------------------------------


def test_an_idle_site_hears_in_its_next_cycle_that_the_primary_has_a_column_more(sites: Sites) -> None:
    sites.primary.write(SHELF)
    sites.primary.reload()
    sites[2].cycle()
    assert "there is no column shelf here" in stopped(sites[2])["stock"]
    sites[2].write(SHELF)
    sites[2].reload()
    sites[2].cycle()
    assert stopped(sites[2]) == {}


def test_it_goes_on_by_itself_when_the_primary_gets_the_column_that_it_lacked(sites: Sites) -> None:
    sites[2].write(SHELF)
    sites[2].reload()
    sites[2].write("INSERT INTO stock VALUES ('k', 's-BUM', 'i-1', NULL, 5, NULL, 'A1')")
    sites.primary.write("UPDATE item SET name = 'x'")
    sites.sync(2)
    assert "site 1 has no column shelf" in stopped(sites[2])["stock"]
    assert keys(sites.primary, "stock") == []
    assert sites[2].rows("item", "name") == [("x",), ("x",)]
    sites.primary.write(SHELF)
    sites.primary.reload()
    sites.sync(2)
    assert sites.primary.rows("stock", "id, shelf") == [("k", "A1")]


def test_to_look_at_unchanged_tables_anew_makes_nobody_say_hello(sites: Sites) -> None:
    sites.primary.reload()
    before = len(asked(sites[2]))
    sites[2].cycle()
    assert asked(sites[2])[before:] == ["pull"]


def test_a_worker_that_has_not_looked_yet_greets_nobody(sites: Sites) -> None:
    """Another one has, and sent the site here to hear of it."""
    sites.primary.write(SHELF)
    assert sites[2].satellite is not None
    sites[2].satellite.forget_hello()
    with pytest.raises(TryLater, match="tables have changed"):
        sites[2].cycle()


# --- the receiver's table is altered before its next look -------------------------------------------------------------


@pytest.mark.everywhere
def test_a_column_that_the_receiver_has_lost_is_nobodys_fault(sites: Sites) -> None:
    """No row of the batch is to blame: nothing goes to quarantine, and when the column is back all arrives."""
    for table in ("name", "patient"):
        sites.primary.write(f"ALTER TABLE {table} RENAME COLUMN name TO label")
    sites[2].write("INSERT INTO patient VALUES ('p', 'Ama')")
    stock(sites[2], "k", "BUM")
    with pytest.raises(TryLater):
        sites[2].cycle()
    assert (sites.primary.quarantine, sites[2].quarantine) == ([], [])
    for table in ("name", "patient"):
        sites.primary.write(f"ALTER TABLE {table} RENAME COLUMN label TO name")
    sites.sync()
    assert sites.primary.rows("patient") == [("p", "Ama")]
    sites[2].write("ALTER TABLE item RENAME COLUMN name TO label")
    sites.primary.write("UPDATE item SET name = 'x' WHERE id = 'i-1'")
    with pytest.raises(TryLater):
        sites[2].cycle()
    assert sites[2].quarantine == []
    sites[2].write("ALTER TABLE item RENAME COLUMN label TO name")
    sites.sync()
    assert ("i-1", "AMO", "x") in sites[2].rows("item")
