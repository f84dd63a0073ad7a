"""What each site should hold, as the demo computes it; and that this agrees with the sample record types."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from msyncd.commands.demo import application
from msyncd.commands.demo.compare import compare, held_at
from msyncd.commands.demo.country import BUMBAN, CENTRAL, KALO, PLACES, Place
from msyncd.commands.demo.expected import BY_HEADER, BY_STORE, CLEARED, EVERYWHERE, TO_OTHER_PARTY, Expected
from msyncd.commands.demo.witness import Witness


def now() -> datetime:
    return datetime(2026, 11, 1, 10, tzinfo=UTC)


class OneDatabase:
    """All three stores in one database, as at a primary: enough to see who should hold what."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.witness = Witness(connection)
        self.expected = Expected(PLACES, self.witness.columns)
        self.random = Random(1)
        self.write(application.create_central_data)
        for place in PLACES:
            self.write(application.open_store, place.store)
            self.write(application.receive_goods, place.store)

    def write(self, do: Any, *args: Any, **more: Any) -> Any:
        done = do(self.connection, *args, random=self.random, clock=now, **more)
        self.note()
        return done

    def note(self) -> None:
        self.expected.note(self.witness.take())

    def at(self, place: Place, table: str, key: str) -> dict[str, Any] | None:
        row = self.expected.at(place)[table].get(key)
        return None if row is None else dict(zip(self.witness.columns[table], row, strict=True))

    def lines(self, place: Place, header: str) -> list[dict[str, Any]]:
        names = self.witness.columns["trans_line"]
        rows = [dict(zip(names, row, strict=True)) for row in self.expected.at(place)["trans_line"].values()]
        return [row for row in rows if row["transaction_ID"] == header]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[OneDatabase]:
    application.new_database(tmp_path / "all.db")
    with closing(application.open_database(tmp_path / "all.db")) as connection:
        yield OneDatabase(connection)


def test_the_rules_are_those_of_the_sample_record_types() -> None:
    text = application.sample_file("msupply.yaml").read_text(encoding="utf-8")
    declared = yaml.safe_load(text)["record_types"]
    assert {name for name, one in declared.items() if one["sent_to"] == "every_site"} == EVERYWHERE
    stores = {name: one["store"] for name, one in declared.items() if "store" in one}
    assert {name: store for name, store in stores.items() if isinstance(store, str)} == BY_STORE
    through = {name: store for name, store in stores.items() if isinstance(store, dict)}
    assert {name: (store["of"], store["through"]) for name, store in through.items()} == BY_HEADER
    also = {name: one["also_sent_to"] for name, one in declared.items() if "also_sent_to" in one}
    names = {name: column for name, rule in also.items() for kind, column in rule.items() if kind == "store_of_name"}
    assert names == TO_OTHER_PARTY
    clears = {name: set(one["when_missing"]) for name, one in declared.items() if "when_missing" in one}
    assert clears == {name: set(columns) for name, columns in CLEARED.items()}


def test_the_primary_should_hold_exactly_what_was_written_when_all_is_written_there(world: OneDatabase) -> None:
    world.write(application.issue_goods, "BUM")
    world.write(application.stocktake, "KAL")
    world.write(application.request_goods, "KAL", "CMS")
    draft = world.write(application.transfer, "CMS", "KAL")
    application.delete_draft(world.connection, draft)
    application.edit_item(world.connection, "PAR500T", sell_price=9.5)
    world.note()
    held = held_at(world.connection, world.witness.columns)
    found = compare(CENTRAL, held, world.expected.at(CENTRAL))
    assert [one for one in found if not one.equal] == []
    assert sum(one.holds for one in found) > 700


def test_what_is_refused_or_rolled_back_was_not_written(world: OneDatabase) -> None:
    before = world.expected.at(CENTRAL)
    world.connection.execute("CREATE TRIGGER guard BEFORE UPDATE ON item BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(sqlite3.IntegrityError, match=r"^no$"):
        application.edit_item(world.connection, "PAR500T", sell_price=1)
    assert world.witness.take() == []
    assert world.expected.at(CENTRAL) == before


def test_what_another_connection_writes_is_not_the_applications(world: OneDatabase, tmp_path: Path) -> None:
    with closing(application.open_database(tmp_path / "all.db")) as other:
        application.edit_item(other, "PAR500T", sell_price=1)
    assert world.witness.take() == []
    held = held_at(world.connection, world.witness.columns)
    wrong = [one for one in compare(CENTRAL, held, world.expected.at(CENTRAL)) if not one.equal]
    assert [(one.record_type, one.differing, one.missing, one.surplus) for one in wrong] == [("item", 1, 0, 0)]


def test_a_store_s_records_go_where_it_is_active_and_where_copies_are_kept(world: OneDatabase) -> None:
    of_bumban = world.write(application.issue_goods, "BUM")
    of_central = world.write(application.issue_goods, "CMS")
    held = {
        (place.short, key) for place in PLACES for key in (of_bumban, of_central) if world.at(place, "transact", key)
    }
    assert held == {("Central", of_bumban), ("Bumban", of_bumban), ("Central", of_central), ("Bumban", of_central)}
    assert [len(world.lines(place, of_central)) for place in PLACES] == [3, 3, 0]


def test_a_draft_reaches_the_other_store_without_stock_or_shelf(world: OneDatabase) -> None:
    key = world.write(application.transfer, "BUM", "KAL")
    assert world.at(KALO, "transact", key) == world.at(BUMBAN, "transact", key)
    kept, cleared = world.lines(BUMBAN, key), world.lines(KALO, key)
    assert all(line["item_line_ID"] and line["location_ID"] for line in kept)
    assert [{**line, "item_line_ID": None, "location_ID": None} for line in kept] == cleared
    assert [one for one in world.expected.at(KALO)["transact"].values() if key in one[1:]] == []


def test_a_finalised_transfer_becomes_a_delivery_once(world: OneDatabase) -> None:
    key = world.write(application.transfer, "BUM", "KAL")
    world.write(application.finalise, key)
    links = world.witness.columns["transact"].index("linked_transaction_ID")
    (own,) = [number for number, row in world.expected.at(KALO)["transact"].items() if row[links] == key]
    assert isinstance(own, str)
    half, sent = world.at(KALO, "transact", own), world.at(KALO, "transact", key)
    assert half is not None
    assert sent is not None
    assert (half["type"], half["status"], half["total"]) == ("si", "nw", sent["total"])
    assert (half["store_ID"], half["name_ID"]) != (sent["store_ID"], sent["name_ID"])
    assert half["their_ref"] == str(sent["invoice_num"])
    assert len(world.lines(KALO, own)) == len(world.lines(BUMBAN, key)) == 3
    assert world.at(CENTRAL, "transact", own) == half
    assert world.at(BUMBAN, "transact", own) == half  # Kalo's delivery is made out to Bumban, where the goods came from


@pytest.mark.parametrize(("column", "value"), [("total", 0.5), ("invoice_num", 0), ("comment", "x")])
def test_a_delivery_that_differs_is_seen(world: OneDatabase, column: str, value: str | float) -> None:
    key = world.write(application.transfer, "BUM", "KAL")
    world.write(application.finalise, key)
    should = world.expected.at(KALO)
    columns = world.witness.columns["transact"]
    links, changed = columns.index("linked_transaction_ID"), columns.index(column)
    own = next(number for number, row in should["transact"].items() if row[links] == key)
    arrived = list(should["transact"][own])
    arrived[columns.index("invoice_num")] = 17
    held = {**should, "transact": {**should["transact"], own: tuple(arrived)}}
    assert all(one.equal for one in compare(KALO, held, should))
    arrived[changed] = value
    held = {**should, "transact": {**should["transact"], own: tuple(arrived)}}
    assert [(one.record_type, one.differing) for one in compare(KALO, held, should) if not one.equal] == [
        ("transact", 1)
    ]
