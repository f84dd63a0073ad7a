"""What is refused, and what becomes of it (P18 to P22): quarantine, put back, poison, deletes in others' way."""

from pathlib import Path

import pytest

from msyncd.errors import PeerUnreachable, TryLater
from msyncd.flow import retry
from tests.flow.support import SCHEMA, TYPES, invoice, keys, stock, stock_sites

GUARD_OFF = TYPES.replace("item: {table: item,", "item: {table: item, guard: off,").replace(
    "store: store_id, columns", "store: store_id, guard: off, columns"
)


def test_p18_retrying_never_overwrites_a_later_change(tmp_path: Path) -> None:
    strict = SCHEMA.replace("CHECK (quantity >= 0)", "CHECK (quantity < 50)")
    with stock_sites(tmp_path, schema={1: strict, 2: SCHEMA, 3: SCHEMA}) as sites:
        stock(sites[2], "a", "BUM", 99)
        sites.sync()
        (entry,) = sites.primary.quarantine
        stock(sites[2], "a", "BUM", 7)
        sites.sync()
        assert sites.primary.quarantine == []  # the later change stands in its place
        with sites.primary.here.database.write() as writer:
            from msyncd.flow.ledger import aside

            aside.quarantine(writer, [entry])
        (again,) = sites.primary.quarantine
        outcome = retry.retry(sites.primary.here, [again.id])
        assert outcome.applied == ()
        assert sites.primary.rows("stock", "quantity") == [(7,)]


def test_p18_what_was_refused_is_applied_when_it_can_be(tmp_path: Path) -> None:
    schema = SCHEMA.replace("name TEXT NOT NULL)", "name TEXT NOT NULL); CREATE TABLE most (quantity);")
    schema += (
        "CREATE TRIGGER bound BEFORE INSERT ON stock WHEN NEW.quantity > (SELECT quantity FROM most)"
        " BEGIN SELECT RAISE(ABORT, 'more than the shelf holds'); END;"
    )
    types = TYPES.replace("store: store_id, columns", "store: store_id, application_triggers: fire, columns")
    with stock_sites(tmp_path, schema={1: schema, 2: SCHEMA, 3: SCHEMA}, record_types=types) as sites:
        sites.primary.write("INSERT INTO most VALUES (10)")
        stock(sites[2], "a", "BUM", 11)
        sites.sync()
        assert [one.reason for one in sites.primary.quarantine] == ["more than the shelf holds"]
        assert [one.key for one in sites[2].quarantine] == [("a",)]
        sites.primary.write("UPDATE most SET quantity = 20")
        retry.retry(sites.primary.here, [one.id for one in sites.primary.quarantine])
        assert sites.primary.rows("stock", "id, quantity") == [("a", 11)]
        sites.sync()
        assert sites.primary.quarantine == sites[2].quarantine == []


def test_p18_what_was_refused_and_put_back_is_not_therefore_overtaken(tmp_path: Path) -> None:
    """Putting back makes an entry in the log, for one site; it is no later change of the record."""
    with stock_sites(tmp_path, record_types=GUARD_OFF, copies_of={1: "all", 2: ["KAL"]}) as sites:
        stock(sites[3], "k", "KAL", 5)
        sites.sync()
        sites[2].write("UPDATE stock SET quantity = 6")
        sites.sync()
        (entry,) = sites.primary.quarantine
        (still,) = retry.retry(sites.primary.here, [entry.id]).still
        assert still.reason == "store KAL is active on site 3, not on 2"
        stock(sites[3], "k", "KAL", 7)
        sites.sync()
        (still,) = retry.retry(sites.primary.here, [still.id]).still
        assert "a later change of this record stands here" in still.reason


BOUND = "status TEXT CHECK (status <> 'new'),"


def test_p18_a_header_that_is_retried_takes_its_lines_along_and_each_is_told_of(tmp_path: Path) -> None:
    """Lines that came with their header were applied, whichever was tried; what is kept again is told by its new ID."""
    with stock_sites(tmp_path, schema={1: SCHEMA.replace("status TEXT,", BOUND), 2: SCHEMA, 3: SCHEMA}) as sites:
        invoice(sites[2], "v", "BUM")
        sites.sync()
        before = [one.id for one in sites.primary.quarantine]
        assert len(before) == 3
        done = retry.retry(sites.primary.here, before)
        now = [one.id for one in sites.primary.quarantine]
        assert not set(now) & set(before)
        assert (done.applied, done.sent_again) == ((), ())
        assert ([one.asked for one in done.still], sorted(one.id for one in done.still)) == (before, now)
        assert all("CHECK constraint failed" in one.reason for one in done.still)
        sites.primary.connection.script(
            "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql = replace(sql, '''new''', '''bad''')"
            " WHERE name = 'invoice'; PRAGMA writable_schema=RESET;"
        )
        sites.primary.restart()
        done = retry.retry(sites.primary.here, now)
        assert (sorted(done.applied), done.still) == (now, ())
        assert keys(sites.primary, "line") == ["v-0", "v-1"]
        sites.sync()
        assert sites[2].quarantine == []


def test_p18_a_retry_whose_unique_value_is_still_taken_stays_with_that_reason(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[3], "k", "KAL", barcode="x")
        sites.sync()
        stock(sites[2], "b", "BUM", barcode="x")
        sites.sync()
        (entry,) = sites.primary.quarantine
        (still,) = retry.retry(sites.primary.here, [entry.id]).still
        assert (still.asked, still.reason) == (entry.id, "UNIQUE constraint failed: stock.barcode")
        assert [one.id for one in sites.primary.quarantine] == [still.id]
        assert keys(sites.primary, "stock") == ["k"]
        stock(sites[3], "k", "KAL", barcode="y")
        sites.sync()
        assert retry.retry(sites.primary.here, [still.id]).applied == (still.id,)
        assert keys(sites.primary, "stock") == ["b", "k"]


# --- P20 ------------------------------------------------------------------------------------------------------------


def test_p20_a_central_record_edited_where_the_guard_is_off_is_refused_and_put_back(tmp_path: Path) -> None:
    with stock_sites(tmp_path, record_types=GUARD_OFF) as sites:
        sites[2].write("UPDATE item SET name = 'my own word' WHERE id = 'i-1'")
        sites[2].write("DELETE FROM item WHERE id = 'i-2'")
        sites[2].write("INSERT INTO item VALUES ('i-mine', 'X', 'mine alone')")
        sites.sync()
        assert sites.primary.rows("item", "id, name") == [("i-1", "amoxicillin"), ("i-2", "paracetamol")]
        assert ("i-1", "AMO", "amoxicillin") in sites[2].rows("item")
        assert ("i-2", "PAR", "paracetamol") in sites[2].rows("item")
        # what the primary does not have stays where it is, and is listed
        assert ("i-mine", "X", "mine alone") in sites[2].rows("item")
        assert {one.key[0] for one in sites[2].quarantine} >= {"i-mine"}
        assert {one.key[0] for one in sites.primary.quarantine} == {"i-1", "i-2", "i-mine"}
        assert {one.reason for one in sites.primary.quarantine} == {"item is edited on the primary (sync ID 1) only"}


def test_p20_foreign_stock_is_refused_and_put_back_with_its_own_kept(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}, record_types=GUARD_OFF) as sites:
        stock(sites[2], "a", "BUM", 5)
        sites.sync()
        sites[3].write("UPDATE stock SET quantity = 0")
        sites.sync()
        assert all(site.rows("stock", "quantity") == [(5,)] for site in sites)
        assert [one.reason for one in sites.primary.quarantine] == ["store BUM is active on site 2, not on 3"]


def test_p20_a_row_with_a_later_unsent_change_is_not_put_back_over_it(tmp_path: Path) -> None:
    with stock_sites(tmp_path, record_types=GUARD_OFF) as sites:
        sites[2].write("UPDATE item SET name = 'first' WHERE id = 'i-1'")

        def edit(kind: str) -> None:
            if kind == "pull":
                sites[2].line.on_reply = None
                sites[2].write("UPDATE item SET name = 'second' WHERE id = 'i-1'")

        sites[2].line.on_reply = edit
        sites[2].cycle()
        assert sites[2].rows("item", "id, name")[0] == ("i-1", "second")
        sites.sync()
        assert sites[2].rows("item", "id, name")[0] == ("i-1", "amoxicillin")


def test_p20_a_record_that_its_site_owns_stays_as_its_owner_wrote_it(tmp_path: Path) -> None:
    strict = SCHEMA.replace("CHECK (quantity >= 0)", "CHECK (quantity < 50)")
    with stock_sites(tmp_path, schema={1: strict, 2: SCHEMA, 3: SCHEMA}) as sites:
        stock(sites[2], "a", "BUM", 5)
        sites.sync()
        stock(sites[2], "a", "BUM", 99)
        sites.sync()
        assert sites[2].rows("stock", "quantity") == [(99,)]
        assert sites.primary.rows("stock", "quantity") == [(5,)]
        assert [one.key for one in sites[2].quarantine] == [("a",)]
        stock(sites[2], "a", "BUM", 9)
        sites.sync()
        assert sites.primary.rows("stock", "quantity") == [(9,)]
        assert sites[2].quarantine == sites.primary.quarantine == []


def test_p20_a_refused_header_takes_its_lines_along_now_and_later(tmp_path: Path) -> None:
    strict = SCHEMA.replace("status TEXT,", "status TEXT CHECK (status <> 'bad'),")
    with stock_sites(tmp_path, schema={1: strict, 2: SCHEMA, 3: SCHEMA}) as sites:
        with sites[2].transaction():
            sites[2].write("INSERT INTO invoice VALUES ('v', 's-BUM', NULL, 'bad', NULL)")
            sites[2].write("INSERT INTO line VALUES ('v-0', 'v', 'i-1', NULL, 1)")
        invoice(sites[2], "w", "BUM")
        sites.sync()
        sites[2].write("INSERT INTO line VALUES ('v-1', 'v', 'i-1', NULL, 2)")
        sites.sync()
        assert keys(sites.primary, "invoice") == ["w"]
        assert keys(sites.primary, "line") == ["w-0", "w-1"]
        assert {one.key[0] for one in sites.primary.quarantine} == {"v", "v-0", "v-1"}
        sites[2].write("UPDATE invoice SET status = 'good' WHERE id = 'v'")
        sites.sync()
        assert keys(sites.primary, "line") == ["v-0", "v-1", "w-0", "w-1"]
        assert sites.primary.quarantine == sites[2].quarantine == []


# --- P21 ------------------------------------------------------------------------------------------------------------

POISON = {
    "a check": ("CHECK (quantity >= 0)", "CHECK (quantity < 50)", 60),
    "a missing value": ("quantity INTEGER CHECK (quantity >= 0)", "quantity INTEGER NOT NULL", None),
    "a strict type": ("note TEXT\n);", "note TEXT\n) STRICT;", "many"),
}


@pytest.mark.parametrize("poison", POISON)
@pytest.mark.parametrize("size", [1, 20])
def test_p21_a_poison_row_is_set_apart_and_the_others_flow(tmp_path: Path, poison: str, size: int) -> None:
    was, strict, value = POISON[poison]
    loose = SCHEMA.replace("quantity INTEGER CHECK (quantity >= 0)", "quantity")
    primary = SCHEMA.replace("CHECK (quantity >= 0)", "") if was not in SCHEMA else SCHEMA
    with stock_sites(
        tmp_path, schema={1: primary.replace(was, strict), 2: loose, 3: loose}, request_size=size
    ) as sites:
        for number in range(9):
            stock(sites[2], f"a{number}", "BUM", number)
        sites[2].write("UPDATE stock SET quantity = ? WHERE id = 'a4'", value)
        sites.sync()
        assert keys(sites.primary, "stock") == [f"a{number}" for number in range(9) if number != 4]
        assert [(one.key, one.plugin) for one in sites.primary.quarantine] == [(("a4",), "database")]
        assert sites[2].rows("stock", "id, quantity")[4] == ("a4", value)


def test_p21_a_locked_database_is_tried_later_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from msyncd.databases.sqlite import connection, database

    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with stock_sites(tmp_path) as sites:
        sites.primary.restart()
        stock(sites[2], "a", "BUM")
        sites.primary.connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(TryLater):
            sites[2].cycle()
        assert sites[2].quarantine == []
        sites.primary.connection.execute("ROLLBACK")
        sites.sync()
        assert keys(sites.primary, "stock") == ["a"]
        assert sites.primary.quarantine == []


def test_p21_a_full_disk_is_tried_later_whole(tmp_path: Path) -> None:
    """It is no row's fault: nothing goes to quarantine, nothing of the batch is applied."""
    with stock_sites(tmp_path) as sites:
        for number in range(200):
            stock(sites[2], f"{number:03}", "BUM", barcode=f"{number:0200}")
        sites.sync(3)
        database = sites.primary.here.database
        with database.write() as writer:
            writer.execute("PRAGMA max_page_count = 1")  # as many as there are: it cannot be less
        with pytest.raises(TryLater, match="full"):
            sites.sync(2)
        assert len(keys(sites.primary, "stock")) < 200
        assert sites.primary.quarantine == sites[2].quarantine == []
        with database.write() as writer:
            writer.execute("PRAGMA max_page_count = 1073741823")
        sites.sync()
        assert len(keys(sites.primary, "stock")) == 200
        assert sites.primary.quarantine == sites[2].quarantine == []


# --- P22 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_delete", ["", " ON DELETE CASCADE"])
def test_p22_a_delete_never_cascades_into_what_its_author_may_not_edit(tmp_path: Path, on_delete: str) -> None:
    """An item goes on the primary while a site posts stock of it: the stock stays, and the primary can put it back."""
    schema = SCHEMA.replace(
        "item_id TEXT NOT NULL REFERENCES item,\n    barcode",
        f"item_id TEXT NOT NULL REFERENCES item{on_delete},\n    barcode",
    )
    with stock_sites(tmp_path, schema=schema) as sites:
        stock(sites[2], "a", "BUM", item="i-2")
        sites.primary.write("DELETE FROM item WHERE id = 'i-2'")
        sites.sync()
        assert keys(sites[2], "stock") == ["a"]
        assert keys(sites[2], "item") == ["i-1", "i-2"]
        assert keys(sites[3], "item") == ["i-1"]
        assert keys(sites.primary, "stock") == []
        refused = {one.record_type: one for one in sites.primary.quarantine}
        assert "item i-2, which the primary does not have" in refused["stock"].reason
        assert refused["item"].row == ("i-2", "PAR", "paracetamol")
        assert "1 stock here still refer to it: a" in refused["item"].reason
        sites.sync()  # told once
        assert len(sites.primary.quarantine) == 2
        retry.retry(sites.primary.here, [refused["item"].id])
        assert keys(sites.primary, "item") == ["i-1", "i-2"]
        sites.sync()
        assert all(keys(site, "item") == ["i-1", "i-2"] for site in sites)
        stock(sites[2], "a", "BUM", 3, item="i-2")
        sites.sync()
        assert sites.primary.rows("stock", "id, quantity") == [("a", 3)]
        assert all(site.quarantine == [] for site in sites)


def test_p22_what_was_put_back_is_not_offered_again_by_a_late_message(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        sites.primary.write("DELETE FROM item WHERE id = 'i-2'")
        stock(sites[2], "a", "BUM", item="i-2")
        sites[2].cycle()
        sites[2].line.fail("pull", "late")
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()  # this pull tells of the item that stock refers to
        sites.sync()
        (offered,) = [one for one in sites.primary.quarantine if one.record_type == "item"]
        assert retry.retry(sites.primary.here, [offered.id]).applied == (offered.id,)
        sites[2].line.deliver_late()
        assert [one for one in sites.primary.quarantine if one.record_type == "item"] == []
        assert keys(sites.primary, "item") == ["i-1", "i-2"]
