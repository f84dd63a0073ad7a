"""Two sites, one of them or both on MariaDB: everything that the flow promises between SQLite databases."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from msyncd.errors import MsyncdError
from msyncd.flow.compare.repair import compare
from msyncd.model import PRIMARY
from msyncd.testing import Crashed, OneSite, Sites
from tests.databases.contract.application import Application
from tests.flow.support import TYPES

SCHEMA = """
CREATE TABLE item (id VARCHAR(40) PRIMARY KEY, code VARCHAR(40) UNIQUE, name VARCHAR(200) NOT NULL);
CREATE TABLE name (id VARCHAR(40) PRIMARY KEY, name VARCHAR(200));
CREATE TABLE store (
    id VARCHAR(40) PRIMARY KEY, code VARCHAR(40) NOT NULL, name_id VARCHAR(40) REFERENCES name (id));
CREATE TABLE patient (id VARCHAR(40) PRIMARY KEY, name VARCHAR(200));
CREATE TABLE stock (
    id VARCHAR(40) PRIMARY KEY, store_id VARCHAR(40) NOT NULL, item_id VARCHAR(40) NOT NULL REFERENCES item (id),
    barcode VARCHAR(40) UNIQUE, quantity INTEGER CHECK (quantity >= 0), note VARCHAR(200)
);
CREATE TABLE invoice (
    id VARCHAR(40) PRIMARY KEY, store_id VARCHAR(40) NOT NULL, name_id VARCHAR(40) REFERENCES name (id),
    status VARCHAR(9), original_id VARCHAR(40) REFERENCES invoice (id)
);
CREATE TABLE line (
    id VARCHAR(40) PRIMARY KEY, invoice_id VARCHAR(40) NOT NULL REFERENCES invoice (id) ON DELETE CASCADE,
    item_id VARCHAR(40) NOT NULL REFERENCES item (id), stock_id VARCHAR(40) REFERENCES stock (id), quantity INTEGER
);
"""
TABLES = ("item", "name", "store", "patient", "stock", "invoice", "line")
BUM, KAL = 2, 3
MakeSites = Callable[..., Sites]


@pytest.fixture
def make_sites(tmp_path: Path, make_application: Callable[[str], Application]) -> Iterator[MakeSites]:
    """A primary (CMS) and satellites (BUM, KAL); those of the given sync IDs on MariaDB, the others on SQLite."""
    made: list[Sites] = []

    def make(*on_mariadb: int, **more: Any) -> Sites:
        urls = {sync_id: make_application("mariadb").url for sync_id in on_mariadb}
        more.setdefault("active_stores", {1: ["CMS"], BUM: ["BUM"], KAL: ["KAL"]})
        sites = Sites(
            schema=SCHEMA,
            record_types=TYPES,
            copies_of={1: "all"},
            folder=tmp_path,
            databases=urls,
            joined=False,
            **more,
        )
        made.append(sites)
        primary = sites.primary
        primary.write("INSERT INTO name VALUES ('n-x', 'a supplier'), ('n-KAL', 'store KAL')")
        primary.write(
            "INSERT INTO store VALUES ('s-CMS', 'CMS', NULL), ('s-BUM', 'BUM', NULL), ('s-KAL', 'KAL', 'n-KAL')"
        )
        primary.write("INSERT INTO item VALUES ('i-1', 'AMO', 'amoxicillin'), ('i-2', 'PAR', 'paracetamol')")
        primary.reload()
        sites.sync()
        return sites

    yield make
    for one in made:
        one.close()


@pytest.fixture
def sites(make_sites: MakeSites) -> Sites:
    """Both on MariaDB; every mix is told of in tests/flow."""
    return make_sites(PRIMARY, BUM)


def agree(sites: Sites, site: OneSite, *tables: str, where: str = "") -> None:
    """A site holds of these tables what the primary holds."""
    for table in tables:
        columns = "id, store_id, item_id, barcode, quantity" if table == "stock" else "*"
        here = site.connection.execute(f"SELECT {columns} FROM {table}{where}")
        there = sites.primary.connection.execute(f"SELECT {columns} FROM {table}{where}")
        assert sorted(here, key=repr) == sorted(there, key=repr), table


def invoice(site: OneSite, key: str, store: str, lines: int = 3, name: str = "n-x") -> None:
    with site.transaction():
        site.write(
            "INSERT INTO invoice (id, store_id, name_id, status) VALUES (?, ?, ?, 'nw')", key, f"s-{store}", name
        )
        for number in range(lines):
            site.write("INSERT INTO line VALUES (?, ?, 'i-1', NULL, ?)", f"{key}-{number}", key, number)


def test_what_is_edited_at_either_end_arrives_at_the_other(sites: Sites) -> None:
    primary, satellite = sites.primary, sites[BUM]
    agree(sites, satellite, "item", "name", "store")
    primary.write("UPDATE item SET name = 'Amoxicillin ✚' WHERE id = 'i-1'")
    primary.write("INSERT INTO item VALUES ('i-3', 'IBU', 'ibuprofen')")
    invoice(satellite, "v1", "BUM")
    satellite.write(
        "INSERT INTO stock (id, store_id, item_id, barcode, quantity) VALUES ('k1', 's-BUM', 'i-1', 'b1', 5)"
    )
    sites.sync()
    agree(sites, satellite, *TABLES)
    with satellite.transaction():
        satellite.write("UPDATE line SET stock_id = 'k1' WHERE id = 'v1-0'")
        satellite.write("DELETE FROM line WHERE id = 'v1-1'")
        satellite.write("UPDATE invoice SET status = 'fn' WHERE id = 'v1'")
    primary.write("DELETE FROM item WHERE id = 'i-3'")
    sites.sync()
    agree(sites, satellite, *TABLES)
    satellite.write("DELETE FROM invoice WHERE id = 'v1'")  # its lines go with it
    sites.sync()
    agree(sites, satellite, *TABLES)
    assert primary.rows("line") == []
    assert [one.quarantine for one in sites] == [[], [], []]


def test_a_transfer_reaches_the_other_store_by_its_name_and_leaves_when_it_is_changed(sites: Sites) -> None:
    satellite, other = sites[BUM], sites[KAL]
    invoice(satellite, "v1", "BUM", name="n-KAL")
    sites.sync()
    agree(sites, other, "invoice", "line")
    satellite.write("UPDATE invoice SET name_id = 'n-x' WHERE id = 'v1'")
    sites.sync()
    assert other.rows("invoice") == other.rows("line") == []
    agree(sites, satellite, "invoice", "line")


def test_p05_what_truncate_took_unseen_is_found_and_comes_back_by_comparing(make_sites: MakeSites) -> None:
    sites = make_sites(BUM)
    satellite = sites[BUM]
    sites.primary.write("INSERT INTO name VALUES ('n-y', 'another supplier')")
    sites.primary.write("INSERT INTO patient VALUES ('p1', 'Aster'), ('p2', 'Belay')")
    sites.sync()
    satellite.write("TRUNCATE patient")
    sites.sync()
    assert satellite.rows("patient") == []
    assert satellite.satellite is not None
    differing = {
        one.record_type: sorted(one.differing)
        for one, _ in compare(satellite.satellite, satellite.cycle)
        if one.differing
    }
    assert differing == {"patient": [("p1",), ("p2",)]}
    for found, at_last in compare(satellite.satellite, satellite.cycle, repair_too=True):
        assert not (at_last and found.differing)
    agree(sites, satellite, "patient")
    assert len(satellite.rows("patient")) == 2


def test_p16_references_in_a_circle_and_swapped_unique_values_arrive(sites: Sites) -> None:
    primary, satellite = sites.primary, sites[BUM]
    with satellite.transaction():
        for key in ("a", "b", "c"):
            satellite.write("INSERT INTO invoice (id, store_id, status) VALUES (?, 's-BUM', 'nw')", key)
        for key, original in (("a", "c"), ("b", "a"), ("c", "b")):
            satellite.write("UPDATE invoice SET original_id = ? WHERE id = ?", original, key)
    for number in range(4):
        primary.write("INSERT INTO item VALUES (?, ?, 'x')", f"x{number}", f"c{number}")
    sites.sync()
    agree(sites, satellite, "invoice", "item")
    with primary.transaction():
        primary.write("UPDATE item SET code = NULL WHERE id LIKE 'x%'")
        for number in range(4):
            primary.write("UPDATE item SET code = ? WHERE id = ?", f"c{(number + 1) % 4}", f"x{number}")
    with satellite.transaction():
        satellite.write("UPDATE invoice SET original_id = NULL")
        satellite.write("DELETE FROM invoice")
    sites.sync()
    agree(sites, satellite, "invoice", "item")
    assert primary.rows("invoice") == []
    assert [one.quarantine for one in sites] == [[], [], []]


def test_p21_a_row_that_one_end_cannot_hold_is_set_apart_and_the_others_flow(sites: Sites) -> None:
    satellite = sites[BUM]
    on_sqlite = satellite.url.startswith("sqlite")
    bad = "x" * 300 if on_sqlite else "😀"
    satellite.write("INSERT INTO patient VALUES ('p1', 'Aster'), ('p2', ?), ('p3', 'Tigist')", bad)
    sites.sync()
    if on_sqlite and not sites.primary.url.startswith("sqlite"):
        assert [(one.key, "patient.name" in one.reason) for one in sites.primary.quarantine] == [(("p2",), True)]
        assert [row[0] for row in sites.primary.rows("patient")] == ["p1", "p3"]
    else:
        agree(sites, satellite, "patient")


def test_p19_what_the_application_is_just_writing_is_not_overwritten(make_sites: MakeSites) -> None:
    sites = make_sites(BUM)
    primary, satellite = sites.primary, sites[BUM]
    primary.write("INSERT INTO patient VALUES ('p1', 'Aster')")
    sites.sync()
    primary.write("UPDATE patient SET name = 'Aster of the primary' WHERE id = 'p1'")
    satellite.patient = False  # its open transaction must not keep the test from beginning
    satellite.connection.begin()
    satellite.write("UPDATE patient SET name = 'Aster of the satellite' WHERE id = 'p1'")
    cycle = threading.Thread(target=satellite.cycle)
    cycle.start()
    time.sleep(1.0)  # the cycle waits for the record by now; if it did not, it would be through
    satellite.connection.commit()
    cycle.join(60)
    assert satellite.rows("patient") == [("p1", "Aster of the satellite")]
    satellite.patient = True
    sites.sync()
    # both versions are known: the primary's stands, the other is kept
    assert satellite.rows("patient") == primary.rows("patient") == [("p1", "Aster of the primary")]
    assert [(one.key, one.row) for one in primary.quarantine] == [(("p1",), ("p1", "Aster of the satellite"))]


def test_a_hook_writes_and_looks_up_in_the_transaction_of_the_batch(make_sites: MakeSites, tmp_path: Path) -> None:
    plugin = tmp_path / "stamps.py"
    plugin.write_text(
        '''"""Stamps every invoice that arrives."""
from msyncd import hookimpl

@hookimpl
def msyncd_applied(transaction, batch):
    for changes in batch.new.values():
        if changes.record_type.name == "invoice":
            for key, in changes.keys:
                assert transaction.db["invoice"].find_one(id=key)["status"] == "nw"
                with transaction.as_application():
                    transaction.db["patient"].insert({"id": f"of-{key}", "name": "stamped"})
                    transaction.execute("UPDATE patient SET name = ? WHERE id = ?", ("stamped 100 %", f"of-{key}"))
'''
    )
    sites = make_sites(PRIMARY, BUM, plugins=[plugin])
    invoice(sites[BUM], "v1", "BUM")
    sites.sync()
    assert sites[BUM].rows("patient") == sites.primary.rows("patient") == [("of-v1", "stamped 100 %")]


def test_killed_after_installing_and_before_the_facts_are_noted_the_guard_knows_them(make_sites: MakeSites) -> None:
    """Making triggers commits by itself: the application must not be refused until msyncd is started again."""
    primary = make_sites(PRIMARY).primary
    primary.here.database.remove()
    primary.crash_at("before commit")
    with pytest.raises(Crashed):
        primary.reload()
    invoice(primary, "v1", "CMS")
    with pytest.raises(Exception, match="store BUM is active on site 2, not here"):
        invoice(primary, "v2", "BUM")


@pytest.mark.parametrize("point", ["before commit", "after commit"])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_p14_killed_beside_a_commit_nothing_is_lost_or_doubled(make_sites: MakeSites, point: Any, number: int) -> None:
    sites = make_sites(PRIMARY, BUM)
    for key in range(5):
        invoice(sites[BUM], f"v{key}", "BUM")
    sites.primary.write("UPDATE item SET name = 'new'")
    sites.primary.crash_at(point, number)
    for _ in range(10):
        try:
            sites[BUM].cycle()
        except MsyncdError:  # the line broke when the primary died
            continue
    sites.primary.calm()
    sites.sync()
    agree(sites, sites[BUM], *TABLES)
    assert len(sites.primary.rows("line")) == 15
