"""Another machine takes over a sync ID (P35): it joins and is filled, and the one before it is refused for good."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from msyncd.errors import CloneRefused, JoiningUndecided, MsyncdError, PeerUnreachable, WrongUsage
from msyncd.flow import confirming, serving
from msyncd.flow.compare.repair import compare
from msyncd.flow.conversation import Pull, Push
from msyncd.flow.ledger import meta
from msyncd.flow.ledger.sites import known
from msyncd.flow.replacing import Replacement, replace_site
from msyncd.flow.trimming import trim
from msyncd.testing import Crashed, CrashPoint, Kind, OneSite, Sites
from tests.flow.support import SCHEMA, invoice, keys, stock, stock_sites

WORKED_MEANWHILE = "others have worked in this site's place"


def replace(sites: Sites, site: int = 2, by: str | None = None) -> Replacement:
    return replace_site(sites.primary.here, site, by=by)


@contextmanager
def machine(sites: Sites, folder: Path, database: Path | None = None) -> Iterator[OneSite]:
    """Another machine with site 2's configuration: an empty database, or a copy of one."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "site.db")) as connection:
        if database is None:
            connection.executescript(SCHEMA)
        else:
            with closing(sqlite3.connect(database)) as source:
                source.backup(connection)
    made = OneSite(2, folder, sites[2].wishes, sites)
    try:
        yield made
    finally:
        made.close()
        made.connection.close()


def level(*satellites: OneSite) -> None:
    for _ in range(5):
        for one in satellites:
            one.cycle()


def said(site: OneSite, kind: Kind) -> list[msgspec.Struct]:
    return [message for its_kind, message, _ in site.line.messages if its_kind == kind]


def trusting(site: OneSite, side: str) -> None:
    assert site.satellite is not None
    site.satellite.trust = {"*": side}
    site.satellite.forget_hello()


# --- a newcomer -----------------------------------------------------------------------------------------------------


def test_p35_a_newcomer_takes_over_and_is_filled(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites, machine(sites, tmp_path / "new") as new:
        stock(sites[2], "a", "BUM", 7)
        sites.sync()
        with pytest.raises(CloneRefused, match=r"another database already syncs as site 2.*sites replace 2"):
            new.cycle()
        assert keys(new, "stock") == []
        done = replace(sites)
        assert done.old is not None
        assert done.old.installation_id == sites[2].here.installation_id
        level(new)
        assert new.rows("stock", "id, quantity") == [("a", 7)]
        assert new.rows("item") == sites.primary.rows("item")
        stock(new, "b", "BUM", 3)
        stock(new, "a", "BUM", 8)
        level(new)
        assert sites.primary.rows("stock", "id, quantity") == [("a", 8), ("b", 3)]


def test_p35_the_replaced_one_is_refused_before_the_newcomer_comes_and_after(tmp_path: Path) -> None:
    """It must not take the freed place itself, though it may well call before the new machine does."""
    with stock_sites(tmp_path) as sites, machine(sites, tmp_path / "new") as new:
        old = sites[2]
        replace(sites)
        old.restart()
        stock(old, "unsent", "BUM")
        for words in ("the next new one takes its place", "another one syncs in its place"):
            with pytest.raises(CloneRefused, match=f"was replaced as site 2 on 2026-01-01: {words}") as refused:
                old.cycle()
            assert f"sites replace 2 --by {old.here.installation_id[:12]}" in refused.value.hint
            level(new)
        assert keys(sites.primary, "stock") == []
        assert keys(old, "stock") == ["unsent"]  # nothing is taken from it
        assert old.satellite is not None
        with pytest.raises(CloneRefused, match="was replaced as site 2"):
            old.line.hello(old.satellite.spoken(probe=True))  # `check-connection` says it too


@pytest.mark.parametrize("newcomer_is_there", [False, True])
def test_p35_a_token_that_still_holds_does_not_let_the_replaced_one_in(tmp_path: Path, newcomer_is_there: bool) -> None:
    """It has said hello before it was replaced, and goes on with push and pull."""
    with stock_sites(tmp_path) as sites, machine(sites, tmp_path / "new") as new:
        old = sites[2]
        replace(sites)
        if newcomer_is_there:
            level(new)
        hellos = len(said(old, "hello"))
        with pytest.raises(CloneRefused, match="was replaced as site 2"):
            old.cycle()  # nothing to push: the pull
        stock(old, "late", "BUM")
        with pytest.raises(CloneRefused, match="was replaced as site 2"):
            old.cycle()  # the push
        assert len(said(old, "hello")) == hellos
        assert keys(sites.primary, "stock") == []


def test_p35_a_site_that_is_replaced_while_its_pull_is_answered_confirms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = confirming.confirm

    def after_a_replacement(*arguments: Any) -> None:
        replace(sites)
        heard(*arguments)

    with stock_sites(tmp_path) as sites:
        sites.primary.write("INSERT INTO item VALUES ('i-3', 'IBU', 'ibuprofen')")
        sites[2].cycle()
        monkeypatch.setattr(serving, "confirm", after_a_replacement)
        with pytest.raises(CloneRefused, match="was replaced as site 2"):
            sites[2].cycle()
        with sites.primary.here.database.read() as reader:
            assert not known(reader, 2).joined


def test_p35_the_replaced_one_confirms_nothing_by_waiting(tmp_path: Path) -> None:
    """What it has, the newcomer has not: the primary must not forget it."""
    with stock_sites(tmp_path) as sites, machine(sites, tmp_path / "new") as new:
        replace(sites)
        level(new)
        sites.primary.write("INSERT INTO item VALUES ('i-3', 'IBU', 'ibuprofen')")
        with sites.primary.here.database.read() as reader:
            before, end = known(reader, 2).confirmed, reader.log_end()
        assert sites[2].satellite is not None
        ahead = msgspec.structs.replace(sites[2].satellite.waiting(0), cursor=end)
        with pytest.raises(CloneRefused, match="was replaced as site 2"):
            sites[2].line.wait(ahead)
        with sites.primary.here.database.read() as reader:
            assert known(reader, 2).confirmed == before < end


def test_p35_a_push_of_the_replaced_one_that_comes_late_is_not_applied(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites, machine(sites, tmp_path / "new") as new:
        stock(sites[2], "a", "BUM", 1)
        sites[2].line.fail("push", "late")
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        replace(sites)
        level(new)
        stock(new, "b", "BUM", 2)
        level(new)
        assert [type(one) for one in sites[2].line.deliver_late()] == [CloneRefused]
        assert keys(sites.primary, "stock") == ["b"]


def test_p35_each_database_has_a_receipt_of_its_own(tmp_path: Path) -> None:
    """The newcomer's log begins anew: its small numbers are not taken for what the old one had sent."""
    with stock_sites(tmp_path) as sites, machine(sites, tmp_path / "new") as new:
        for number in range(30):
            stock(sites[2], "a", "BUM", number)
        sites.sync()
        replace(sites)
        level(new)
        stock(new, "a", "BUM", 99)
        new.line.fail("push", "lost reply")
        with pytest.raises(PeerUnreachable):
            new.cycle()
        level(new)
        assert sites.primary.rows("stock", "id, quantity") == [("a", 99)]
        receipts = {
            str(row[0]): int(str(row[1])) for row in sites.primary.rows("msyncd_receipt", "database_id, cursor_seq")
        }
        with new.here.database.read() as reader:
            assert receipts[_database_id(new)] == reader.log_end().seq
        assert receipts[_database_id(sites[2])] >= 30


def _database_id(site: OneSite) -> str:
    with site.here.database.read() as reader:
        return str(meta.get(reader, "database_id"))


def test_p35_what_waited_for_the_replaced_one_goes_to_quarantine(tmp_path: Path) -> None:
    """Nothing will bring now what it waits for; it is kept whole, where an admin sees it."""
    with stock_sites(tmp_path, request_size=1) as sites:
        sites[2].write("PRAGMA foreign_keys=OFF")
        sites[2].write("INSERT INTO invoice VALUES ('v', 's-BUM', 'n-x', 'new', 'the original')")
        stock(sites[2], "a", "BUM")
        sites[2].line.fail("push", "lost request", after=1)
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        assert [one.key for one in sites.primary.waiting] == [("v",)]
        replace(sites)
        assert sites.primary.waiting == []
        assert [(one.key, one.site) for one in sites.primary.quarantine] == [(("v",), 2)]


def test_p35_plugins_are_told_when_a_newcomer_has_joined(tmp_path: Path) -> None:
    told = tmp_path / "told.txt"
    plugin = tmp_path / "greeter.py"
    plugin.write_text(
        "from pathlib import Path\nfrom msyncd import hookimpl\n\n\n@hookimpl\ndef msyncd_site_joined(site):\n"
        f"    with Path({str(told)!r}).open('a') as out:\n        print(site.sync_id, file=out)\n"
    )
    with stock_sites(tmp_path, plugins=[plugin]) as sites, machine(sites, tmp_path / "new") as new:
        assert told.read_text().split() == ["2", "3"]
        replace(sites)
        level(new)
        assert told.read_text().split() == ["2", "3", "2"]


def test_p35_stores_that_the_primary_has_no_copy_of_are_named(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={3: ["BUM"]}) as sites:
        assert replace(sites).not_held == ("BUM",)
        assert replace(sites, 3).not_held == ("KAL", "KDI")


def test_p35_only_a_satellite_is_replaced_and_only_on_the_primary(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        for site, here, words in (
            (2, sites[2], "on the primary"),
            (1, sites.primary, "itself"),
            (9, sites.primary, "not"),
        ):
            with pytest.raises(WrongUsage, match=words):
                replace_site(here.here, site)
        with pytest.raises(MsyncdError, match="begins with 'zz'"):
            replace(sites, by="zz")
        with pytest.raises(MsyncdError, match="begins with ''"):
            replace(sites, by="")
        sites.sync()  # nothing has been changed


# --- the same database on another machine ---------------------------------------------------------------------------


def test_p35_a_database_that_moved_to_another_machine_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM", 1)
        sites.sync()
        stock(sites[2], "unsent", "BUM", 2)
        with machine(sites, tmp_path / "new", tmp_path / "site2/site.db") as moved:
            with pytest.raises(CloneRefused, match="another installation already syncs as site 2"):
                moved.cycle()
            replace(sites)
            _forget_old_marks(sites, "i-3")  # the one that it shows is still to be known
            moved.line.fail("pull", "lost request")
            with pytest.raises(PeerUnreachable):
                moved.cycle()
            _forget_old_marks(sites, "i-4")
            level(moved)
            assert keys(sites.primary, "stock") == keys(moved, "stock") == ["a", "unsent"]
            assert moved.rows("item") == sites.primary.rows("item")
            stock(moved, "b", "BUM", 3)
            level(moved)
            assert keys(sites.primary, "stock") == ["a", "b", "unsent"]


def _forget_old_marks(sites: Sites, item: str) -> None:
    sites.primary.write("INSERT INTO item VALUES (?, ?, 'ibuprofen')", item, item)
    sites[3].cycle()
    sites[3].cycle()
    sites.clock.advance(days=30)
    trim(sites.primary.here)


def test_p35_a_newcomer_whose_database_is_moved_later_is_not_asked_anything(tmp_path: Path) -> None:
    """Others had the place, but before it did."""
    with stock_sites(tmp_path) as sites, machine(sites, tmp_path / "new") as new:
        replace(sites)
        level(new)
        stock(new, "a", "BUM", 1)
        level(new)
        stock(new, "unsent", "BUM", 2)
        with machine(sites, tmp_path / "newer", tmp_path / "new/site.db") as moved:
            replace(sites)
            level(moved)
            assert keys(sites.primary, "stock") == ["a", "unsent"]


def test_p35_of_one_database_on_two_machines_only_the_newcomer_is_heard(tmp_path: Path) -> None:
    """Both show the same database ID, and the old one has a token that still holds."""
    with stock_sites(tmp_path) as sites:
        old = sites[2]
        stock(old, "a", "BUM", 1)
        sites.sync()
        assert old.satellite is not None
        assert list(compare(old.satellite, old.cycle))
        assert sites.primary.rows("msyncd_compared", "peer")
        with machine(sites, tmp_path / "new", tmp_path / "site2/site.db") as moved:
            replace(sites)
            assert sites.primary.rows("msyncd_compared", "peer") == []
            level(moved)
            with pytest.raises(CloneRefused, match="was replaced as site 2"):
                old.line.compare(said(old, "compare")[-1])  # type: ignore[arg-type]  # it is a Compare
            stock(old, "b", "BUM", 5)
            for _ in range(2):
                with pytest.raises(CloneRefused, match="was replaced as site 2"):
                    old.cycle()
            assert said(old, "push")[-1].installation_id == old.here.installation_id  # type: ignore[attr-defined]
            strange = msgspec.structs.replace(said(moved, "pull")[-1], installation_id="a third")
            with pytest.raises(CloneRefused, match="another database syncs as site 2 now"):
                old.line.pull(strange)  # type: ignore[arg-type]  # it is a Pull
            stock(moved, "c", "BUM", 6)
            level(moved)
            assert sites.primary.rows("stock", "id, quantity") == [("a", 1), ("c", 6)]


def test_p35_a_caller_that_does_not_tell_its_machine_is_refused_where_that_matters(tmp_path: Path) -> None:
    """A light client may leave installation_id out, as long as its database was never replaced."""
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM", 1)
        sites.sync()
        silent_push = msgspec.structs.replace(said(sites[2], "push")[-1], installation_id="")
        silent_pull = msgspec.structs.replace(said(sites[2], "pull")[-1], installation_id="")
        assert isinstance(silent_push, Push)
        assert isinstance(silent_pull, Pull)
        assert not sites[2].line.push(silent_push).applied  # answered with the receipt
        sites[2].line.pull(silent_pull)
        with machine(sites, tmp_path / "new", tmp_path / "site2/site.db") as moved:
            replace(sites)
            level(moved)
            with pytest.raises(CloneRefused):
                sites[2].line.push(silent_push)
            with pytest.raises(CloneRefused):
                sites[2].line.pull(silent_pull)


def test_p35_an_older_copy_on_another_machine_betrays_itself_and_takes_back(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        older = sites[2].backup()
        stock(sites[2], "a", "BUM", 1)
        sites.sync()
        with machine(sites, tmp_path / "new", older) as moved:
            replace(sites)
            moved.cycle()  # it takes back what the newer one had sent
            assert moved.rows("stock", "id, quantity") == [("a", 1)]
            assert sites.primary.rows("stock", "id, quantity") == [("a", 1)]


# --- again, and back ------------------------------------------------------------------------------------------------


def test_p35_replaced_twice_both_are_refused(tmp_path: Path) -> None:
    with (
        stock_sites(tmp_path) as sites,
        machine(sites, tmp_path / "second") as second,
        machine(sites, tmp_path / "third") as third,
    ):
        replace(sites)
        level(second)
        stock(second, "a", "BUM", 1)
        level(second)
        done = replace(sites)
        assert done.old is not None
        assert done.old.database_id == _database_id(second)
        assert replace(sites).old is None  # free already: once more changes nothing
        for one in (sites[2], second):
            with pytest.raises(CloneRefused, match="was replaced as site 2"):
                one.cycle()
        level(third)
        assert third.rows("stock", "id, quantity") == [("a", 1)]
        for one in (sites[2], second):
            one.restart()
            with pytest.raises(CloneRefused, match="was replaced as site 2"):
                one.cycle()


@contextmanager
def come_back(tmp_path: Path) -> Iterator[tuple[Sites, OneSite]]:
    """Site 2 was replaced with records unsent; another one worked; now the old one is to come back."""
    with stock_sites(tmp_path) as sites, machine(sites, tmp_path / "new") as new:
        old = sites[2]
        for key in ("both", "gone", "same", "theirs"):
            stock(old, key, "BUM", 1)
        invoice(old, "v", "BUM")
        sites.sync()
        stock(old, "both", "BUM", 2)
        stock(old, "unsent", "BUM", 2)
        old.write("DELETE FROM stock WHERE id = 'gone'")
        replace(sites)
        level(new)
        stock(new, "both", "BUM", 3)
        stock(new, "theirs", "BUM", 3)
        stock(new, "new", "BUM", 3)
        sites.primary.write("UPDATE item SET name = 'renamed' WHERE id = 'i-1'")
        sites.primary.write("INSERT INTO item VALUES ('i-3', 'IBU', 'ibuprofen')")
        level(new, sites[3])
        sites.clock.advance(days=30)
        trim(sites.primary.here)
        assert replace(sites, by=old.here.installation_id[:12]).readmitted
        old.restart()
        yield sites, old
        with pytest.raises(CloneRefused, match="was replaced as site 2"):
            new.cycle()


PRIMARY_S = [("both", 3), ("gone", 1), ("new", 3), ("same", 1), ("theirs", 3)]
SITE_S = [("both", 2), ("same", 1), ("theirs", 1), ("unsent", 2)]


def test_p35_one_that_comes_back_asks_which_side_stands_and_changes_nothing(tmp_path: Path) -> None:
    """Neither end's records are a later state of the other's: that is for a person to decide."""
    with come_back(tmp_path) as (sites, old):
        for _ in range(2):
            with pytest.raises(
                JoiningUndecided, match=f"{WORKED_MEANWHILE}.*stock: 1 the same, 2 different, 1 only here"
            ):
                old.cycle()
            old.restart()
        assert old.rows("stock", "id, quantity") == SITE_S
        assert sites.primary.rows("stock", "id, quantity") == PRIMARY_S


@pytest.mark.parametrize(("side", "stands"), [("primary", PRIMARY_S), ("site", SITE_S)])
def test_p35_one_that_comes_back_is_level_when_that_is_decided(
    tmp_path: Path, side: str, stands: list[tuple[str, int]]
) -> None:
    with come_back(tmp_path) as (sites, old):
        trusting(old, side)
        level(old)
        assert old.rows("stock", "id, quantity") == sites.primary.rows("stock", "id, quantity") == stands
        assert old.rows("line") == sites.primary.rows("line") != []
        assert old.rows("item") == sites.primary.rows("item")  # central records are no question
        trusting(old, "nothing")  # it is not asked again
        old.restart()
        stock(old, "after", "BUM", 4)
        sites.primary.write("UPDATE item SET name = 'later' WHERE id = 'i-1'")
        level(old)
        assert ("after", 4) in sites.primary.rows("stock", "id, quantity")
        assert old.rows("item") == sites.primary.rows("item")
        assert len(sites.primary.rows("stock")) == len(stands) + 1


@pytest.mark.parametrize("side", ["primary", "site"])
def test_p35_what_the_application_writes_while_it_is_compared_is_sent(tmp_path: Path, side: str) -> None:
    with come_back(tmp_path) as (sites, old):

        def write(kind: Kind) -> None:
            if kind == "pull":
                old.line.on_reply = None
                stock(old, "meanwhile", "BUM", 9)

        old.line.on_reply = write
        trusting(old, side)
        level(old)
        assert ("meanwhile", 9) in sites.primary.rows("stock", "id, quantity")
        assert old.rows("stock") == sites.primary.rows("stock")


def test_p35_one_that_comes_back_to_a_place_that_nobody_took_goes_on(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        replace(sites)
        stock(sites[2], "unsent", "BUM", 1)
        with pytest.raises(CloneRefused):
            sites[2].cycle()
        assert replace(sites, by=_database_id(sites[2])[:8]).old is None
        sites[2].restart()
        sites.sync()
        assert keys(sites.primary, "stock") == ["unsent"]


# --- killed in between ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["before commit", "after commit"])
def test_p35_a_replacement_that_is_killed_has_happened_whole_or_not_at_all(tmp_path: Path, point: CrashPoint) -> None:
    with stock_sites(tmp_path) as sites, machine(sites, tmp_path / "new") as new:
        sites.primary.crash_at(point)
        with pytest.raises(Crashed):
            replace(sites)
        sites.primary.restart()
        comes, refused = (new, sites[2]) if point == "after commit" else (sites[2], new)
        comes.cycle()
        with pytest.raises(CloneRefused):
            refused.cycle()


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("point", ["before commit", "after commit"])
@pytest.mark.parametrize("dies", ["newcomer", "primary"])
def test_p35_a_newcomer_that_is_killed_while_it_joins_is_filled_all_the_same(
    tmp_path: Path, dies: str, point: CrashPoint, number: int
) -> None:
    with stock_sites(tmp_path, request_size=2) as sites, machine(sites, tmp_path / "new") as new:
        for key in "abcde":
            stock(sites[2], key, "BUM", 1)
        sites.sync()
        replace(sites)
        (new if dies == "newcomer" else sites.primary).crash_at(point, number)
        for _ in range(3):
            with suppress(Crashed, PeerUnreachable):
                new.cycle()
        new.calm()
        sites.primary.calm()
        stock(new, "f", "BUM", 2)
        level(new)
        assert new.rows("stock") == sites.primary.rows("stock")
        assert keys(new, "stock") == ["a", "b", "c", "d", "e", "f"]


@pytest.mark.parametrize("side", ["primary", "site"])
@pytest.mark.parametrize("point", ["before commit", "after commit"])
@pytest.mark.parametrize("number", range(1, 8))
def test_p35_one_that_comes_back_may_be_killed_and_is_level_in_the_end(
    tmp_path: Path, side: str, point: CrashPoint, number: int
) -> None:
    """The same decision is given again, as an admin would who was asked again."""
    with come_back(tmp_path) as (sites, old):
        trusting(old, side)
        old.crash_at(point, number)
        for _ in range(3):
            with suppress(Crashed):
                old.cycle()
        old.calm()
        level(old)
        stands = PRIMARY_S if side == "primary" else SITE_S
        assert old.rows("stock", "id, quantity") == sites.primary.rows("stock", "id, quantity") == stands
