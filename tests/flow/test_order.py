"""Order in and across batches: families, references, uniques, cycles, waiting (P5, P9, P13, P16, P17, P23, P36)."""

from pathlib import Path

import msgspec
import pytest

from msyncd.errors import MessageInvalid
from msyncd.flow import outbound, pushing
from msyncd.flow.conversation import Push
from msyncd.flow.ledger import meta
from msyncd.flow.ledger import sites as known_sites
from msyncd.flow.pace import Pace
from msyncd.flow.trimming import trim
from msyncd.testing import Crashed, CrashPoint, FragileDatabase, Kind, OneSite, Sites
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
            patched.setattr(FragileDatabase, "crash_at", (point, 1))
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


# --- P16 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 20])
def test_p16_unique_values_are_swapped_across_batches(tmp_path: Path, size: int) -> None:
    with stock_sites(tmp_path, request_size=size, copies_of={1: "all", 3: ["BUM"]}) as sites:
        for key in "abcd":
            stock(sites[2], key, "BUM", barcode=f"of {key}")
        invoice(sites[2], "v", "BUM")
        sites[2].write("UPDATE line SET stock_id = 'a'")
        sites.sync()
        with sites[2].transaction():
            sites[2].write("UPDATE stock SET barcode = NULL")
            for key, other in zip("abcd", "bcda", strict=True):
                sites[2].write("UPDATE stock SET barcode = ? WHERE id = ?", f"of {other}", key)
        stock(sites[2], "e", "BUM")
        sites.sync()
        expected = [("a", "of b"), ("b", "of c"), ("c", "of d"), ("d", "of a"), ("e", None)]
        assert all(site.rows("stock", "id, barcode") == expected for site in sites)
        assert sites.primary.rows("line", "stock_id") == [("a",), ("a",)]  # nothing was freed by deleting
        assert all(site.quarantine == [] for site in sites)


@pytest.mark.parametrize("size", [1, 20])
def test_p16_a_unique_value_passes_from_a_deleted_record_to_a_new_one(tmp_path: Path, size: int) -> None:
    with stock_sites(tmp_path, request_size=size) as sites:
        stock(sites[2], "a", "BUM", barcode="x")
        sites.sync()
        sites[2].write("UPDATE stock SET quantity = 7")
        with sites[2].transaction():
            sites[2].write("DELETE FROM stock WHERE id = 'a'")
            stock(sites[2], "b", "BUM", barcode="x")
        sites.sync()
        assert sites.primary.rows("stock", "id, barcode") == [("b", "x")]
        assert sites.primary.quarantine == []


def test_p16_a_fill_takes_unique_values_from_records_that_come_in_later_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "after", lambda *_: Pace(1))
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}, request_size=1) as sites:
        stock(sites[2], "a", "BUM", barcode="of a")
        stock(sites[2], "z", "BUM", barcode="of z")
        sites.sync()
        with sites[2].transaction():
            sites[2].write("UPDATE stock SET barcode = NULL")
            sites[2].write("UPDATE stock SET barcode = 'of z' WHERE id = 'a'")
            sites[2].write("UPDATE stock SET barcode = 'of a' WHERE id = 'z'")
        sites.sync(2)
        with sites.primary.here.database.write() as writer:
            meta.note_trimmed(writer, writer.log_end())
            writer.trim_log(writer.log_end())
        with sites[3].here.database.write() as writer:
            known_sites.note(writer, 1, batch_size=1)
        sites.sync()
        assert sites[3].rows("stock", "id, barcode") == [("a", "of z"), ("z", "of a")]
        assert sites[3].quarantine == []


def test_p16_records_go_before_what_they_refer_to(tmp_path: Path) -> None:
    """ON DELETE RESTRICT is checked at once, row by row: no transaction puts it off."""
    schema = SCHEMA.replace(
        "item_id TEXT NOT NULL REFERENCES item", "item_id TEXT NOT NULL REFERENCES item ON DELETE RESTRICT"
    )
    with stock_sites(tmp_path, schema=schema, copies_of={1: "all", 3: ["CMS"]}) as sites:
        stock(sites.primary, "a", "CMS", item="i-2")
        invoice(sites.primary, "v", "CMS")
        sites.sync()
        assert keys(sites[3], "stock") == ["a"]
        with sites.primary.transaction():
            for table in ("line", "invoice", "stock"):
                sites.primary.write(f"DELETE FROM {table}")
            sites.primary.write("DELETE FROM item WHERE id = 'i-2'")
        sites.sync()
        for table, left in (("stock", []), ("invoice", []), ("line", []), ("item", ["i-1"])):
            assert keys(sites[3], table) == left
        assert sites[3].quarantine == sites[3].waiting == []


def test_p16_two_owners_of_one_unique_value_do_not_stop_each_other(tmp_path: Path) -> None:
    """Two sites gave one barcode, which no application could see: one is set apart, all else flows."""
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}) as sites:
        stock(sites[3], "k", "KAL", barcode="x")
        stock(sites[2], "b", "BUM", barcode="x")
        stock(sites[2], "c", "BUM")
        sites[2].write("INSERT INTO patient VALUES ('p', 'Ama')")
        sites.sync()
        assert keys(sites.primary, "stock") == ["b", "c"]
        assert all(keys(site, "patient") == ["p"] for site in sites)
        assert "c" in keys(sites[3], "stock")
        assert sites[3].rows("stock", "id, barcode")[-1] == ("k", "x")  # its owner's record stays as it is
        assert [(one.key, one.site) for one in sites.primary.quarantine] == [(("k",), 3)]
        assert [one.key for one in sites[3].quarantine] == [("k",), ("b",)]  # what it sent, and what it was sent
        assert sites[2].quarantine == []


def test_p16_a_holder_that_the_sender_does_not_have_is_not_sent_as_a_delete(tmp_path: Path) -> None:
    """The primary asks site 2 for the record of site 3, which it never had: one entry at both ends, no more."""
    with stock_sites(tmp_path) as sites:
        stock(sites[3], "k", "KAL", barcode="x")
        sites.sync(3)
        stock(sites[2], "b", "BUM", barcode="x")
        sites.sync()
        assert keys(sites.primary, "stock") == ["k"]
        assert [(one.key, one.operation) for one in sites.primary.quarantine] == [(("b",), "write")]
        assert [(one.key, one.operation) for one in sites[2].quarantine] == [(("b",), "write")]


def test_p16_a_holder_that_only_passed_through_the_primary_is_not_deleted_where_it_stands(tmp_path: Path) -> None:
    """Site 4 keeps copies of two stores which the primary relays, and which gave one barcode."""
    active = {1: ["CMS"], 2: ["BUM"], 3: ["KAL"], 4: ["LAB"]}
    with stock_sites(tmp_path, active_stores=active, copies_of={1: (), 4: ["BUM", "KAL"]}) as sites:
        stock(sites[3], "k", "KAL", barcode="x")
        sites.sync()
        sites.sync()  # with the next pull each confirms what it has
        sites.clock.advance(days=30)
        trim(sites.primary.here)
        assert sites.primary.rows("msyncd_spool") == []
        stock(sites[2], "b", "BUM", barcode="x")
        sites.sync()
        assert sites[4].rows("stock", "id, barcode") == [("k", "x")]
        assert [(one.key, one.reason) for one in sites[4].quarantine] == [
            (("b",), "UNIQUE constraint failed: stock.barcode")
        ]


@pytest.mark.parametrize("key", [({},), ([1],), ()])
def test_p16_what_is_asked_for_must_be_a_key(tmp_path: Path, key: tuple[object, ...]) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites[2].cycle()
        (push,) = pushed(sites)
        pull = next(message for kind, message, _ in sites[2].line.messages[::-1] if kind == "pull")
        again = msgspec.structs.replace(push.batch, after=push.batch.upto)
        with pytest.raises(MessageInvalid):
            sites[2].line.push(msgspec.structs.replace(push, batch=again, included=(("stock", key),)))
        with pytest.raises(MessageInvalid):
            sites[2].line.pull(msgspec.structs.replace(pull, include=(("stock", key),)))
        assert keys(sites.primary, "stock") == ["a"]


CYCLE = """
CREATE TABLE person (id TEXT PRIMARY KEY, boss TEXT REFERENCES person DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE hen (id TEXT PRIMARY KEY, egg TEXT NOT NULL REFERENCES egg DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE egg (id TEXT PRIMARY KEY, hen TEXT REFERENCES hen);
"""
CYCLE_TYPES = """
record_types:
  person: {table: person, edited_on: primary, sent_to: every_site}
  hen: {table: hen, edited_on: primary, sent_to: every_site}
  egg: {table: egg, edited_on: primary, sent_to: every_site}
"""


@pytest.mark.parametrize("deferred", [" DEFERRABLE INITIALLY DEFERRED", ""])
@pytest.mark.parametrize("size", [1, 20])
def test_p16_self_references_and_cycles_arrive(tmp_path: Path, size: int, deferred: str) -> None:
    """The first says who its boss is before that one is there; hens and eggs name each other."""
    schema = CYCLE.replace("person DEFERRABLE INITIALLY DEFERRED", "person" + deferred)
    with Sites(
        schema=schema, record_types=CYCLE_TYPES, active_stores={2: []}, folder=tmp_path, request_size=size
    ) as sites:
        with sites.primary.transaction() as application:
            application.execute("PRAGMA defer_foreign_keys=ON")
            application.execute("INSERT INTO person VALUES ('a', 'b'), ('b', 'c'), ('c', 'a'), ('d', 'd')")
            application.execute("INSERT INTO hen VALUES ('h', 'e')")
            application.execute("INSERT INTO egg VALUES ('e', 'h')")
        sites.sync()
        assert sites[2].rows("person") == [("a", "b"), ("b", "c"), ("c", "a"), ("d", "d")]
        assert (sites[2].rows("hen"), sites[2].rows("egg")) == ([("h", "e")], [("e", "h")])
        with sites.primary.transaction() as application:
            application.execute("PRAGMA defer_foreign_keys=ON")
            application.execute("DELETE FROM person WHERE id <> 'd'")
            application.execute("DELETE FROM hen")
            application.execute("DELETE FROM egg")
        sites.sync()
        assert (sites[2].rows("person"), sites[2].rows("hen"), sites[2].rows("egg")) == ([("d", "d")], [], [])
        assert sites[2].quarantine == sites[2].waiting == []


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
