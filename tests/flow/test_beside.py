"""The application writes while a write transaction of msyncd is open, as it can on databases that lock row by row.

What is decided about a record is decided after its lock is held: P18 to P20, P22, P27 and P33 hold there too.
"""

from pathlib import Path
from typing import Any

import pytest

from msyncd.databases.interface import Database, Writer
from msyncd.errors import PeerUnreachable, TryLater
from msyncd.flow import retry
from msyncd.flow.ledger import fills
from msyncd.model import Facts
from tests.flow.beside import Beside
from tests.flow.support import ACTIVE, SCHEMA, TYPES, invoice, keys, stock, stock_sites


def test_p18_a_retry_does_not_overwrite_what_is_written_before_it_has_the_lock(tmp_path: Path, beside: Beside) -> None:
    strict = SCHEMA.replace("CHECK (quantity >= 0)", "CHECK (quantity < 50)")
    types = TYPES.replace("store: store_id, columns", "store: store_id, guard: off, columns")
    with stock_sites(tmp_path, schema={1: strict, 2: SCHEMA, 3: SCHEMA}, record_types=types) as sites:
        stock(sites[2], "a", "BUM", 99)
        sites.sync()
        (entry,) = sites.primary.quarantine
        beside.before_lock(sites.primary, "stock", "a", "INSERT INTO stock VALUES ('a', 's-BUM', 'i-1', NULL, 7, '')")
        done = retry.retry(sites.primary.here, [entry.id])
        assert beside.came
        assert [one.reason for one in done.still] == [
            "a later change of this record stands here; discard this one, or edit the record"
        ]
        assert sites.primary.rows("stock", "id, quantity") == [("a", 7)]


def test_p19_an_edit_that_commits_before_a_pull_has_the_lock_is_not_overwritten(tmp_path: Path, beside: Beside) -> None:
    with stock_sites(tmp_path) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama')")
        sites.sync()
        sites.primary.write("UPDATE patient SET name = 'Abena'")
        beside.before_lock(sites[2], "patient", "p", "UPDATE patient SET name = 'Afia'")
        sites[2].cycle()
        assert beside.came
        assert sites[2].rows("patient") == [("p", "Afia")]
        sites.sync()
        assert [site.rows("patient") for site in sites] == [[("p", "Abena")]] * 3
        assert [one.row for one in sites[2].quarantine] == [("p", "Afia")]


def test_p20_a_record_that_another_store_takes_before_a_push_has_the_lock_is_not_overwritten(
    tmp_path: Path, beside: Beside
) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        stock(sites[2], "b", "BUM")
        beside.before_lock(sites.primary, "stock", "a", "INSERT INTO stock VALUES ('a', 's-CMS', 'i-2', NULL, 9, '')")
        sites.sync()
        assert beside.came
        assert sites.primary.rows("stock", "id, store_id, quantity") == [("a", "s-CMS", 9), ("b", "s-BUM", 1)]
        assert [(one.key, one.plugin) for one in sites.primary.quarantine] == [(("a",), "active_site")]


@pytest.mark.parametrize("on_delete", ["", " ON DELETE CASCADE"])
def test_p22_what_refers_to_a_record_before_its_delete_has_the_lock_stands_in_its_way(
    tmp_path: Path, beside: Beside, on_delete: str
) -> None:
    schema = SCHEMA.replace(
        "item_id TEXT NOT NULL REFERENCES item,\n    barcode",
        f"item_id TEXT NOT NULL REFERENCES item{on_delete},\n    barcode",
    )
    with stock_sites(tmp_path, schema=schema) as sites:
        sites.primary.write("DELETE FROM item WHERE id = 'i-2'")
        beside.before_lock(sites[2], "item", "i-2", "INSERT INTO stock VALUES ('a', 's-BUM', 'i-2', NULL, 1, '')")
        sites[2].cycle()
        assert beside.came
        assert (keys(sites[2], "item"), keys(sites[2], "stock")) == (["i-1", "i-2"], ["a"])
        assert "1 stock here still refer to it: a" in sites[2].quarantine[0].reason


def test_p24_a_reference_that_is_given_another_target_before_it_is_locked_is_left_alone(
    tmp_path: Path, beside: Beside
) -> None:
    types = TYPES.replace("{stock_id: clear}", "{stock_id: clear, item_id: clear}")
    schema = SCHEMA.replace("item_id TEXT NOT NULL REFERENCES item, stock_id", "item_id TEXT REFERENCES item, stock_id")
    with stock_sites(tmp_path, schema=schema, record_types=types, copies_of={1: ()}) as sites:
        invoice(sites[2], "v", "BUM")
        sites[2].write("UPDATE line SET item_id = 'i-2'")
        sites.sync()
        sites.primary.write("DELETE FROM item WHERE id = 'i-2'")
        beside.before_lock(sites[2], "line", "v-0", "UPDATE line SET item_id = 'i-1' WHERE id = 'v-0'")
        sites[2].cycle()
        assert beside.came
        assert sites[2].rows("line", "id, item_id") == [("v-0", "i-1"), ("v-1", None)]
        assert keys(sites[2], "item") == ["i-1"]
        sites.primary.write("INSERT INTO item VALUES ('i-2', 'PAR', 'paracetamol')")
        beside.before_lock(sites[2], "line", "v-1", "UPDATE line SET item_id = 'i-1' WHERE id = 'v-1'")
        sites[2].cycle()
        assert beside.came
        assert sites[2].rows("line", "id, item_id") == [("v-0", "i-1"), ("v-1", "i-1")]


def test_p27_a_piece_spares_what_is_written_before_it_has_the_lock(tmp_path: Path, beside: Beside) -> None:
    """One record that the piece brings otherwise, and one that it does not bring at all."""
    with stock_sites(tmp_path) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama'), ('q', 'Kofi')")
        sites.sync()
        sites.primary.write("UPDATE patient SET name = 'Abena' WHERE id = 'p'")
        sites.primary.write("DELETE FROM patient WHERE id = 'q'")
        with sites.primary.here.database.write() as writer:
            fills.begin(writer, 2, because="test", now="", record_type="patient")
        beside.before_lock(sites[2], "patient", "p", "UPDATE patient SET name = 'Afia' WHERE id = 'p'")
        beside.before_lock(sites[2], "patient", "q", "UPDATE patient SET name = 'Kwame' WHERE id = 'q'")
        sites[2].line.fail("pull", "lost request", after=1)
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()  # the piece is in
        assert beside.came
        assert sites[2].rows("patient") == [("p", "Afia"), ("q", "Kwame")]


def test_p33_a_store_that_is_written_to_while_its_guard_is_renewed_does_not_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fence waits for those who passed the guard before; what they wrote is seen, and nothing has moved."""
    with stock_sites(tmp_path) as sites:
        database: Any = sites.primary.here.database
        kind = type(database.real)
        renew = kind.renew_guard

        def after_another(database: Database, facts: Facts, writer: Writer, site: int) -> None:
            writer.execute("INSERT INTO stock VALUES ('a', 's-CMS', 'i-1', NULL, 5, '')")
            renew(database, facts, writer, site)

        moved = ACTIVE | {1: [], 2: ["BUM", "CMS"]}
        with monkeypatch.context() as patched:
            patched.setattr(kind, "renew_guard", after_another)
            with pytest.raises(TryLater, match="store CMS was written to while it was to be moved"):
                sites.primary.reload(active_stores=moved)
        assert sites.primary.here.facts.active_site("s-CMS") == 1
        stock(sites.primary, "b", "CMS")
        sites.sync()
        assert keys(sites.primary, "stock") == ["b"]
        assert sites.primary.quarantine == []


def test_a_cycle_ends_although_programs_write_without_a_pause(tmp_path: Path) -> None:
    """Neither direction keeps the other waiting: what is written meanwhile is for the next cycle."""
    with stock_sites(tmp_path, request_size=20) as sites:
        stock(sites[2], "a", "BUM", 0)
        line = sites[2].line

        def write_on(kind: str) -> None:
            assert len(line.messages) < 100, "the cycle never ends"
            for _ in range(50):  # more than goes into a batch
                if kind == "push":
                    sites[2].write("UPDATE stock SET quantity = quantity + 1")
                else:
                    sites.primary.write("UPDATE item SET name = name || '.'")

        write_on("pull")
        line.messages.clear()
        line.on_reply = write_on
        left = sites[2].cycle()
        assert [kind for kind, _, _ in line.messages if kind == "push"]
        assert sites.primary.rows("stock", "quantity") >= [(0,)]
        assert sites[2].rows("item", "name") != sites.primary.rows("item", "name")
        assert left.left_to_send == 1
        assert left.left_to_receive
        line.on_reply = None
        sites.sync()
        assert sites.primary.rows("stock") == sites[2].rows("stock")
        assert sites[2].rows("item") == sites.primary.rows("item")
