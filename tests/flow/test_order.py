"""Order in and across batches: families, references, waiting, values (P5, P9, P12, P13, P17, P23, P36)."""

from pathlib import Path
from typing import Any

import pytest

from msyncd.flow import outbound, pushing
from msyncd.flow.conversation import Push
from msyncd.testing import Crashed, CrashPoint, Kind, OneSite, Sites
from msyncd.testing.crashing import FragileDatabase
from tests.flow.support import SCHEMA, TYPES, invoice, keys, stock, stock_sites


def pushed(sites: Sites, site: int = 2) -> list[Push]:
    return [message for kind, message, _ in sites[site].line.messages if kind == "push"]


# --- P5 -------------------------------------------------------------------------------------------------------------


def test_p05_an_update_of_excluded_columns_alone_is_not_sent_and_they_stay_as_they_are(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM", 1)
        sites.sync()
        sites.primary.write("UPDATE stock SET note = 'seen'")  # not active there, but the column does not travel
        sites[2].write("UPDATE stock SET note = 'shelf 4'")
        assert sites[2].cycle().sent == 0
        stock(sites[2], "a", "BUM", 2)
        sites.sync()
        assert sites.primary.rows("stock", "quantity, note") == [(2, "seen")]
        assert sites[2].rows("stock", "quantity, note") == [(2, "shelf 4")]


def test_p05_what_replace_removes_is_deleted_elsewhere(tmp_path: Path) -> None:
    """REPLACE takes the place of another row that holds the same unique value, without firing its delete trigger."""
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM", barcode="x")
        sites.sync()
        sites[2].write("INSERT OR REPLACE INTO stock VALUES ('b', 's-BUM', 'i-1', 'x', 1, NULL)")
        sites.sync()
        assert keys(sites.primary, "stock") == ["b"]


def test_p05_what_an_update_or_replace_removes_is_deleted_elsewhere(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM", barcode="x")
        stock(sites[2], "b", "BUM", barcode="y")
        sites.sync()
        sites[2].write("UPDATE OR REPLACE stock SET barcode = 'x' WHERE id = 'b'")
        assert keys(sites[2], "stock") == ["b"]
        sites.sync()
        assert sites.primary.rows("stock", "id, barcode") == [("b", "x")]


def rebuild(site: OneSite) -> None:
    """Drop the table of stock and make it anew, as a migration of the application may: its triggers go with it."""
    site.connection.script(
        "PRAGMA foreign_keys=OFF; CREATE TABLE new_stock AS SELECT * FROM stock; DROP TABLE stock;"
        + SCHEMA[SCHEMA.index("CREATE TABLE stock") : SCHEMA.index("CREATE TABLE invoice")]
        + "INSERT INTO stock SELECT * FROM new_stock; DROP TABLE new_stock; PRAGMA foreign_keys=ON;"
    )


def test_p05_a_rebuilt_table_is_looked_after(tmp_path: Path) -> None:
    """A rebuilt table has lost its triggers: what was written before they were missed is found all the same."""
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}) as sites:
        stock(sites[2], "a", "BUM", 1)
        sites.sync()
        for site in (sites[2], sites.primary):
            rebuild(site)
        stock(sites[2], "a", "BUM", 2)
        stock(sites[2], "b", "BUM", 3)
        sites[2].restart()
        sites.primary.restart()
        sites.sync()
        for site in sites:
            assert site.rows("stock", "id, quantity") == [("a", 2), ("b", 3)]


@pytest.mark.parametrize("site", [1, 2])
@pytest.mark.parametrize("point", ["before commit", "after commit"])
def test_p05_a_rebuilt_table_is_looked_after_though_its_site_was_killed_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: int, point: CrashPoint
) -> None:
    """The triggers are back already; what was written without them is looked after by the next start."""
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM", "CMS"]}) as sites:
        here, store = sites[site], {1: "s-CMS", 2: "s-BUM"}[site]
        rebuild(here)
        here.write("INSERT INTO stock VALUES ('unseen', ?, 'i-1', NULL, 4, NULL)", store)
        with monkeypatch.context() as patched:
            points = iter([point])
            patched.setattr(FragileDatabase, "_due", lambda _: next(points, None))
            with pytest.raises(Crashed):
                here.restart()
        here.restart()
        sites.sync()
        assert keys(sites[3], "stock") == ["unseen"]
        here.restart()
        assert here.rows("msyncd_record_type WHERE captured <> 1") == []


# --- P9 -------------------------------------------------------------------------------------------------------------


def test_p09_a_header_travels_with_all_its_lines_however_small_the_batch(tmp_path: Path) -> None:
    with stock_sites(tmp_path, request_size=2) as sites:
        invoice(sites[2], "v", "BUM", lines=30)
        stock(sites[2], "a", "BUM")
        sites[2].write("INSERT INTO line VALUES ('v-late', 'v', 'i-1', NULL, 9)")
        whole: list[tuple[bool, int]] = []
        sites[2].line.on_reply = lambda kind: (
            whole.append((bool(keys(sites.primary, "invoice")), len(keys(sites.primary, "line"))))
            if kind == "push"
            else None
        )
        sites[2].cycle()
        assert set(whole) == {(True, 31)}
        assert len(pushed(sites)) > 1


@pytest.mark.parametrize("kept", ["all", []])
def test_p09_a_family_that_is_deleted_goes_from_other_sites_as_one(tmp_path: Path, kept: Any) -> None:
    """Also where it only passes through the primary: a header alone would take lines along, out of turn."""
    with stock_sites(tmp_path, request_size=1, copies_of={1: kept, 3: ["BUM"]}) as sites:
        invoice(sites[2], "v", "BUM", lines=4)
        sites.sync()
        assert len(sites[3].rows("line")) == 4
        before = len(sites[3].line.messages)
        sites[2].write("DELETE FROM invoice")
        sites.sync()
        brought = [reply.batch for kind, _, reply in sites[3].line.messages[before:] if kind == "pull"]
        deleted = [{one.type: len(one.deletes) for one in batch.types} for batch in brought if len(batch)]
        assert deleted == [{"invoice": 1, "line": 4}]
        assert sites[3].rows("invoice") == sites[3].rows("line") == []
        assert [site.quarantine for site in sites] == [[], [], []]


def test_p09_a_family_larger_than_a_message_is_staged_and_applied_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is cut after the first parts; they are not applied. In the end all of them are, at once."""
    monkeypatch.setattr(pushing, "PART_RECORDS", 10)
    with stock_sites(tmp_path, request_size=5) as sites:
        invoice(sites[2], "v", "BUM", lines=35)
        sizes: list[int] = []
        sites[2].line.fail("push", "lost request", after=2)
        sites[2].line.on_reply = lambda _: sizes.append(len(keys(sites.primary, "line")))
        with pytest.raises(Exception, match="the line is cut"):
            sites[2].cycle()
        assert set(sizes) == {0}
        assert len(sites.primary.rows("msyncd_staged")) == 2
        sites.sync()
        assert {size for size in sizes if size} == {35}
        assert max(push.batch.parts for push in pushed(sites)) == 4
        assert sites.primary.rows("msyncd_staged") == []


# --- P13, P36 -------------------------------------------------------------------------------------------------------


def test_p13_a_row_that_no_message_can_carry_is_set_apart_by_name(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        sites[2].write(
            "INSERT INTO stock (id, store_id, item_id, barcode) VALUES ('bad', 's-BUM', 'i-1', CAST(x'ff' AS TEXT))"
        )
        stock(sites[2], "good", "BUM")
        sites.sync()
        assert keys(sites.primary, "stock") == ["good"]
        assert [(one.record_type, one.key) for one in sites[2].quarantine] == [("stock", ("bad",))]
        stock(sites[2], "bad", "BUM")
        sites.sync()
        assert keys(sites.primary, "stock") == ["bad", "good"]
        assert sites[2].quarantine == []


def test_p13_a_row_that_is_too_large_is_set_apart_by_name_and_goes_once_it_is_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "MOST_ROW_BYTES", 1000)
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "large", "BUM", barcode="x" * 2000)
        stock(sites[2], "small", "BUM", barcode="y")
        sites.sync()
        assert keys(sites.primary, "stock") == ["small"]
        (kept,) = sites[2].quarantine
        assert kept.key == ("large",)
        assert kept.reason.endswith("bytes, more than the 1,000 that can be sent")
        sites[2].write("UPDATE stock SET barcode = 'z' WHERE id = 'large'")
        sites.sync()
        assert keys(sites.primary, "stock") == ["large", "small"]
        assert sites[2].quarantine == []


@pytest.mark.parametrize(
    "value", [0, -(1 << 63), (1 << 63) - 1, 0.1, 1e308, -0.0, "", "é ñ 漢字 \x00 end", b"", b"\x00\xff", None]
)
def test_p36_a_value_arrives_as_it_was_written(tmp_path: Path, value: object) -> None:
    schema = SCHEMA + "CREATE TABLE thing (id PRIMARY KEY, value) WITHOUT ROWID;"
    types = TYPES + "  thing: {table: thing, edited_on: primary, sent_to: every_site}\n"
    with stock_sites(tmp_path, schema=schema, record_types=types) as sites:
        sites.primary.connection.execute("INSERT INTO thing VALUES (1, ?)", (value,))
        sites.sync()
        there = sites[2].rows("thing")
        assert repr(there) == repr([(1, value)])


def test_p36_keys_compare_byte_for_byte(tmp_path: Path) -> None:
    schema = SCHEMA.replace("patient (id TEXT PRIMARY KEY", "patient (id TEXT COLLATE NOCASE PRIMARY KEY")
    with stock_sites(tmp_path, schema=schema) as sites:
        assert any("collation NOCASE" in one.message for one in sites.primary.problems)
        assert "patient" in sites.primary.here.types.stopped
        sites[2].write("INSERT INTO patient VALUES ('p', 'x')")
        stock(sites[2], "a", "BUM")
        sites.sync()
        assert (keys(sites.primary, "patient"), keys(sites.primary, "stock")) == ([], ["a"])  # the others go on


# --- P17 ------------------------------------------------------------------------------------------------------------


def test_p17_a_change_waits_for_its_reference_and_everything_else_goes_on(tmp_path: Path) -> None:
    """In the log an invoice names its original before that one is written, far apart: foreign keys were off."""
    with stock_sites(tmp_path, request_size=1) as sites:
        sites[2].connection.execute("PRAGMA foreign_keys=OFF")
        sites[2].write("INSERT INTO invoice VALUES ('child', 's-BUM', NULL, 'new', 'parent')")
        for number in range(5):
            stock(sites[2], f"a{number}", "BUM")
        sites[2].write("INSERT INTO invoice VALUES ('parent', 's-BUM', NULL, 'new', NULL)")
        seen: list[tuple[int, int]] = []

        def look(kind: Kind) -> None:
            if kind == "push":
                seen.append((len(sites.primary.waiting), len(keys(sites.primary, "stock"))))

        sites[2].line.on_reply = look
        sites[2].cycle()
        assert (1, 0) in seen
        assert (1, 5) in seen or (1, 4) in seen
        assert keys(sites.primary, "invoice") == ["child", "parent"]
        assert sites.primary.waiting == sites.primary.quarantine == []


def test_p17_a_later_change_of_a_record_replaces_the_one_that_waits(tmp_path: Path) -> None:
    with stock_sites(tmp_path, request_size=1) as sites:
        sites[2].connection.execute("PRAGMA foreign_keys=OFF")
        sites[2].write("INSERT INTO invoice VALUES ('child', 's-BUM', NULL, 'first', 'missing')")
        sites[2].line.fail("push", "lost reply")  # it waits at the primary, whose log of it is not level yet
        stock(sites[2], "a", "BUM")
        with pytest.raises(Exception, match="cut"):
            sites[2].cycle()
        assert [one.row for one in sites.primary.waiting] == [("child", "s-BUM", None, "first", "missing")]
        sites[2].write("UPDATE invoice SET status = 'second', original_id = NULL")
        sites.sync()
        assert sites.primary.rows("invoice", "id, status") == [("child", "second")]
        assert sites.primary.waiting == sites.primary.quarantine == []


def test_p17_what_still_waits_when_the_sender_is_level_goes_to_quarantine_with_what_it_waited_for(
    tmp_path: Path,
) -> None:
    with stock_sites(tmp_path) as sites:
        sites[2].connection.execute("PRAGMA foreign_keys=OFF")
        sites[2].write("INSERT INTO invoice VALUES ('child', 's-BUM', NULL, 'new', 'missing')")
        sites.sync()
        assert sites.primary.waiting == []
        assert [one.reason for one in sites.primary.quarantine] == ["waited for invoice missing, which did not come"]
        assert [one.key for one in sites[2].quarantine] == [("child",)]  # and its site is told
        sites[2].write("INSERT INTO invoice VALUES ('missing', 's-BUM', NULL, 'new', NULL)")
        sites[2].write("UPDATE invoice SET status = 'again' WHERE id = 'child'")
        sites.sync()
        assert keys(sites.primary, "invoice") == ["child", "missing"]
        assert all(site.quarantine == [] for site in sites)


# --- P23 ------------------------------------------------------------------------------------------------------------

TRIGGER = """CREATE TABLE seen (id TEXT);
CREATE TRIGGER count AFTER INSERT ON stock BEGIN INSERT INTO seen VALUES (NEW.id); END;"""


@pytest.mark.parametrize(("choice", "fired"), [("fire", [("a",)]), ("silent", [])])
def test_p23_application_triggers_fire_or_are_silent(tmp_path: Path, choice: str, fired: list[object]) -> None:
    types = TYPES.replace("store: store_id, columns", f"store: store_id, application_triggers: {choice}, columns")
    with stock_sites(tmp_path, schema=SCHEMA + TRIGGER, record_types=types) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        assert sites[2].rows("seen") == [("a",)]
        assert sites.primary.rows("seen") == fired
        assert keys(sites.primary, "stock") == ["a"]


def test_p23_where_triggers_are_silent_foreign_keys_are_still_checked(tmp_path: Path) -> None:
    types = TYPES.replace("store: store_id, columns", "store: store_id, application_triggers: silent, columns")
    with stock_sites(tmp_path, schema=SCHEMA + TRIGGER, record_types=types) as sites:
        sites[2].connection.execute("PRAGMA foreign_keys=OFF")
        stock(sites[2], "a", "BUM", item="nothing")
        stock(sites[2], "b", "BUM")
        sites.sync()
        assert keys(sites.primary, "stock") == ["b"]
        assert "item nothing" in sites.primary.quarantine[0].reason


def test_p23_a_table_of_which_msyncd_knows_nothing_keeps_what_it_refers_to(tmp_path: Path) -> None:
    """Only the database itself can say so: the delete is kept aside, and everything else of its batch is done."""
    shelf = "CREATE TABLE shelf (id INTEGER PRIMARY KEY, item_id TEXT REFERENCES item);"
    with stock_sites(tmp_path, schema=SCHEMA + shelf) as sites:
        sites[2].write("INSERT INTO shelf (item_id) VALUES ('i-2')")
        sites.primary.write("DELETE FROM item WHERE id = 'i-2'")
        sites.primary.write("UPDATE item SET name = 'x'")
        sites.sync()
        assert sites[2].rows("item", "id, name") == [("i-1", "x"), ("i-2", "paracetamol")]
        assert [(one.key, one.operation, one.reason) for one in sites[2].quarantine] == [
            (("i-2",), "delete", "FOREIGN KEY constraint failed")
        ]


def test_p23_a_choice_is_asked_for(tmp_path: Path) -> None:
    with stock_sites(tmp_path, schema=SCHEMA + TRIGGER) as sites:
        assert any("the application has triggers on stock: count" in one.message for one in sites.primary.problems)


def test_p12_what_an_application_trigger_alters_is_that_sites_own_change(tmp_path: Path) -> None:
    """The primary's application writes names in capitals, also those that arrive: their site is sent them."""
    capitals = (
        "CREATE TRIGGER c AFTER INSERT ON patient BEGIN UPDATE patient SET name = upper(name) WHERE id = NEW.id;END"
    )
    types = TYPES.replace("sent_to: every_site}\n  stock", "sent_to: every_site, application_triggers: fire}\n  stock")
    with stock_sites(tmp_path, schema={1: SCHEMA + capitals, 2: SCHEMA, 3: SCHEMA}, record_types=types) as sites:
        sites[2].write("INSERT INTO patient VALUES ('p', 'ama')")
        sites.sync()
        assert all(site.rows("patient") == [("p", "AMA")] for site in sites)
