"""A primary whose database was restored from a backup asks its satellites for what it lost (P35).

Backups are copies of the database file, made and put back while the satellites go on.
"""

from contextlib import suppress
from pathlib import Path

import pytest

from msyncd.errors import PeerRefused, TryLater
from msyncd.flow import asking
from msyncd.flow.asking import Asking
from msyncd.flow.ledger import meta
from msyncd.testing import OneSite, Sites
from tests.flow.support import invoice, stock, stock_sites
from tests.flow.test_handover import writers

TABLES = ("item", "name", "store", "patient", "stock", "invoice", "line")


def ask(sites: Sites, *without: int) -> None:
    """An admin runs `msyncd sites ask` on the primary."""
    asking.ask(sites.primary.here, without)


def progress(sites: Sites) -> Asking:
    with sites.primary.here.database.read() as reader:
        found = asking.progress(reader, sites.primary.here)
    assert found is not None
    return found


def settle(sites: Sites, *sync_ids: int) -> None:
    """Cycles until the fence is open, then until nothing moves any more."""
    chosen = sync_ids or tuple(sites.satellite_ids)
    for _ in range(10):
        for one in chosen:
            with suppress(TryLater):
                sites[one].cycle()
        if not progress(sites).under_way:
            break
    assert not progress(sites).under_way, progress(sites)
    sites.sync(*chosen)


def all_alike(sites: Sites) -> None:
    """The primary holds copies of all; a satellite what is central, its own, and its copies."""
    columns = {"stock": "id, store_id, item_id, barcode, quantity"}
    for one in sites.satellites:
        held = one.here.facts.stores_at(one.sync_id) | set(one.here.peer(one.sync_id).copies_of)
        for table in TABLES:
            wanted = sites.primary.rows(table, columns.get(table, "*"))
            if table in ("stock", "invoice"):
                wanted = [row for row in wanted if row[1] in held]
            if table == "line":
                headers = {row[0] for row in sites.primary.rows("invoice") if row[1] in held}
                wanted = [row for row in wanted if row[1] in headers]
            assert one.rows(table, columns.get(table, "*")) == wanted, (one.sync_id, table)


def test_p35_a_restored_primary_gets_back_what_it_lost(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 2: ["CMS"], 3: []}) as sites:
        stock(sites[2], "b", "BUM", 1)
        stock(sites[2], "b-gone", "BUM", 1)
        stock(sites.primary, "c", "CMS", 1)
        stock(sites.primary, "c-gone", "CMS", 1)
        sites.primary.write("INSERT INTO item VALUES ('i-old', 'OLD', 'deleted since')")
        sites.primary.write("INSERT INTO patient VALUES ('p', 'one')")
        sites.sync()
        backup = sites.primary.backup()
        sites.primary.write("UPDATE item SET name = 'Amoxicillin 250 mg' WHERE id = 'i-1'")
        sites.primary.write("INSERT INTO item VALUES ('i-new', 'NEW', 'made since')")
        sites.primary.write("DELETE FROM item WHERE id = 'i-old'")
        sites.primary.write("DELETE FROM stock WHERE id = 'c-gone'")
        stock(sites.primary, "c", "CMS", 2)
        stock(sites.primary, "c-new", "CMS", 2)
        sites.sync()
        stock(sites[2], "b", "BUM", 2)
        invoice(sites[2], "v", "BUM")
        stock(sites[3], "k", "KAL", 3, item="i-new")
        sites[2].write("DELETE FROM stock WHERE id = 'b-gone'")
        sites[3].write("UPDATE patient SET name = 'two' WHERE id = 'p'")
        sites.sync()
        before = {table: sites.primary.rows(table) for table in TABLES}
        sites.primary.restore(backup)
        ask(sites)
        settle(sites)
        assert {table: sites.primary.rows(table) for table in TABLES} == before
        all_alike(sites)
        assert progress(sites).waits_for == ()
        assert {one.key for one in sites.primary.quarantine} == {("i-old",), ("c-gone",)}
        assert writers(sites, "BUM") == [2]
        assert writers(sites, "CMS") == [1]
        stock(sites[2], "b", "BUM", 9)
        sites.primary.write("UPDATE item SET name = 'later' WHERE id = 'i-1'")
        sites[3].write("UPDATE patient SET name = 'three' WHERE id = 'p'")
        sites.sync()
        assert ("b", 9) in sites.primary.rows("stock", "id, quantity")
        all_alike(sites)


def test_p35_a_hostile_satellite_steals_no_store(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "b", "BUM", 1)
        sites.sync()
        backup = sites.primary.backup()
        stock(sites[2], "b", "BUM", 2)
        sites.sync()
        sites.primary.restore(backup)
        ask(sites)
        forge_facts(sites[3], "s-BUM", active_site=3, epoch=99)
        with pytest.raises(PeerRefused, match="site 3 knows store BUM as active on site 3"):
            sites[3].cycle()
        assert "site 3 knows store BUM" in str(progress(sites).sites[1].problem)
        assert sites.primary.here.facts.active_site("s-BUM") == 2
        ask(sites, 3)
        settle(sites, 2)
        assert writers(sites, "BUM") == [2, 3], "site 3 lies to its own application"
        assert sites.primary.rows("stock", "id, quantity") == [("b", 2)]
        sites.sync()
        assert writers(sites, "BUM") == [2]


def forge_facts(site: OneSite, store: str, *, active_site: int, epoch: int) -> None:
    """What its database says of a store, as no primary ever told it."""
    with site.here.database.write() as writer:
        writer.put("msyncd_store", {"store": store}, {"active_site": active_site, "epoch": epoch})
        number = int(meta.get(writer, "facts_number") or 0)
        meta.put(writer, "facts_number", str(number + 1))
    site.restart()
