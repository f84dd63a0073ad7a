"""A primary that was restored from a backup, for the tests of what it lost and gets back (P35).

Backups are copies of the database file, made and put back while the satellites go on.
"""

from contextlib import suppress
from pathlib import Path

from msyncd.errors import TryLater
from msyncd.flow import asking
from msyncd.flow.asking import Asking
from msyncd.testing import OneSite, Sites
from tests.flow.support import TYPES, stock

TABLES = ("item", "name", "store", "patient", "stock", "invoice", "line")
FIRING = TYPES.replace("item: {table: item,", "item: {table: item, application_triggers: fire,")
"""Record types by which an application's own trigger on items is no surprise."""
COPIES = {1: "all", 2: ["CMS"], 3: ["CMS", "BUM"]}


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


def lose(sites: Sites, *, ahead: tuple[int, ...] = (2, 3)) -> None:
    """The primary takes in and hands out what a backup then does not know; the satellites `ahead` have it all."""
    sites.primary.write("UPDATE item SET name = 'renamed' WHERE id = 'i-1'")
    sites.primary.write("INSERT INTO item VALUES ('i-new', 'NEW', 'made since')")
    stock(sites.primary, "c", "CMS", 2)
    for one in (2, 3):
        stock(sites[one], f"s{one}", "BUM" if one == 2 else "KAL", 5)
    sites.sync(*ahead)


def backed_up(sites: Sites) -> Path:
    stock(sites.primary, "c", "CMS", 1)
    stock(sites[2], "b", "BUM", 1)
    sites.sync()
    return sites.primary.backup()


def kept(site: OneSite) -> dict[object, tuple[str, object]]:
    """What is in a site's quarantine, by the first column of its key."""
    return {one.key[0]: (one.operation, one.row) for one in site.quarantine}
