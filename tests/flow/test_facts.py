"""Who may edit: facts, not wishes (P31, P32)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from msyncd.databases.interface import Writer
from msyncd.errors import DatabaseUnavailable, FactsChanged
from msyncd.flow.conversation import Batch, Push
from msyncd.flow.greeting import greet
from msyncd.flow.looking import Look
from msyncd.flow.status import read_status
from msyncd.model import Cursor
from msyncd.testing import OneSite
from msyncd.testing.crashing import FragileDatabase
from tests.flow.support import ACTIVE, keys, stock, stock_sites

TO_3 = ACTIVE | {2: [], 3: ["KAL", "KDI", "BUM"]}


def test_p31_a_store_to_which_nobody_can_have_written_moves_with_the_edit(tmp_path: Path) -> None:
    with stock_sites(tmp_path, joined=False) as sites:
        assert sites.primary.reload(active_stores=TO_3) == ()
        assert sites.primary.here.facts.active_site("s-BUM") == 3
        sites.sync()
        stock(sites[3], "a", "BUM")
        with pytest.raises(Exception, match="store BUM is active on site 3, not here"):
            stock(sites[2], "b", "BUM")
        sites.sync()
        assert keys(sites.primary, "stock") == ["a"]


def test_p34_the_first_record_of_a_store_may_not_have_come_yet(tmp_path: Path) -> None:
    """The primary knows of none, and the site's application may write: the store is handed over, not just moved."""
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        assert sites.primary.reload(active_stores=TO_3) == ()
        sites[3].cycle()
        with pytest.raises(Exception, match="store BUM is being handed over to site 3"):
            stock(sites[3], "b", "BUM")
        stock(sites[2], "c", "BUM")  # it has not heard of it
        sites.sync()
        stock(sites[3], "b", "BUM")
        sites.sync()
        assert keys(sites.primary, "stock") == keys(sites[3], "stock") == ["a", "b", "c"]
        assert [site.quarantine for site in sites] == [[], [], []]


def test_p31_a_hello_that_meets_an_edit_hears_the_facts_that_stand_when_it_is_noted(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        before = sites.primary.here
        sites.primary.reload(active_stores=TO_3)
        assert sites[2].satellite is not None
        welcome = greet(before, sites[2].satellite.spoken())
        assert welcome.facts_number == sites.primary.here.facts.number > before.facts.number


def test_p31_a_store_that_does_not_exist_yet_is_a_warning_and_active_once_it_does(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        problems = sites.primary.reload(active_stores=ACTIVE | {2: ["BUM", "NEW"]})
        assert [one.severity for one in problems if "store NEW does not exist yet" in one.message] == ["warning"]
        sites.sync()
        sites.primary.write("INSERT INTO store VALUES ('s-NEW', 'NEW', NULL)")
        assert sites.primary.reload() == ()
        sites.sync()
        for site in (sites.primary, sites[2], sites[3]):  # the code was a stand-in for the value: it does not stay
            assert [fact.store for fact in site.here.facts.stores.values() if fact.code == "NEW"] == ["s-NEW"]
            assert ("NEW", "NEW") not in site.rows("msyncd_store", "store, code")
        stock(sites[2], "a", "NEW")
        sites.sync()
        assert keys(sites.primary, "stock") == ["a"]


def test_p31_who_acts_on_an_older_number_is_asked_to_say_hello_again(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites[2].cycle()
        push = next(message for kind, message, _ in sites[2].line.messages if kind == "push")
        sites.primary.reload(active_stores=ACTIVE | {2: ["BUM", "KDI"], 3: ["KAL"]})
        old = Push(Batch(Cursor(0, 1), Cursor(0, 2), "m", facts_number=push.batch.facts_number), push.database_id, 1)
        with pytest.raises(FactsChanged):
            sites[2].line.push(old)
        stock(sites[2], "b", "BUM")
        sites.sync()  # it does so by itself
        assert keys(sites.primary, "stock") == ["a", "b"]


def test_p31_facts_that_could_not_be_noted_are_heard_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full at the commit of a hello. The guard stays as it was; the next cycle hears the facts anew."""
    with stock_sites(tmp_path) as sites:
        sites.primary.reload(active_stores=TO_3)
        write = FragileDatabase.write
        wanted: object = sites[2].here.database

        @contextmanager
        def full(database: FragileDatabase, **options: bool) -> Iterator[Writer]:
            with write(database, **options) as writer:
                yield writer
                if database is wanted:
                    raise DatabaseUnavailable("database or disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(FragileDatabase, "write", full)
            with pytest.raises(DatabaseUnavailable):
                sites[2].cycle()
        stock(sites[2], "a", "BUM")  # as it still may
        sites[2].write("DELETE FROM stock")
        sites[2].cycle()
        with pytest.raises(Exception, match="store BUM is being handed over to site 3"):
            stock(sites[2], "b", "BUM")


def test_p32_a_batch_of_another_epoch_is_not_applied(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites[2].cycle()
        push = next(message for kind, message, _ in sites[2].line.messages if kind == "push")
        assert push.batch.epochs == {"s-BUM": 1}
        number = sites.primary.here.facts.number
        batch = Batch(push.batch.upto, Cursor(0, 99), "m", facts_number=number, epochs={"s-BUM": 2})
        with pytest.raises(FactsChanged, match="epoch"):
            sites[2].line.push(Push(batch, push.database_id, 1))


def test_p32_each_hand_over_begins_an_epoch(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        epochs = [sites.primary.here.facts.epoch("s-BUM")]
        for site in (3, 2):
            moved = {one: [s for s in stores if s != "BUM"] for one, stores in ACTIVE.items()}
            moved[site] = [*moved[site], "BUM"]
            sites.primary.reload(active_stores=moved)
            sites.sync()
            epochs.append(sites.primary.here.facts.epoch("s-BUM"))
        assert epochs == [1, 2, 3]


def test_lists_that_disagree_are_shown_at_both_ends_until_they_agree(tmp_path: Path) -> None:
    """The primary's lists rule, and sync goes on; the one thing to correct stands at either end, in the same words."""
    with stock_sites(tmp_path) as sites:
        lists(sites[2], "BUM", "KAL")
        stock(sites[2], "a", "BUM")
        sites.sync()
        words = (
            "site 2 lists store KAL as active, but the primary has it active on site 3;"
            " correct active_stores on site 2, or on the primary"
        )
        assert shown(sites.primary) == [words, None]
        assert shown(sites[2]) == [words]
        assert keys(sites.primary, "stock") == ["a"]
        lists(sites[2], "BUM")
        sites.sync()
        assert shown(sites.primary) == [None, None]
        assert shown(sites[2]) == [None]


def lists(site: OneSite, *stores: str) -> None:
    """The satellite's own YAML says where its stores are active."""
    assert site.satellite is not None
    settings = site.here.settings
    mine = replace(settings.this_site, active_stores=stores)
    site.satellite.here = replace(site.here, settings=replace(settings, this_site=mine))
    site.satellite.forget_hello()


def shown(site: OneSite) -> list[str | None]:
    """What `msyncd status` says of each peer."""
    return [one.problem for one in read_status(Look(site.here, (), installed=True)).peers]
