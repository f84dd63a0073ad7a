"""A restored primary gets back where its stores are active (P31, P35)."""

from pathlib import Path

import pytest

from tests.flow.lost import all_alike, ask, backed_up, settle
from tests.flow.support import ACTIVE, keys, stock, stock_sites
from tests.flow.test_handover import moved, writers


def test_p35_a_hand_over_that_was_lost_has_taken_place(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 2: [], 3: []}) as sites:
        backup = backed_up(sites)
        sites.primary.reload(active_stores=moved(to=3))
        sites.sync()
        stock(sites[3], "b", "BUM", 3)
        stock(sites[3], "b-new", "BUM", 3)
        sites.sync()
        stock(sites[3], "b-unsent", "BUM", 3)
        sites.primary.restore(backup)
        assert sites.primary.here.facts.stores["s-BUM"].epoch == 1
        ask(sites)
        settle(sites)
        assert writers(sites, "BUM") == [3]
        assert sites.primary.here.facts.stores["s-BUM"].epoch > 1
        assert sites.primary.rows("stock", "id, quantity") == [("b", 3), ("b-new", 3), ("b-unsent", 3), ("c", 1)]
        assert keys(sites[2], "stock") == []
        all_alike(sites)


@pytest.mark.parametrize("cycles", [(2,), (2, 2), (2, 2, 3), (2, 2, 3, 3)])
def test_p35_a_hand_over_that_was_under_way_goes_on(tmp_path: Path, cycles: tuple[int, ...]) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 2: [], 3: []}) as sites:
        backup = backed_up(sites)
        sites.primary.reload(active_stores=moved(to=3))
        stock(sites[2], "last", "BUM", 3)
        for one in cycles:
            sites[one].cycle()
        sites.primary.restore(backup)
        ask(sites)
        settle(sites)
        assert writers(sites, "BUM") == [3]
        assert sites.primary.rows("stock", "id, quantity") == [("b", 1), ("c", 1), ("last", 3)]
        all_alike(sites)


def test_p35_hand_overs_to_and_from_the_primary_that_were_lost(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 2: ["BUM"], 3: []}) as sites:
        backup = backed_up(sites)
        sites.primary.reload(active_stores={1: ["BUM"], 2: [], 3: ["KAL", "KDI", "CMS"]})
        sites.sync()
        assert writers(sites, "BUM") == [1]
        stock(sites.primary, "b", "BUM", 6)
        stock(sites[3], "c", "CMS", 7)
        sites.sync()
        sites.primary.restore(backup)
        ask(sites)
        settle(sites)
        assert writers(sites, "BUM") == [1]
        assert writers(sites, "CMS") == [3]
        assert sites.primary.rows("stock", "id, quantity") == [("b", 6), ("c", 7)]
        all_alike(sites)


def test_p35_a_store_that_was_opened_since(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 2: [], 3: []}) as sites:
        backup = backed_up(sites)
        sites.primary.write("INSERT INTO name VALUES ('n-DOR', 'Dorsi')")
        sites.primary.write("INSERT INTO store VALUES ('s-DOR', 'DOR', 'n-DOR')")
        sites.primary.reload(active_stores=ACTIVE | {2: ["BUM", "DOR"]})
        sites.sync()
        stock(sites[2], "d", "DOR", 2)
        sites.sync()
        sites.primary.restore(backup)
        ask(sites)
        settle(sites)
        assert writers(sites, "DOR") == [2]
        assert "DOR" not in sites.primary.here.facts.stores
        assert "d" in keys(sites.primary, "stock")
        all_alike(sites)
