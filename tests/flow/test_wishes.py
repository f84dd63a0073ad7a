"""Several machines serve one primary: a YAML that was left behind on one of them undoes nothing (P31)."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from msyncd.daemon.site import Site
from msyncd.daemon.verifying import Verifying
from msyncd.databases import open_database
from msyncd.databases.interface import Database
from msyncd.errors import MsyncdError
from msyncd.flow.advancing import settle_facts
from msyncd.flow.asking import ask
from msyncd.flow.facts import read_facts
from msyncd.flow.handover import goal
from msyncd.flow.here import Here
from msyncd.flow.ledger import asked
from msyncd.flow.ledger import wishes as ledger
from msyncd.flow.opening import Opened, open_site
from msyncd.flow.wishes import FORMER, behind, compared, digest_of, wishes_of
from msyncd.model import PRIMARY, Facts
from msyncd.plugins import Plugins
from msyncd.rules import BUILTIN
from msyncd.settings.loading import load
from msyncd.settings.remembered import Mark, Remembered
from msyncd.settings.values import Settings
from msyncd.testing import Sites
from msyncd.testing.crashing import Crashed, CrashPoint, FragileDatabase
from msyncd.testing.wishes import Wishes
from tests.flow.support import ACTIVE, stock, stock_sites

TO_3 = ACTIVE | {2: [], 3: ["KAL", "KDI", "BUM"]}
SHARED = pytest.mark.parametrize("pair", ["postgresql-sqlite"], indirect=True)
ALONE = pytest.mark.parametrize("pair", ["sqlite-sqlite", "mariadb-sqlite"], indirect=True)


class Machine:
    """Another machine that serves the primary: a YAML and a state directory of its own, one database."""

    def __init__(self, sites: Sites, folder: Path) -> None:
        self.sites, self.folder = sites, folder
        self.satellites = sites.satellite_ids
        self.wishes: Wishes = sites.primary.wishes
        self.database: Database = FragileDatabase.around(open_database(sites.primary.url))
        folder.mkdir()

    def read(self) -> Settings:
        """What the files say."""
        return load(self.wishes.write(PRIMARY, self.folder, self.satellites)).settings

    def start(self, **edited: Any) -> Opened:
        """Read the files, with what was edited in them."""
        self.wishes = replace(self.wishes, **edited)
        settings = self.read()
        plugins = Plugins.load(settings.plugins, builtin=BUILTIN)[0]
        return open_site(settings, plugins, clock=self.sites.clock, database=self.database)


@contextmanager
def another(sites: Sites, folder: Path) -> Iterator[Machine]:
    machine = Machine(sites, folder)
    try:
        yield machine
    finally:
        machine.database.close()


def goals(sites: Sites) -> dict[str, int | None]:
    """Where each store is, or is going, by its code."""
    return {fact.code: goal(fact) for fact in _facts(sites).stores.values()}


def _facts(sites: Sites) -> Facts:
    with sites.primary.here.database.read() as reader:
        return read_facts(reader)


def number(sites: Sites) -> int:
    with sites.primary.here.database.read() as reader:
        newest = ledger.newest(reader)
    assert newest is not None
    return newest.number


def says(here: Here) -> str:
    with here.database.read() as reader:
        found = behind(reader, here)
    return str(found) if found else ""


@SHARED
def test_p31_a_machine_that_starts_with_an_older_file_undoes_nothing(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites, another(sites, tmp_path / "b") as b:
        assert b.start().behind is None
        stock(sites[2], "a", "BUM")
        sites.sync()
        sites.primary.reload(active_stores=TO_3, copies_of={1: "all", 3: ["CMS"]})
        facts = _facts(sites)
        assert facts.stores["s-BUM"].hand_over is not None
        opened = b.start()
        assert opened.behind is not None
        assert "are older than those that were taken in from another machine" in opened.behind.message
        assert "put the newest file here" in opened.behind.hint
        assert _facts(sites) == facts == opened.here.facts
        # whatever it does later, it does by the newest wishes: here it takes the steps of the hand-over
        sites.primary.write("INSERT INTO store VALUES ('s-NEW', 'NEW', NULL)")
        with opened.here.database.write() as writer:
            settle_facts(writer, opened.here)
        assert goals(sites) == {"CMS": 1, "BUM": 3, "KAL": 3, "KDI": 3, "NEW": None}
        assert _facts(sites).sites[3].copies_of == facts.sites[3].copies_of != frozenset()
        sites.sync()
        stock(sites[3], "b", "BUM")
        # the newest file comes there
        opened = b.start(active_stores=TO_3, copies_of={1: "all", 3: ["CMS"]})
        assert opened.behind is None
        assert says(opened.here) == ""
        assert goals(sites)["BUM"] == 3


@SHARED
def test_p31_a_machine_that_was_never_here_knows_an_older_file_too(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites, another(sites, tmp_path / "b") as b, another(sites, tmp_path / "c") as c:
        sites.primary.reload(active_stores=TO_3)
        assert b.start().behind is not None
        assert goals(sites)["BUM"] == 3
        assert c.start(active_stores=ACTIVE | {1: ["CMS", "BUM"], 2: []}).behind is None  # nobody ever had this one
        assert goals(sites)["BUM"] == 1


@SHARED
def test_p31_who_has_heard_the_newest_wishes_may_go_back_to_older_ones(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites, another(sites, tmp_path / "b") as b:
        b.start()
        sites.primary.reload(active_stores=TO_3)
        sites.primary.reload(active_stores=ACTIVE)
        assert goals(sites)["BUM"] == 2
        assert b.start(active_stores=TO_3).behind is not None  # what came late is not the newest any more
        assert goals(sites)["BUM"] == 2
        assert b.start(active_stores=ACTIVE).behind is None
        assert b.start(active_stores=TO_3).behind is None  # now it is meant
        assert goals(sites)["BUM"] == 3
        assert "are older" in says(sites.primary.here)


@SHARED
def test_p31_a_worker_that_looks_at_the_tables_before_it_has_read_the_edit_undoes_nothing(tmp_path: Path) -> None:
    """Two workers of one machine: one has taken in the edit, and the other renews its triggers meanwhile."""
    with stock_sites(tmp_path) as sites:
        other = Site(sites.primary.here, (), schema_version=-1)
        sites.primary.reload(active_stores=TO_3)
        before, facts = number(sites), _facts(sites)
        verifying = Verifying(other)
        for _ in range(2):  # the schema has moved, and has come to rest
            verifying.step()
        assert other.here.facts == facts
        assert (_facts(sites), number(sites), goals(sites)["BUM"]) == (facts, before, 3)


@SHARED
def test_p31_the_order_in_which_stores_are_written_is_no_edit(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites, another(sites, tmp_path / "b") as b:
        before = number(sites)
        assert b.start(active_stores=ACTIVE | {3: ["KDI", "KAL"]}).behind is None
        assert number(sites) == before


@SHARED
def test_p31_a_file_that_was_edited_while_nothing_ran_is_heard(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        for active, home in ((TO_3, 3), (ACTIVE, 2)):
            sites.primary.wishes = replace(sites.primary.wishes, active_stores=active)
            sites.primary.restart()
            assert goals(sites)["BUM"] == home


@SHARED
def test_p35_a_machine_whose_older_file_lists_fewer_sites_asks_and_awaits_all(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites, another(sites, tmp_path / "b") as b:
        b.satellites = [2]
        with sites.primary.here.database.write() as writer:  # as it was before site 3 came
            newest = ledger.newest(writer)
            assert newest is not None
            ledger.put(writer, replace(newest, former=(digest_of(wishes_of(b.read())),)))
        opened = b.start()
        assert opened.behind is not None
        assert set(opened.here.facts.sites) == {1, 2, 3}
        here = ask(opened.here).here
        with here.database.read() as reader:
            assert {one.site: one.state for one in asked.everyone(reader)} == {2: "asked", 3: "asked"}
        with pytest.raises(MsyncdError, match="it waits for site 3"):
            sites.sync(2)
        ask(here, [2])  # it has given, so this looks whether anybody is waited for
        with here.database.read() as reader:
            assert {one.site: one.state for one in asked.everyone(reader)} == {2: "given", 3: "asked"}
            assert asked.asking(reader), "the fence is open, and site 3 was not heard"


@SHARED
@pytest.mark.parametrize("point", ["before commit", "after commit"])
@pytest.mark.parametrize("edited_back", [False, True])
def test_p31_killed_while_wishes_are_taken_in(tmp_path: Path, point: CrashPoint, edited_back: bool) -> None:
    with stock_sites(tmp_path) as sites, another(sites, tmp_path / "b") as b:
        b.start()
        before = number(sites)
        database = b.database
        assert isinstance(database, FragileDatabase)
        database.crash_at = (point, 1)
        with pytest.raises(Crashed):
            b.start(active_stores=TO_3)
        database.crash_at = None
        assert number(sites) == before + (point == "after commit")
        if edited_back:
            b.wishes = replace(b.wishes, active_stores=ACTIVE)
        assert b.start().behind is None
        assert goals(sites)["BUM"] == (2 if edited_back else 3)


@SHARED
def test_p31_a_restored_database_hears_the_file_as_it_was_last(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites, another(sites, tmp_path / "b") as b:
        b.start()
        primary = sites.primary
        with primary.here.database.read() as reader:
            backup = ledger.newest(reader), _facts(sites)
        primary.reload(active_stores=TO_3)
        primary.reload(active_stores=TO_3, copies_of={1: "all", 3: ["CMS"]})
        highest = number(sites)
        assert backup[0] is not None
        with primary.here.database.write() as writer:  # as if of a backup
            ledger.put(writer, backup[0])
        primary.restart()
        assert goals(sites)["BUM"] == 3
        assert number(sites) > highest
        assert b.start().behind is not None  # by its own memory: this database never heard of what came between
        assert goals(sites)["BUM"] == 3


@SHARED
def test_p31_a_lost_state_directory_takes_no_newest_file_for_an_edit(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        sites.primary.reload(active_stores=TO_3)
        before = number(sites)
        shutil.rmtree(sites.primary.folder / "state")
        sites.primary.restart()
        assert says(sites.primary.here) == ""
        assert (goals(sites)["BUM"], number(sites)) == (3, before)
        sites.primary.reload(active_stores=ACTIVE)
        assert goals(sites)["BUM"] == 2


@ALONE
def test_p31_where_one_installation_serves_the_file_at_hand_is_the_wish(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        sites.primary.reload(active_stores=TO_3)
        shutil.rmtree(sites.primary.folder / "state")
        sites.primary.wishes = replace(sites.primary.wishes, active_stores=ACTIVE)
        sites.primary.restart()
        assert says(sites.primary.here) == ""
        assert goals(sites)["BUM"] == 2
        assert not (sites.primary.folder / "state/wishes.json").exists()


NEWEST = ledger.Newest(5, "e", "", {}, ("d", "b"))


@pytest.mark.parametrize(
    ("digest", "last", "standing"),
    [
        ("e", None, "newest"),
        ("e", Mark(3, "b"), "newest"),
        ("d", Mark(5, "e"), "edited"),
        ("x", Mark(5, "e"), "edited"),
        ("d", None, "behind"),
        ("x", None, "edited"),
        ("b", Mark(3, "b"), "behind"),
        ("c", Mark(3, "c"), "behind"),  # too long ago to be among the former ones
        ("d", Mark(3, "b"), "behind"),
        ("x", Mark(3, "b"), "edited"),
        ("x", Mark(5, "x"), "behind"),  # of another course of things, before the database was restored
        ("d", Mark(6, "d"), "edited"),
        ("e", Mark(6, "d"), "edited"),
    ],
)
def test_p31_how_a_file_stands_to_the_newest_wishes(digest: str, last: Mark | None, standing: str) -> None:
    assert compared(digest, NEWEST, Remembered("", last)) == standing
    assert compared(digest, None, Remembered("", last)) == "edited"


@SHARED
def test_p31_former_wishes_are_bounded(tmp_path: Path) -> None:
    with stock_sites(tmp_path, joined=False) as sites:
        with sites.primary.here.database.write() as writer:
            newest = ledger.newest(writer)
            assert newest is not None
            ledger.put(writer, replace(newest, former=tuple(f"{n:032}" for n in range(FORMER))))
        sites.primary.reload(active_stores=TO_3)
        with sites.primary.here.database.read() as reader:
            now = ledger.newest(reader)
        assert now is not None
        assert now.former == (newest.digest, *(f"{n:032}" for n in range(FORMER - 1)))
