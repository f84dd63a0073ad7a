"""A primary whose database was restored from a backup asks its satellites for what it lost (P35)."""

from dataclasses import replace
from pathlib import Path

import pytest

from msyncd.errors import TryLater
from msyncd.flow.ledger import receipts
from msyncd.flow.retry import retry
from msyncd.testing import OneSite
from tests.flow.lost import COPIES, FIRING, TABLES, all_alike, ask, backed_up, kept, lose, progress, settle
from tests.flow.support import invoice, keys, stock, stock_sites
from tests.flow.test_handover import may_write, writers


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


def test_p35_while_it_asks_the_primary_is_fenced_and_its_satellites_are_not(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'one')")
        backup = backed_up(sites)
        lose(sites)
        sites.primary.restore(backup)
        assert may_write(sites.primary, "CMS"), "nobody has said yet that it is an older copy"
        ask(sites)
        for sql in (
            "INSERT INTO item VALUES ('i-x', 'X', 'x')",
            "UPDATE item SET name = 'x' WHERE id = 'i-1'",
            "DELETE FROM item WHERE id = 'i-2'",
        ):
            with pytest.raises(Exception, match="item is being taken back from the satellites after a restore"):
                sites.primary.write(sql)
        with pytest.raises(Exception, match="patient is being taken back from the satellites"):
            sites.primary.write("UPDATE patient SET name = 'x'")
        with pytest.raises(Exception, match="store CMS is being taken back from the satellites after a restore"):
            stock(sites.primary, "c", "CMS", 9)
        stock(sites[2], "b", "BUM", 7)
        for one in (2, 2):
            with pytest.raises(TryLater, match="it waits for site 3"):
                sites[one].cycle()
        assert ("b", 7) not in sites.primary.rows("stock", "id, quantity"), "no changes are taken meanwhile"
        sites.primary.restart()
        assert not may_write(sites.primary, "CMS")
        assert may_write(sites[2], "BUM")
        settle(sites)
        assert ("b", 7) in sites.primary.rows("stock", "id, quantity")
        assert may_write(sites.primary, "CMS")
        sites.primary.write("UPDATE patient SET name = 'x'")
        sites.primary.write("UPDATE item SET name = 'x' WHERE id = 'i-1'")
        sites.sync()
        all_alike(sites)


def test_p35_what_was_edited_since_the_restore_is_kept_where_the_satellites_have_it_otherwise(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        sites.primary.write("INSERT INTO item VALUES ('i-3', 'DRI', 'gone since'), ('i-4', 'VIE', 'four')")
        stock(sites.primary, "c-2", "CMS", 1)
        backup = backed_up(sites)
        lose(sites)
        sites.primary.write("DELETE FROM item WHERE id = 'i-3'")
        stock(sites.primary, "c-2", "CMS", 2)
        sites.primary.write("UPDATE item SET name = 'FOUR' WHERE id = 'i-4'")
        sites.sync()
        sites.primary.restore(backup)
        sites.primary.write("UPDATE item SET name = 'on the older copy' WHERE id = 'i-1'")
        sites.primary.write("INSERT INTO item VALUES ('i-fresh', 'FRE', 'made since')")
        sites.primary.write("UPDATE item SET name = 'edited' WHERE id = 'i-3'")
        sites.primary.write("DELETE FROM item WHERE id = 'i-4'")
        stock(sites.primary, "c-2", "CMS", 3)
        stock(sites.primary, "c-fresh", "CMS", 3)
        ask(sites)
        settle(sites)
        items = {row[0]: row[2] for row in sites.primary.rows("item")}
        assert items["i-1"] == "renamed"
        assert items["i-3"] == "edited", "nothing that was written is lost unseen"
        assert items["i-4"] == "FOUR"
        assert items["i-fresh"] == "made since"
        assert [row for row in sites.primary.rows("stock", "id, quantity") if str(row[0]).startswith("c")] == [
            ("c", 2),
            ("c-2", 2),
            ("c-fresh", 3),
        ]
        all_alike(sites)
        found = kept(sites.primary)
        assert found["i-1"] == ("write", ("i-1", "AMO", "on the older copy"))
        assert found["i-4"] == ("delete", None)
        assert found["c-2"][1] == ("c-2", "s-CMS", "i-1", None, 3)
        # written after the last mark that a satellite held: whether before the backup or since, nobody knows
        assert set(found) <= {"i-1", "i-4", "c-2", "c"}


def test_p35_what_went_on_a_satellites_word_can_be_put_back(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        sites.primary.write("INSERT INTO item VALUES ('i-3', 'DRI', 'three')")
        backup = backed_up(sites)
        sites.primary.write("DELETE FROM item WHERE id = 'i-3'")
        lose(sites)
        sites.primary.restore(backup)
        ask(sites)
        settle(sites)
        assert "i-3" not in keys(sites.primary, "item")
        (one,) = [one for one in sites.primary.quarantine if one.key == ("i-3",)]
        assert "deleted since the backup" in one.reason
        assert retry(sites.primary.here, [one.id]).applied == (one.id,)
        sites.sync()
        assert all("i-3" in keys(site, "item") for site in sites)


@pytest.mark.parametrize("first", [2, 3])
def test_p35_of_two_satellites_the_one_that_had_come_further_decides(tmp_path: Path, first: int) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        sites.primary.write("INSERT INTO item VALUES ('i-3', 'DRI', 'three')")
        backup = backed_up(sites)
        lose(sites, ahead=(2, 3))
        sites.primary.write("UPDATE item SET name = 'renamed again' WHERE id = 'i-1'")
        sites.primary.write("UPDATE item SET name = 'amoxicillin' WHERE id = 'i-2'")
        sites.primary.write("DELETE FROM item WHERE id = 'i-3'")
        stock(sites.primary, "c", "CMS", 3)
        sites.sync(2)
        sites.primary.restore(backup)
        sites.primary.write("UPDATE item SET name = 'on the older copy' WHERE id = 'i-1'")
        ask(sites)
        settle(sites, first, 5 - first)
        assert kept(sites.primary)["i-1"] == ("write", ("i-1", "AMO", "on the older copy"))
        assert {row[0]: row[2] for row in sites.primary.rows("item")} == {
            "i-1": "renamed again",
            "i-2": "amoxicillin",
            "i-new": "made since",
        }
        assert ("c", 3) in sites.primary.rows("stock", "id, quantity")
        all_alike(sites)


def patients(site: OneSite) -> dict[object, object]:
    """The patients' names, by their keys."""
    return {key: name for key, name in site.rows("patient", "id, name")}  # noqa: C416 - pairs, to the type checker


def test_p35_what_went_and_had_come_back_is_not_offered(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        sites.primary.write("INSERT INTO item VALUES ('i-3', 'DRI', 'three')")
        backup = backed_up(sites)
        sites.primary.write("DELETE FROM item WHERE id = 'i-3'")
        sites.sync(3)
        sites.primary.write("INSERT INTO item VALUES ('i-3', 'DRI', 'three again')")
        sites.sync(2)
        sites.primary.restore(backup)
        ask(sites)
        settle(sites, 3, 2)
        assert ("i-3", "DRI", "three again") in sites.primary.rows("item")
        assert sites.primary.quarantine == []
        all_alike(sites)


def test_p35_records_that_any_site_edits(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        for key in "abcdef":
            sites.primary.write("INSERT INTO patient VALUES (?, 'one')", key)
        backup = backed_up(sites)
        sites[2].write("UPDATE patient SET name = 'two' WHERE id = 'a'")
        sites[3].write("UPDATE patient SET name = 'two' WHERE id = 'b'")
        sites[3].write("DELETE FROM patient WHERE id = 'c'")
        sites[2].write("INSERT INTO patient VALUES ('new', 'of 2')")
        sites.sync()
        sites[2].write("UPDATE patient SET name = 'three' WHERE id = 'a'")
        sites[2].write("UPDATE patient SET name = 'three' WHERE id = 'd'")
        sites.sync(2)  # site 3 has not seen it
        sites[2].write("UPDATE patient SET name = 'unsent' WHERE id = 'a'")
        sites[3].write("UPDATE patient SET name = 'unsent' WHERE id = 'e'")
        sites[3].write("INSERT INTO patient VALUES ('fresh', 'of 3')")
        sites.primary.restore(backup)
        sites.primary.write("UPDATE patient SET name = 'on the older copy' WHERE id = 'f'")
        sites.primary.write("UPDATE patient SET name = 'on the older copy' WHERE id = 'b'")
        ask(sites)
        settle(sites)
        expected = {
            "a": "unsent",
            "b": "two",
            "d": "three",
            "e": "unsent",
            "f": "on the older copy",
            "new": "of 2",
            "fresh": "of 3",
        }
        for site in sites:
            assert patients(site) == expected, site.sync_id
        assert [site.quarantine for site in sites.satellites] == [[], []]
        assert kept(sites.primary)["b"] == ("write", ("b", "on the older copy"))
        sites[2].write("UPDATE patient SET name = 'on' WHERE id = 'b'")
        sites[3].write("UPDATE patient SET name = 'on' WHERE id = 'a'")
        sites.sync()
        assert {patients(site)["a"] for site in sites} == {"on"}
        assert {patients(site)["b"] for site in sites} == {"on"}


def test_p35_unique_values_that_were_swapped(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        backup = backed_up(sites)
        sites.primary.write("UPDATE item SET code = 'x' WHERE id = 'i-1'")
        sites.primary.write("UPDATE item SET code = 'AMO' WHERE id = 'i-2'")
        sites.primary.write("UPDATE item SET code = 'PAR' WHERE id = 'i-1'")
        lose(sites)
        sites.primary.restore(backup)
        ask(sites)
        settle(sites)
        assert [row[:2] for row in sites.primary.rows("item")] == [("i-1", "PAR"), ("i-2", "AMO"), ("i-new", "NEW")]
        assert sites.primary.quarantine == []


def test_p35_asked_where_nothing_was_lost(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=COPIES) as sites:
        backed_up(sites)
        stock(sites[2], "unsent", "BUM")
        before = sites.primary.rows("item")
        ask(sites)
        ask(sites)
        settle(sites)
        assert sites.primary.rows("item") == before
        assert sites.primary.quarantine == []
        assert "unsent" in keys(sites.primary, "stock")
        all_alike(sites)


def test_p35_stores_of_which_the_primary_keeps_no_copy(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: [], 2: [], 3: []}) as sites:
        stock(sites[2], "b", "BUM", 1)
        sites.sync()
        backup = sites.primary.backup()
        for copies in (["BUM"], [], ["BUM"], []):  # the primary asks for the store's records, by numbers that grow
            sites.primary.reload(copies_of={1: [], 2: [], 3: copies})
            sites.sync()
        invoice(sites[2], "t", "BUM", name="n-KAL")  # a transfer that only passes through
        sites.sync()
        sites.primary.restore(backup)
        ask(sites)
        settle(sites)
        with sites[2].transaction() as connection:
            connection.execute("INSERT INTO line VALUES ('later', 't', 'i-1', NULL, 1)")
        sites.sync()
        assert keys(sites[3], "line") == ["later", "t-0", "t-1"]
        assert [(site.quarantine, site.waiting) for site in sites] == [([], [])] * 3


def test_p35_a_satellite_that_is_being_filled_says_nothing_by_what_it_lacks(tmp_path: Path) -> None:
    with stock_sites(tmp_path, request_size=2) as sites:
        for number in range(12):
            sites.primary.write("INSERT INTO item VALUES (?, ?, 'x')", f"j-{number:02}", f"C{number}")
        sites.sync()
        backup = sites.primary.backup()
        sites.primary.write("UPDATE item SET name = 'y' WHERE id = 'j-00'")
        sites.sync(3)
        sites.primary.restore(backup)
        ask(sites)
        with sites[3].here.database.write() as writer:  # as if it had begun anew before, and had come half way
            pulled = receipts.pulled_from(writer, 1)
            assert pulled is not None
            receipts.put_pulled(writer, 1, replace(pulled, fill=7, fill_type="item", fill_after=("j-05",)))
            writer.begin_applying(1)
            writer.delete(sites[3].here.types.types["item"], [(f"j-{number:02}",) for number in range(6, 12)])
            writer.end_applying()
        settle(sites)
        assert len(keys(sites.primary, "item")) == 14
        assert sites.primary.quarantine == []
        all_alike(sites)


def test_p35_a_satellite_that_joined_since(tmp_path: Path) -> None:
    with stock_sites(tmp_path, joined=False, copies_of=COPIES) as sites:
        sites.sync(2)
        backup = sites.primary.backup()
        sites.sync(3)
        stock(sites[3], "k", "KAL", 4)
        lose(sites)
        before = {table: sites.primary.rows(table) for table in TABLES}
        sites.primary.restore(backup)
        ask(sites)
        settle(sites)
        assert {table: sites.primary.rows(table) for table in TABLES} == before
        all_alike(sites)


def test_p35_what_cannot_be_applied_waits_in_the_quarantine_and_can_be_retried(tmp_path: Path) -> None:
    with stock_sites(tmp_path, record_types=FIRING) as sites:
        stock(sites[2], "b-2", "BUM", item="i-2")
        backup = backed_up(sites)
        sites[2].write("DELETE FROM stock WHERE id = 'b-2'")
        sites.sync()
        sites.primary.write("DELETE FROM item WHERE id = 'i-2'")
        sites.primary.write("INSERT INTO item VALUES ('i-new', 'NEW', 'too long for it now')")
        sites.sync()
        sites.primary.restore(backup)
        short = "WHEN length(NEW.name) > 12 BEGIN SELECT RAISE(ABORT, 'too long'); END"
        sites.primary.write(f"CREATE TRIGGER short BEFORE INSERT ON item {short}")
        ask(sites)
        settle(sites)
        assert kept(sites.primary) == {
            "i-2": ("delete", None),
            "i-new": ("write", ("i-new", "NEW", "too long for it now")),
        }
        assert "i-2" in keys(sites.primary, "item"), "stock of it stood here still"
        sites.primary.write("DROP TRIGGER short")
        ids = [one.id for one in sites.primary.quarantine]
        assert sorted(retry(sites.primary.here, ids).applied) == ids
        sites.sync()
        assert keys(sites.primary, "item") == ["i-1", "i-new"]
        assert sites.primary.quarantine == []
        all_alike(sites)
