"""The disk of a database is full, really: whole batches are tried later, nothing is lost or doubled (P14, P21)."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from msyncd.errors import TryLater
from msyncd.testing import OneSite, Sites
from tests.daemon.conftest import Country, until
from tests.faults.small_disk import SmallDisk
from tests.flow.support import SCHEMA, TYPES, keys, stock_sites

Mount = Callable[[Path], SmallDisk]
LARGE = "x" * 2000
ROOM = 60_000
"""Bytes that are left where a transaction is to begin, and not to fit."""


@pytest.fixture(params=["wal", "delete"])
def journal(request: pytest.FixtureRequest) -> str:
    """As the application runs its database."""
    return str(request.param)


@contextmanager
def country(folder: Path, mount: Mount, small: int, journal: str) -> Iterator[tuple[Sites, SmallDisk]]:
    """Sites in step, one of them on a small disk. Every application of a stock row at the primary is counted."""
    disk = mount(folder / f"site{small}")
    counting = (
        "CREATE TABLE seen (id TEXT); CREATE TRIGGER t AFTER INSERT ON stock BEGIN INSERT INTO seen VALUES (NEW.id);"
    )
    types = TYPES.replace("store: store_id, columns", "store: store_id, application_triggers: fire, columns")
    schemas = {1: SCHEMA + counting + "END;", 2: SCHEMA, 3: SCHEMA}
    schema = {site: f"PRAGMA journal_mode={journal};" + text for site, text in schemas.items()}
    with stock_sites(folder, schema=schema, record_types=types, request_size=100) as sites:
        yield sites, disk


def items(sites: Sites, count: int) -> None:
    with sites.primary.transaction() as connection:
        rows = [(f"new-{number}", str(number), LARGE) for number in range(count)]
        connection.executemany("INSERT INTO item VALUES (?, ?, ?)", rows)


def stocks(site: OneSite, count: int) -> None:
    with site.transaction() as connection:
        rows = [(f"s-{number}", "s-BUM", "i-1", number, LARGE) for number in range(count)]
        connection.executemany(
            "INSERT INTO stock (id, store_id, item_id, quantity, barcode) VALUES (?, ?, ?, ?, ? || ?)",
            [(key, store, item, quantity, key, text) for key, store, item, quantity, text in rows],
        )


def try_later(site: OneSite) -> None:
    for _ in range(2):  # the second time it is no different
        with pytest.raises(TryLater, match="full"):
            site.cycle()


def test_p21_a_satellite_that_cannot_apply_for_want_of_space_goes_on_when_there_is_some(
    tmp_path: Path, small_disk: Mount, journal: str
) -> None:
    with country(tmp_path, small_disk, 2, journal) as (sites, disk):
        items(sites, 300)
        disk.fill(left=ROOM)
        try_later(sites[2])
        held = set(keys(sites[2], "item"))
        assert held < set(keys(sites.primary, "item"))
        assert sites[2].quarantine == []  # it is no record's fault
        sites.sync(3)
        assert sites[3].rows("item") == sites.primary.rows("item")
        disk.free()
        sites.sync()
        assert sites[2].rows("item") == sites.primary.rows("item")
        assert sites[2].quarantine == sites[2].waiting == []


def test_p21_a_primary_that_cannot_apply_for_want_of_space_loses_and_doubles_nothing(
    tmp_path: Path, small_disk: Mount, journal: str
) -> None:
    with country(tmp_path, small_disk, 1, journal) as (sites, disk):
        stocks(sites[2], 250)
        disk.fill(left=ROOM)
        try_later(sites[2])
        applied = len(keys(sites.primary, "stock"))
        assert applied < 250
        assert sites.primary.quarantine == []
        disk.free()
        sites.sync()
        assert sites.primary.rows("stock", "id, quantity") == sites[2].rows("stock", "id, quantity")
        seen = [row[0] for row in sites.primary.rows("seen")]
        assert len(seen) == len(set(seen)) == 250


def test_p08_a_sender_that_cannot_note_its_batch_sends_nothing(tmp_path: Path, small_disk: Mount, journal: str) -> None:
    """Its mark must be durable before the batch leaves: with no space for it, the batch stays."""
    with country(tmp_path, small_disk, 2, journal) as (sites, disk):
        stocks(sites[2], 20)
        disk.fill()
        pushed = len([kind for kind, _, _ in sites[2].line.messages if kind == "push"])
        try_later(sites[2])
        assert len([kind for kind, _, _ in sites[2].line.messages if kind == "push"]) == pushed
        assert keys(sites.primary, "stock") == []
        disk.free()
        sites.sync()
        assert sites.primary.rows("stock", "id, quantity") == sites[2].rows("stock", "id, quantity")
        assert len(sites.primary.rows("seen")) == 20


def test_p08_a_primary_that_cannot_note_what_it_sends_keeps_it_back(
    tmp_path: Path, small_disk: Mount, journal: str
) -> None:
    with country(tmp_path, small_disk, 1, journal) as (sites, disk):
        items(sites, 20)
        disk.fill()
        try_later(sites[2])
        assert len(keys(sites[2], "item")) == 2
        disk.free()
        sites.sync()
        assert sites[2].rows("item") == sites.primary.rows("item")


def write_until_full(site: OneSite) -> int:
    """How many rows the application could write, each in a transaction of its own, until one failed."""
    for number in range(1000):
        try:
            site.write(
                "INSERT INTO stock (id, store_id, item_id, quantity, barcode) VALUES (?, 's-BUM', 'i-1', 1, ?)",
                *(f"s-{number}", f"{number}{LARGE}"),
            )
        except sqlite3.OperationalError as error:
            if "full" not in str(error):
                raise
            return number
    return 1000


def test_a_write_of_the_application_and_its_change_are_both_there_or_neither(
    tmp_path: Path, small_disk: Mount, journal: str
) -> None:
    """Where the trigger finds no space to log the change, the application's own write fails: it hears of it."""
    with country(tmp_path, small_disk, 2, journal) as (sites, disk):
        disk.fill(left=ROOM)
        written = write_until_full(sites[2])
        assert 0 < written < 1000
        disk.free()
        sites.sync()
        assert len(keys(sites[2], "stock")) == written
        assert keys(sites.primary, "stock") == keys(sites[2], "stock")


def test_a_daemon_says_why_and_goes_on_by_itself(small_disk: Mount, country_of_daemons: Country) -> None:
    one = country_of_daemons
    disk = small_disk(one.folder / "small")
    one.edit("site2.yaml", "sqlite:///site2.db", "sqlite:///small/site2.db")
    with sqlite3.connect(one.folder / "small/site2.db") as target:
        one.db[2].backup(target)
    target.close()
    one.db[2].close()
    one.db[2] = sqlite3.connect(one.folder / "small/site2.db", isolation_level=None, timeout=30)
    one.start(1, 2)
    until(lambda: one.count(2, "store") == 3)
    disk.fill(left=ROOM)
    one.db[1].executemany("INSERT INTO item VALUES (?, ?)", [(f"i-{number}", LARGE) for number in range(300)])
    until(lambda: "free some space on its disk; nothing is lost, trying again" in one.log(2), 30)
    one.item("later")
    disk.free()
    until(lambda: one.rows(2, "item") == one.rows(1, "item"), 60)


@pytest.fixture
def country_of_daemons(tmp_path: Path) -> Iterator[Country]:
    """Nothing runs yet. Asked for behind the disk, it ends before that is taken away."""
    one = Country(tmp_path)
    yield one
    one.close()


def test_the_disk_is_really_full(tmp_path: Path, small_disk: Mount) -> None:
    disk = small_disk(tmp_path / "small")
    disk.fill(left=ROOM)
    (disk.folder / "fits").write_bytes(bytes(ROOM - 8192))
    disk.fill()
    with pytest.raises(OSError, match="No space left"):
        (disk.folder / "more").write_bytes(bytes(100_000))
    disk.free()
    (disk.folder / "more").write_bytes(bytes(100_000))
