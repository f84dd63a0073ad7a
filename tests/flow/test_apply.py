"""Order within a batch, unique values in the way, circles of references (P16)."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from msyncd.databases.sqlite.writer import SQLiteWriter
from msyncd.errors import MessageInvalid
from msyncd.flow.conversation import Push
from msyncd.flow.ledger import meta
from msyncd.flow.ledger import sites as known_sites
from msyncd.flow.pace import Pace
from msyncd.flow.trimming import trim
from msyncd.model import RecordType, Row
from msyncd.testing import Sites
from tests.flow.support import invoice, keys, stock, stock_sites


def pushed(sites: Sites, site: int = 2) -> list[Push]:
    return [message for kind, message, _ in sites[site].line.messages if kind == "push"]


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


def test_p16_writes_come_parents_first_and_deletes_children_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite puts every check off to the commit; other databases check some row by row."""
    done: list[str] = []
    upsert, delete = SQLiteWriter.upsert, SQLiteWriter.delete

    def writing(writer: SQLiteWriter, one: RecordType, columns: Sequence[str], rows: Sequence[Row]) -> None:
        done.append(one.name)
        upsert(writer, one, columns, rows)

    def deleting(writer: SQLiteWriter, one: RecordType, some: Sequence[Row]) -> None:
        done.append(f"not {one.name}")
        delete(writer, one, some)

    with stock_sites(tmp_path, copies_of={1: "all", 3: ["CMS"]}) as sites:
        monkeypatch.setattr(SQLiteWriter, "upsert", writing)
        monkeypatch.setattr(SQLiteWriter, "delete", deleting)
        with sites.primary.transaction():
            sites.primary.write("INSERT INTO item VALUES ('new', 'NEW', 'new')")
            stock(sites.primary, "a", "CMS", item="new")
            sites.primary.write("INSERT INTO invoice VALUES ('v', 's-CMS', NULL, 'new', NULL)")
            sites.primary.write("INSERT INTO line VALUES ('v-0', 'v', 'new', 'a', 1)")
        sites.sync()
        with sites.primary.transaction():
            for table in ("line", "invoice", "stock"):
                sites.primary.write(f"DELETE FROM {table}")
            sites.primary.write("DELETE FROM item WHERE id = 'new'")
        sites.sync(3)
        assert done.index("item") < done.index("stock") < done.index("line")
        assert done.index("invoice") < done.index("line")
        assert done.index("not line") < done.index("not stock") < done.index("not item")
        assert done.index("not line") < done.index("not invoice")


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
