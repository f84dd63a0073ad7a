"""A satellite whose database was restored from a backup takes back what it had sent, and goes on (P8, P35).

Backups are copies of the database file, made and put back while the primary goes on.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from msyncd.errors import BundleRefused, MsyncdError, PeerUnreachable, RestoredBackup
from msyncd.flow.bundle.from_satellite import export_to_primary
from msyncd.flow.ledger import meta
from msyncd.flow.restoring import restored_report
from msyncd.flow.satellite import hello_of
from msyncd.testing import Crashed, OneSite
from msyncd.testing.crashing import CrashPoint
from tests.flow.support import invoice, keys, stock, stock_sites
from tests.flow.test_handover import may_write, writers


def report(site: OneSite) -> dict[str, dict[str, int]]:
    """What was found, by record type; only numbers that are not 0."""
    with site.here.database.read() as reader:
        found = restored_report(reader)
    assert found is not None
    return {name: {k: v for k, v in one.items() if v} for name, one in found["record_types"].items()}


def generation(site: OneSite) -> int:
    with site.here.database.read() as reader:
        return meta.generation(reader)


def test_p35_a_restored_satellite_takes_back_what_it_had_sent_and_goes_on(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "same", "BUM")
        stock(sites[2], "changed", "BUM", 1)
        stock(sites[2], "deleted", "BUM")
        sites.sync()
        backup = sites[2].backup()
        stock(sites[2], "changed", "BUM", 2)
        stock(sites[2], "new", "BUM")
        invoice(sites[2], "v", "BUM")
        sites[2].write("DELETE FROM stock WHERE id = 'deleted'")
        sites.primary.write("UPDATE item SET name = 'Amoxicillin 250 mg' WHERE id = 'i-1'")
        sites.sync()
        before = sites.primary.rows("stock", "id, quantity")
        sites[2].restore(backup)
        assert keys(sites[2], "stock") == ["changed", "deleted", "same"]
        sites.sync()
        assert sites[2].rows("stock", "id, quantity") == before == sites.primary.rows("stock", "id, quantity")
        assert keys(sites[2], "line") == ["v-0", "v-1"]
        assert sites[2].rows("item", "name")[0] == ("Amoxicillin 250 mg",)
        assert report(sites[2]) == {
            "stock": {"taken_back": 2, "gone": 1},
            "invoice": {"taken_back": 1},
            "line": {"taken_back": 2},
        }
        assert [site.quarantine for site in sites] == [[], [], []]
        assert generation(sites[2]) == 2
        assert writers(sites, "BUM") == [2]
        stock(sites[2], "later", "BUM")
        stock(sites[2], "changed", "BUM", 3)
        sites.sync()
        assert sites.primary.rows("stock", "id, quantity") == [("changed", 3), ("later", 1), ("new", 1), ("same", 1)]


def test_p35_what_was_written_since_is_sent_or_kept_in_quarantine_where_it_differs(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        for key in ("a", "b", "c", "d"):
            stock(sites[2], key, "BUM", 1)
        sites.sync()
        backup = sites[2].backup()
        for key in ("a", "b", "c"):
            stock(sites[2], key, "BUM", 2)
        sites.sync()
        sites[2].restore(backup)
        stock(sites[2], "a", "BUM", 7)
        stock(sites[2], "b", "BUM", 2)
        stock(sites[2], "fresh", "BUM", 5)
        sites[2].write("DELETE FROM stock WHERE id = 'c'")
        stock(sites[2], "d", "BUM", 9)
        sites.sync()
        expected = [("a", 2), ("b", 2), ("c", 2), ("d", 1), ("fresh", 5)]
        assert sites.primary.rows("stock", "id, quantity") == expected
        assert sites[2].rows("stock", "id, quantity") == expected
        kept = {one.key[0]: (one.operation, one.row and one.row[-1]) for one in sites[2].quarantine}
        assert kept == {"a": ("write", 7), "c": ("delete", None), "d": ("write", 9)}
        assert {one.reason for one in sites[2].quarantine} == {
            "written here after a backup was restored; the primary's version, which this site had sent before, stands"
        }
        assert report(sites[2]) == {"stock": {"in_quarantine": 3, "sent": 1}}
        assert writers(sites, "BUM") == [2], "what is in quarantine for that keeps nobody from working"


def test_p35_nobody_edits_a_restored_store_before_it_is_taken_back(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM", 1)
        sites.sync()
        backup = sites[2].backup()
        stock(sites[2], "a", "BUM", 2)
        sites.sync()
        sites[2].restore(backup)
        seen: list[tuple[bool, object]] = []

        def look(kind: str) -> None:
            if kind == "pull":
                seen.append((may_write(sites[2], "BUM"), sites[2].rows("stock", "quantity")[0][0]))

        sites[2].line.on_reply = look
        sites[2].cycle()
        sites[2].line.on_reply = None
        assert (False, 1) in seen
        assert (True, 1) not in seen
        sites.sync()
        assert may_write(sites[2], "BUM")
        assert sites[2].rows("stock", "quantity") == [(2,)]


ONLY_ITS_OWN = ["mine"]
WITH_BUM = ["mine", "old"]


@pytest.mark.parametrize(
    ("before", "since", "held"),
    [
        ({"copies_of": {1: "all", 3: []}}, {"copies_of": {1: "all", 3: ["BUM"]}}, WITH_BUM),
        ({"copies_of": {1: "all", 3: ["BUM"]}}, {"copies_of": {1: "all", 3: []}}, ONLY_ITS_OWN),
        ({}, {"active_stores": {1: ["CMS"], 2: [], 3: ["BUM", "KAL", "KDI"]}}, WITH_BUM),
    ],
    ids=["copies are widened", "copies are narrowed", "a store is handed over"],
)
@pytest.mark.parametrize("grows", [False, True], ids=["the log stands still", "the log grows"])
def test_p35_what_a_fill_has_brought_since_comes_again(
    tmp_path: Path, before: dict[str, Any], since: dict[str, Any], held: list[str], *, grows: bool
) -> None:
    """The site had sent nothing since, and the log does not tell what the fill brought or took away."""
    with stock_sites(tmp_path, **before) as sites:
        stock(sites[2], "old", "BUM")
        stock(sites[3], "mine", "KAL")
        sites.sync()
        backup = sites[3].backup()
        sites.reload(**since)
        sites.sync()
        if grows:
            sites.primary.write("UPDATE item SET name = 'another'")
            sites.sync()
        assert keys(sites[3], "stock") == held
        sites[3].restore(backup)
        sites.sync()
        assert keys(sites[3], "stock") == held
        assert sites.primary.rows("item", "name") == sites[3].rows("item", "name")
        stock(sites[3], "mine", "KAL", 7)
        sites.sync()
        assert ("mine", 7) in sites.primary.rows("stock", "id, quantity")
        assert generation(sites[3]) == 2


def test_p35_a_store_that_came_since_is_edited_by_nobody_before_its_records_are_back(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "old", "BUM", 105)
        sites.sync()
        backup = sites[3].backup()
        sites.reload(active_stores={1: ["CMS"], 2: [], 3: ["BUM", "KAL", "KDI"]})
        sites.sync()
        sites[3].restore(backup)
        while not may_write(sites[3], "BUM"):
            sites[3].cycle()
        assert sites[3].rows("stock", "id, quantity") == [("old", 105)]


def test_p35_a_family_in_conflict_stands_whole_as_the_primary_has_it(tmp_path: Path) -> None:
    """A new line of it is no record of its own: with the primary's header it would make a family that nobody wrote."""
    with stock_sites(tmp_path) as sites:
        two = sites[2]
        invoice(two, "v", "BUM")
        sites.sync()
        backup = two.backup()
        two.write("UPDATE invoice SET status = 'sent' WHERE id = 'v'")
        sites.sync()
        two.restore(backup)
        with two.transaction():
            two.write("UPDATE invoice SET status = 'three lines' WHERE id = 'v'")
            two.write("INSERT INTO line (id, invoice_id, item_id, quantity) VALUES ('v-2', 'v', 'i-1', 9)")
        invoice(two, "w", "BUM")
        sites.sync()
        for site in (sites.primary, two):
            assert site.rows("invoice", "id, status") == [("v", "sent"), ("w", "new")]
            assert keys(site, "line") == ["v-0", "v-1", "w-0", "w-1"]
        kept = {one.record_type: (one.key, one.row and one.row[-1]) for one in two.quarantine}
        assert kept.keys() == {"invoice", "line"}
        assert kept["line"] == (("v-2",), 9)
        assert report(two) == {"invoice": {"in_quarantine": 1, "sent": 1}, "line": {"in_quarantine": 1, "sent": 2}}


@pytest.mark.parametrize("header", [True, False], ids=["and its header", "alone"])
def test_p35_a_family_that_is_gone_and_was_edited_here_comes_back_whole(tmp_path: Path, *, header: bool) -> None:
    with stock_sites(tmp_path) as sites:
        two = sites[2]
        for key in ("v", "w"):
            invoice(two, key, "BUM")
        sites.sync()
        backup = two.backup()
        two.write("DELETE FROM invoice")
        sites.sync()
        two.restore(backup)
        with two.transaction():
            if header:
                two.write("UPDATE invoice SET status = 'three lines' WHERE id = 'v'")
            two.write("INSERT INTO line (id, invoice_id, item_id, quantity) VALUES ('v-2', 'v', 'i-1', 9)")
        sites.sync()
        for site in (sites.primary, two):
            assert keys(site, "invoice") == ["v"]
            assert keys(site, "line") == ["v-0", "v-1", "v-2"]
        assert sites.primary.quarantine == two.quarantine == []
        assert report(two) == {"invoice": {"gone": 1, "sent": 1}, "line": {"gone": 2, "sent": 3}}


def test_p35_a_line_that_was_added_to_what_has_changed_since_is_kept(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        two = sites[2]
        invoice(two, "v", "BUM")
        sites.sync()
        backup = two.backup()
        two.write("UPDATE invoice SET status = 'sent' WHERE id = 'v'")
        sites.sync()
        two.restore(backup)
        two.write("INSERT INTO line (id, invoice_id, item_id, quantity) VALUES ('v-2', 'v', 'i-1', 9)")
        sites.sync()
        for site in (sites.primary, two):
            assert site.rows("invoice", "id, status") == [("v", "sent")]
            assert keys(site, "line") == ["v-0", "v-1"]
        assert [one.key for one in two.quarantine] == [("v-2",)]


def test_p35_restored_twice(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM", 1)
        sites.sync()
        backup = sites[2].backup()
        for quantity in (2, 3):
            stock(sites[2], "a", "BUM", quantity)
            sites.sync()
            sites[2].restore(backup)
            sites.sync()
            assert sites[2].rows("stock", "quantity") == [(quantity,)]
        stock(sites[2], "b", "BUM")
        sites.sync()
        assert keys(sites.primary, "stock") == ["a", "b"]
        assert generation(sites[2]) == 3


@pytest.mark.parametrize("point", ["before commit", "after commit"])
@pytest.mark.parametrize("who", [1, 2])
def test_p35_killed_while_it_takes_back(tmp_path: Path, who: int, point: CrashPoint) -> None:
    for nth in range(1, 9):
        with stock_sites(tmp_path / str(nth)) as sites:
            for key in ("a", "b"):
                stock(sites[2], key, "BUM", 1)
            sites.sync()
            backup = sites[2].backup()
            stock(sites[2], "a", "BUM", 2)
            sites.sync()
            sites[2].restore(backup)
            stock(sites[2], "b", "BUM", 7)
            stock(sites[2], "new", "BUM", 5)
            sites[2].write("UPDATE stock SET quantity = 8 WHERE id = 'a'")
            sites[who].crash_at(point, nth)
            for _ in range(3):
                with suppress(MsyncdError, Crashed):
                    sites[2].cycle()
            sites[who].calm()
            sites.sync()
            # b had not been sent in another version since the backup, and the primary's stands all the same
            assert sites.primary.rows("stock", "id, quantity") == [("a", 2), ("b", 1), ("new", 5)]
            assert sites[2].rows("stock", "id, quantity") == [("a", 2), ("b", 1), ("new", 5)]
            assert sorted(one.key for one in sites[2].quarantine) == [("a",), ("b",)]
            assert writers(sites, "BUM") == [2]


def test_p35_a_store_of_which_the_primary_has_nothing_cannot_be_taken_back(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={}) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        backup = sites[2].backup()
        stock(sites[2], "b", "BUM")
        sites.sync()
        sites[2].restore(backup)
        with pytest.raises(RestoredBackup, match="keeps no copy of store BUM"):
            sites[2].cycle()
        assert keys(sites[2], "stock") == ["a"]
        assert generation(sites[2]) == 1


def test_p35_nothing_is_carried_by_hand_from_a_site_that_has_not_taken_back_yet(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        backup = sites[2].backup()
        stock(sites[2], "b", "BUM")
        sites.sync()
        sites[2].restore(backup)
        sites[2].line.fail("hello", "lost request", after=1)
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        here = sites[2].here
        with pytest.raises(BundleRefused, match="has not taken back yet what it lacks"):
            export_to_primary(here, hello_of(here), lambda _part: None, lambda _number, _left: None)
        sites.sync()
        assert keys(sites[2], "stock") == ["a", "b"]
