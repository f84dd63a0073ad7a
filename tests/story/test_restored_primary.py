"""The primary burns while everybody works: last night's backup, `msyncd sites ask`, and all is level again (P35)."""

import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from msyncd.commands.demo import application
from tests.story.processes import installation
from tests.story.test_bundles import Writing, central_data, command, names, said, transactions

STORES = ("CMS", "BUM", "KAL")


def rename(connection: sqlite3.Connection, name: str) -> None:
    """An edit of central data."""
    connection.execute("UPDATE item SET item_name = ? WHERE ID = (SELECT min(ID) FROM item)", (name,))


@pytest.mark.long  # its satellites call again when they have waited longer each time
@pytest.mark.timeout(400)
def test_p35_a_primary_burns_while_its_satellites_work(tmp_path: Path) -> None:
    random_, clock = random.Random(1), lambda: datetime(2026, 11, 1, tzinfo=UTC)
    backup = tmp_path / "last-night.db"
    with (
        installation(tmp_path, STORES) as sites,
        closing(sites.connect(2)) as bumban,
        closing(sites.connect(3)) as kalo,
    ):
        with closing(sites.connect(1)) as central:
            application.create_central_data(central, random=random_, clock=clock)
            sites.init()
            for sync_id in sites.sites:
                sites.start(sync_id)
            all_of_it = central_data(central)
            sites.wait_until("all have it", lambda: central_data(bumban) == central_data(kalo) == all_of_it, 60)
            writing = [Writing(bumban, "BUM", 2), Writing(kalo, "KAL", 3)]
            for one in writing:
                one.start()
            sites.wait_until("transactions arrive", lambda: len(transactions(central)) > 20, 60)
            rename(central, "before the backup")
            with closing(sqlite3.connect(backup)) as copy:
                central.backup(copy)
            then = len(transactions(central))
            rename(central, "since the backup")
            sites.wait_until("more arrive", lambda: len(transactions(central)) > then + 20, 60)
            with closing(sites.connect(2)) as look:
                sites.wait_until("the name is there", lambda: names(look)[0][1] == "since the backup", 60)
        sites.kill(1)
        for path in tmp_path.glob("site1.db*"):
            path.unlink()
        backup.rename(sites.database(1))
        sites.start(1)
        asked = said(command(sites, 1, "sites", "ask"))
        assert asked["under_way"]
        with closing(sites.connect(1)) as central:
            sites.wait_until("all have answered", lambda: said(command(sites, 1, "status"))["asking"] is None, 200)
            assert names(central)[0][1] == "since the backup"
            for one in writing:
                one.done.set()
                one.join()
            written = sorted(key for one in writing for key in one.written)
            sites.wait_until("all is there", lambda: transactions(central) == written, 100)
            rename(central, "afterwards")
            sites.wait_until("all are level", lambda: names(bumban) == names(kalo) == names(central), 60)
            assert names(central)[0][1] == "afterwards"
            for sync_id, one in zip((2, 3), writing, strict=True):
                with closing(sites.connect(sync_id)) as satellite:
                    assert transactions(satellite) == sorted(one.written)
            assert said(command(sites, 1, "status"))["restored"]["record_types"]["item"]["taken_back"] == 1
