"""A restored primary asks its satellites while anything breaks: kills, lines, sites that cannot answer (P35)."""

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from msyncd.errors import BundleRefused, MsyncdError, PeerRefused, TryLater
from msyncd.flow.ledger import meta
from msyncd.flow.ledger import sites as known_sites
from msyncd.testing import Crashed, OneSite
from msyncd.testing.crashing import CrashPoint
from msyncd.testing.line import Fault, Kind
from tests.flow.carried import bring, export, round_trip
from tests.flow.lost import COPIES, FIRING, TABLES, all_alike, ask, backed_up, kept, lose, progress, settle
from tests.flow.support import keys, stock, stock_sites
from tests.flow.test_bounded import broken
from tests.flow.test_handover import may_write, writers


def test_p35_a_satellite_that_was_left_out_sends_its_own_when_it_calls(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        backup = backed_up(sites)
        lose(sites, ahead=(2, 3))
        sites.primary.write("UPDATE item SET name = 'known to 2 alone' WHERE id = 'i-1'")
        sites.sync(2)
        stock(sites[2], "unsent", "BUM")
        sites.primary.restore(backup)
        ask(sites)
        sites[2].line.cut = True
        with pytest.raises(TryLater, match="it waits for site 2"):
            sites[3].cycle()
        ask(sites, 2)
        settle(sites, 3)
        assert "s2" in keys(sites.primary, "stock"), "site 3 has a copy of it, and nobody else could be asked"
        assert sites.primary.rows("item")[0][2] == "renamed"
        sites.primary.write("UPDATE item SET name = 'after all' WHERE id = 'i-1'")
        stock(sites[2], "b", "BUM", 8)
        sites[2].line.cut = False
        sites.sync()
        all_alike(sites)
        assert ("b", 8) in sites.primary.rows("stock", "id, quantity")
        assert "unsent" in keys(sites.primary, "stock")
        assert sites[2].rows("item")[0][2] == "after all"
        assert [site.quarantine for site in sites.satellites] == [[], []]


def test_p35_everybody_may_be_left_out(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        backup = backed_up(sites)
        lose(sites)
        sites.primary.restore(backup)
        ask(sites, 2)
        ask(sites, 3)
        assert not progress(sites).under_way
        assert may_write(sites.primary, "CMS")
        sites.sync()
        all_alike(sites)
        assert keys(sites.primary, "stock") == ["b", "c", "s2", "s3"]
        assert "i-new" not in keys(sites[2], "item")


@pytest.mark.parametrize("point", ["before commit", "after commit"])
@pytest.mark.parametrize("who", [1, 2])
def test_p35_killed_while_it_is_asked(tmp_path: Path, who: int, point: CrashPoint) -> None:
    for nth in range(1, 15 if who == 1 else 9):
        with stock_sites(tmp_path / str(nth), copies_of=COPIES) as sites:
            sites.primary.write("INSERT INTO item VALUES ('i-3', 'DRI', 'three')")
            sites.primary.write("INSERT INTO patient VALUES ('p', 'one')")
            backup = backed_up(sites)
            lose(sites)
            sites.primary.write("DELETE FROM item WHERE id = 'i-3'")
            sites[2].write("UPDATE patient SET name = 'two' WHERE id = 'p'")
            sites[2].write("DELETE FROM stock WHERE id = 'b'")
            sites.sync()
            before = {table: sites.primary.rows(table) for table in TABLES}
            sites.primary.restore(backup)
            sites[who].crash_at(point, nth)
            for _ in range(2):
                with suppress(Crashed):
                    ask(sites)
            if not progress(sites).under_way:
                ask(sites)
            for one in (2, 3, 2):
                with suppress(MsyncdError, Crashed):
                    sites[one].cycle()
            sites[who].calm()
            settle(sites)
            assert {table: sites.primary.rows(table) for table in TABLES} == before, nth
            all_alike(sites)
            assert set(kept(sites.primary)) == {"i-3"}, nth


@pytest.mark.parametrize("fault", ["lost request", "lost reply", "doubled", "crash", "primary restarts", "late"])
@pytest.mark.parametrize("kind", ["hello", "compare", "give"])
def test_p35_every_message_may_be_lost_doubled_or_late(tmp_path: Path, kind: Kind, fault: Fault) -> None:
    for after in (0, 1, 2):
        with stock_sites(tmp_path / str(after), copies_of=COPIES) as sites:
            backup = backed_up(sites)
            lose(sites)
            before = {table: sites.primary.rows(table) for table in TABLES}
            sites.primary.restore(backup)
            ask(sites)
            sites[2].line.fail(kind, fault, after=after)
            for _ in range(2):
                with suppress(MsyncdError, Crashed):
                    sites[2].cycle()
            sites[2].line.calm()
            settle(sites)
            sites[2].line.deliver_late()
            sites.sync()
            assert {table: sites.primary.rows(table) for table in TABLES} == before
            all_alike(sites)


def test_p35_what_was_not_sent_is_pushed_exactly_once(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        backup = backed_up(sites)
        lose(sites)
        stock(sites[2], "unsent", "BUM", 4)
        sites.primary.restore(backup)
        ask(sites)
        sites[2].line.messages.clear()
        settle(sites)
        pushed = [
            row[0]
            for kind, message, reply in sites[2].line.messages
            if kind == "push" and reply.applied
            for one in message.batch.types
            for row in one.rows
        ]
        assert sorted(pushed) == ["s2", "unsent"], "what had come before the backup is not sent again"
        given = [row[0] for k, m, _ in sites[2].line.messages if k == "give" for one in m.types for row in one.rows]
        assert sorted(given) == ["c", "i-1", "i-new"], "only what differs"


def test_p35_restored_once_more_and_asked_once_more(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        backup = backed_up(sites)
        lose(sites)
        for name in ("first", "second"):
            sites.primary.write("UPDATE item SET name = ? WHERE id = 'i-1'", name)
            stock(sites[2], name, "BUM")
            sites.sync()
            before = {table: sites.primary.rows(table) for table in TABLES}
            sites.primary.restore(backup)
            ask(sites)
            told = max(generation(one, 1) for one in sites.satellites)
            settle(sites)
            assert {table: sites.primary.rows(table) for table in TABLES} == before
            all_alike(sites)
            assert generation(sites.primary) > told, "what it carries by hand is not taken for older"


def generation(site: OneSite, peer: int | None = None) -> int:
    """A database's own generation, or that of a peer as it is known there."""
    with site.here.database.read() as reader:
        return meta.generation(reader) if peer is None else known_sites.known(reader, peer).generation


def test_p35_restored_while_it_asks(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        backup = backed_up(sites)
        lose(sites)
        before = {table: sites.primary.rows(table) for table in TABLES}
        sites.primary.restore(backup)
        ask(sites)
        with pytest.raises(TryLater):
            sites[2].cycle()
        sites.primary.restore(backup)
        ask(sites)
        settle(sites)
        assert {table: sites.primary.rows(table) for table in TABLES} == before
        all_alike(sites)


def test_p35_an_older_satellite_is_told_to_be_upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stock_sites(tmp_path) as sites:
        backup = backed_up(sites)
        lose(sites)
        sites.primary.restore(backup)
        ask(sites)
        line = sites[2].line
        old = line.hello
        monkeypatch.setattr(line, "hello", lambda hello: old(msgspec.structs.replace(hello, gives=False)))
        with pytest.raises(PeerRefused, match="upgrade msyncd here"):
            sites[2].cycle()
        assert "cannot answer" in str(progress(sites).sites[0].problem)
        monkeypatch.undo()
        settle(sites)
        all_alike(sites)


def test_p35_a_satellite_that_was_restored_too(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        backup = backed_up(sites)
        lose(sites)
        older = sites[2].backup()
        stock(sites[2], "lost", "BUM")
        sites.sync()
        sites[2].restore(older)
        sites.primary.restore(backup)
        ask(sites, 2)
        settle(sites, 3)
        sites.sync()
        all_alike(sites)
        assert writers(sites, "BUM") == [2]


def test_p35_nothing_is_carried_by_hand_before_a_site_has_answered(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        backup = backed_up(sites)
        lose(sites)
        older = tmp_path / "older.msyncd"
        stock(sites[2], "unsent", "BUM")
        export(sites[2], older)
        sites.primary.restore(backup)
        ask(sites)
        with pytest.raises(BundleRefused, match="by the line only"):
            bring(sites.primary, older)
        with pytest.raises(BundleRefused, match="by the line only"):
            export(sites.primary, tmp_path / "back.msyncd", to=2)
        ask(sites, 2)
        settle(sites, 3)
        with pytest.raises(BundleRefused, match="let it call once"):
            bring(sites.primary, older)
        sites.sync(2)
        stock(sites[2], "by hand", "BUM")
        round_trip(sites, 2)
        sites.sync()
        assert {"unsent", "by hand"} <= set(keys(sites.primary, "stock"))
        all_alike(sites)
        assert [site.quarantine for site in sites.satellites] == [[], []]


def test_p35_what_a_satellite_could_not_take_in_is_not_deleted(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES, record_types=FIRING) as sites:
        sites[3].write(
            "CREATE TRIGGER no BEFORE INSERT ON item WHEN NEW.id = 'i-no' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        sites.primary.write("INSERT INTO item VALUES ('i-no', 'NO', 'no')")
        backup = backed_up(sites)
        assert [one.key for one in sites[3].quarantine] == [("i-no",)]
        lose(sites, ahead=(3,))
        sites.primary.restore(backup)
        ask(sites)
        settle(sites)
        assert "i-no" in keys(sites.primary, "item")
        assert "i-new" in keys(sites.primary, "item")
        assert sites.primary.quarantine == []


def test_p35_refusals_are_heard_though_the_primary_numbers_them_anew(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 2: [], 3: []}) as sites:
        for number in range(4):
            stock(sites.primary, f"c-{number}", "CMS", barcode=f"code {number}")
        backup = backed_up(sites)
        for number in range(3):
            stock(sites[2], f"no-{number}", "BUM", barcode=f"code {number}")
        sites.sync()
        assert len(sites[2].quarantine) == 3
        sites.primary.restore(backup)
        ask(sites)
        settle(sites)
        stock(sites[2], "no-3", "BUM", barcode="code 3")
        sites.sync()
        assert {one.key[0] for one in sites[2].quarantine} == {"no-0", "no-1", "no-2", "no-3"}


def test_p35_a_record_type_that_is_stopped_meanwhile_is_sent_when_it_travels_again(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        backup = backed_up(sites)
        lose(sites)
        sites.primary.restore(backup)
        # nobody has said whether it is to fire
        sites.primary.write("CREATE TRIGGER own AFTER INSERT ON stock BEGIN SELECT 1; END")
        sites.primary.restart()
        ask(sites)
        settle(sites)
        assert keys(sites.primary, "stock") == ["b", "c"]
        sites.primary.write("DROP TRIGGER own")
        sites.primary.restart()
        for one in sites.satellites:
            one.restart()
        sites.sync()
        assert keys(sites.primary, "stock") == ["b", "c", "s2", "s3"]
        all_alike(sites)
        assert [site.quarantine for site in sites] == [[], [], []]


def test_p35_what_a_satellite_cannot_read_it_does_not_call_deleted(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        backup = backed_up(sites)
        lose(sites)
        for one in sites.satellites:
            broken(one, "item", "name", "i-2")
        broken(sites[3], "item", "name", "i-new")
        sites.primary.restore(backup)
        ask(sites)
        settle(sites)
        assert keys(sites.primary, "item") == ["i-1", "i-2", "i-new"]
        assert not sites.primary.quarantine
        all_alike(sites)


def test_p35_of_a_whole_table_that_was_lost_no_more_is_held_than_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msyncd.flow.compare.ask.HELD", 100)
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        backup = backed_up(sites)
        with sites.primary.transaction() as connection:
            for number in range(600):
                connection.execute("INSERT INTO item VALUES (?, NULL, 'made since')", (f"n-{number:03}",))
            connection.execute("DELETE FROM item WHERE id = 'i-2'")
        for number in range(150):
            stock(sites[2], f"s-{number:03}", "BUM", number)
        sites.sync()
        before = {table: sites.primary.rows(table) for table in TABLES}
        sites.primary.restore(backup)
        ask(sites)
        settle(sites)
        assert {table: sites.primary.rows(table) for table in TABLES} == before
        all_alike(sites)
