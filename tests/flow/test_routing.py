"""Who holds what: destinations, copies, relay, leaving, transfers (P4, P10, P11, P12, P24, P29, P30)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from msyncd.flow.trimming import trim
from tests.flow.support import SCHEMA, TYPES, invoice, keys, stock, stock_sites

Copies = dict[int, Sequence[str] | Literal["all"]]
ALL: Copies = {1: "all"}
NO_COPY: Copies = {1: ()}


def test_p04_a_deleted_family_reaches_its_destinations_though_the_parent_is_gone(tmp_path: Path) -> None:
    """Lines' triggers see no parent when its delete cascades: their store is known by the parent's own delete."""
    with stock_sites(tmp_path, copies_of=ALL | {3: ["BUM"]}) as sites:
        invoice(sites[2], "v", "BUM", lines=3)
        sites.sync()
        assert len(keys(sites[3], "line")) == 3
        sites[2].write("DELETE FROM invoice WHERE id = 'v'")
        sites.sync()
        for site in sites:
            assert keys(site, "invoice") == keys(site, "line") == []
            assert site.quarantine == []


def test_p04_a_line_deleted_with_its_parent_in_one_transaction_keeps_its_store(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=NO_COPY | {3: ["BUM"]}) as sites:
        invoice(sites[2], "v", "BUM", lines=2)
        sites.sync()
        with sites[2].transaction():
            sites[2].write("DELETE FROM line WHERE id = 'v-0'")
            sites[2].write("DELETE FROM invoice WHERE id = 'v'")
        sites.sync()
        assert keys(sites[3], "line") == keys(sites[3], "invoice") == []
        assert sites.primary.quarantine == []


def test_p04_an_entry_names_the_store_by_which_its_sites_are_found(tmp_path: Path) -> None:
    """Nothing but the entry says to whom a deleted record went."""
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["CMS"]}) as sites:
        stock(sites.primary, "a", "CMS")
        stock(sites.primary, "b", "CMS")
        sites.sync()
        assert (keys(sites[2], "stock"), keys(sites[3], "stock")) == ([], ["a", "b"])
        sites.primary.write("DELETE FROM stock WHERE id = 'a'")
        sites.sync()
        assert keys(sites[3], "stock") == ["b"]


NO_FOREIGN_KEY = SCHEMA.replace("REFERENCES invoice ON DELETE CASCADE", "")
"""Lines of which only `through` knows."""


def test_p04_a_line_that_is_deleted_after_its_header_is_found_by_the_header_s_entry(tmp_path: Path) -> None:
    """No trigger sees the header any more: the line's entry has its key, and the header's own delete has its store."""
    with stock_sites(tmp_path, schema=NO_FOREIGN_KEY, copies_of={1: "all", 3: ["CMS"]}) as sites:
        invoice(sites.primary, "v", "CMS")
        sites.sync()
        assert keys(sites[3], "line") == ["v-0", "v-1"]
        with sites.primary.transaction():
            sites.primary.write("DELETE FROM invoice")
            sites.primary.write("DELETE FROM line")
        sites.sync()
        assert (keys(sites[3], "invoice"), keys(sites[3], "line")) == ([], [])


def test_p10_a_header_that_is_sent_elsewhere_takes_its_lines_along(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        invoice(sites[2], "v", "BUM", lines=3)
        sites.sync()
        assert keys(sites[3], "line") == []
        sites[2].write("UPDATE invoice SET name_id = 'n-KAL' WHERE id = 'v'")  # no line is touched
        sites.sync()
        assert len(keys(sites[3], "line")) == 3


def test_p10_a_change_of_route_on_the_primary_takes_the_lines_along_and_back(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        invoice(sites.primary, "v", "CMS", lines=2, name="n-BUM")
        sites.sync()
        assert (keys(sites[2], "line"), keys(sites[3], "line")) == (["v-0", "v-1"], [])
        sites.primary.write("UPDATE invoice SET name_id = 'n-KAL'")
        sites.sync()
        assert (keys(sites[2], "line"), keys(sites[3], "line")) == ([], ["v-0", "v-1"])
        assert keys(sites[2], "invoice") == []


def test_p11_a_record_that_moves_to_another_store_leaves_the_copies_of_the_first(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=ALL | {2: ["KAL"]}) as sites:
        stock(sites[3], "a", "KAL")
        sites.sync()
        assert keys(sites[2], "stock") == ["a"]
        stock(sites[3], "a", "KDI")
        sites.sync()
        assert keys(sites[2], "stock") == []
        # nothing was deleted elsewhere
        assert sites.primary.rows("stock", "id, store_id") == sites[3].rows("stock", "id, store_id") == [("a", "s-KDI")]


def test_p11_a_record_that_moves_away_and_is_deleted_before_the_next_pull_is_gone(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=ALL | {2: ["KAL"]}) as sites:
        stock(sites[3], "a", "KAL")
        sites.sync()
        stock(sites[3], "a", "KDI")
        sites.sync(3)
        sites[3].write("DELETE FROM stock")
        sites.sync(3)
        sites.sync(2)
        assert keys(sites[2], "stock") == []


@pytest.mark.parametrize("copies", [{1: "all"}, {1: ()}])
@pytest.mark.parametrize("store", ["CMS", "BUM"])
def test_p11_a_record_that_is_deleted_and_made_anew_elsewhere_leaves_where_it_was(
    tmp_path: Path, copies: Copies, store: str
) -> None:
    """Site 3 is shown the entry of the delete, not that of a record which does not concern it; and a row stands."""
    with stock_sites(tmp_path, copies_of=copies) as sites:
        owner = sites[2] if store == "BUM" else sites.primary
        invoice(owner, "v", store, lines=1, name="n-KDI")
        sites.sync()
        assert (keys(sites[3], "invoice"), keys(sites[3], "line")) == (["v"], ["v-0"])
        owner.write("DELETE FROM invoice")
        sites.sync(2)
        invoice(owner, "v", store, lines=2)
        sites.sync(2)
        sites.sync()
        assert (keys(sites[3], "invoice"), keys(sites[3], "line")) == ([], [])
        assert len(keys(owner, "line")) == 2
        assert all(site.quarantine == [] for site in sites)


def test_p12_what_a_site_sent_is_not_sent_back_to_it(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=ALL | {3: ["BUM"]}) as sites:
        stock(sites[2], "a", "BUM")
        sites[2].line.messages.clear()
        sites[2].cycle()
        pulled = [reply.batch for kind, _, reply in sites[2].line.messages if kind == "pull"]
        assert sum(len(batch) for batch in pulled if batch) == 0
        sites.sync()
        assert keys(sites[3], "stock") == ["a"]


def test_p12_a_folded_change_of_two_sites_is_not_withheld(tmp_path: Path) -> None:
    """Site 2 wrote the record, then site 3 did: folded for site 2 the last writer counts, whoever was first."""
    with stock_sites(tmp_path) as sites:
        sites[2].write("INSERT INTO patient VALUES ('p', 'Ama')")
        sites.sync()
        sites[3].write("UPDATE patient SET name = 'Ama Mensah'")
        sites[3].cycle()
        sites[2].write("INSERT INTO patient VALUES ('q', 'Kofi')")
        sites.sync()
        assert all(site.rows("patient") == [("p", "Ama Mensah"), ("q", "Kofi")] for site in sites)


@pytest.mark.parametrize("copies", [{1: "all"}, {1: "all", 3: ["BUM"]}])
def test_p12_what_a_trigger_alters_of_a_sites_own_record_comes_back_to_it(tmp_path: Path, copies: Copies) -> None:
    """Of one change there are two entries then, the site's and the primary's: it is not withheld from the site."""
    capitals = (
        "CREATE TRIGGER c AFTER INSERT ON stock BEGIN UPDATE stock SET barcode = upper(barcode) WHERE id = NEW.id; END"
    )
    types = TYPES.replace("store: store_id, columns", "store: store_id, application_triggers: fire, columns")
    schemas = {1: SCHEMA + capitals, 2: SCHEMA, 3: SCHEMA}
    with stock_sites(tmp_path, schema=schemas, record_types=types, copies_of=copies) as sites:
        stock(sites[2], "a", "BUM", barcode="x")
        sites.sync()
        holders = sites if 3 in copies else [sites.primary, sites[2]]
        assert all(site.rows("stock", "id, barcode") == [("a", "X")] for site in holders)


def test_p24_a_cleared_reference_is_put_back_when_its_target_arrives(tmp_path: Path) -> None:
    """A transfer's lines name stock of the sender's store, which the receiver holds only later, as a copy."""
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        invoice(sites[2], "v", "BUM", lines=1, name="n-KAL")
        sites[2].write("UPDATE line SET stock_id = 'a'")
        sites.sync()
        assert sites.primary.rows("line", "stock_id") == [("a",)]
        assert sites[3].rows("line", "stock_id") == [(None,)]
        sites.reload(copies_of=ALL | {3: ["BUM"]})
        sites.sync()
        assert sites[3].rows("line", "stock_id") == [("a",)]
        assert all(site.quarantine == site.waiting == [] for site in sites)


def test_p24_a_reference_cleared_at_the_primary_is_sent_on_as_it_was(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: (), 2: ["KAL"]}) as sites:
        stock(sites[3], "a", "KAL")
        invoice(sites[3], "v", "KAL", lines=1, name="n-CMS")
        sites[3].write("UPDATE line SET stock_id = 'a'")
        sites.sync()
        assert sites.primary.rows("line", "stock_id") == [(None,)]
        assert sites[2].rows("line", "stock_id") == [("a",)]


ITEM_MAY_GO = TYPES.replace("{stock_id: clear}", "{stock_id: clear, item_id: clear}")
"""Lines that outlive their item."""
NO_ITEM = SCHEMA.replace("item_id TEXT NOT NULL REFERENCES item, stock_id", "item_id TEXT REFERENCES item, stock_id")


@pytest.mark.parametrize("edited", [False, True])
def test_p24_a_cleared_reference_is_not_put_back_over_what_was_written_since(tmp_path: Path, edited: bool) -> None:
    """The item goes and comes back; in between the line's owner has perhaps chosen another."""
    copies: Copies = {1: (), 3: ["BUM"]}
    with stock_sites(tmp_path, schema=NO_ITEM, record_types=ITEM_MAY_GO, copies_of=copies) as sites:
        invoice(sites[2], "v", "BUM", lines=1)
        sites[2].write("UPDATE line SET item_id = 'i-2'")
        sites.sync()
        sites.primary.write("DELETE FROM item WHERE id = 'i-2'")
        sites.sync()
        assert sites[2].rows("line", "item_id") == [(None,)]
        if edited:
            sites[2].write("UPDATE line SET item_id = 'i-1'")
            sites.sync()
        sites.primary.write("INSERT INTO item VALUES ('i-2', 'PAR', 'paracetamol')")
        sites.sync()
        chosen = "i-1" if edited else "i-2"
        assert sites[2].rows("line", "item_id") == sites[3].rows("line", "item_id") == [(chosen,)]
        assert all(site.rows("msyncd_cleared") == [] for site in sites)


@pytest.mark.parametrize("primary", [ALL, NO_COPY], ids=["copied", "relayed"])
def test_p29_a_copy_is_widened_and_narrowed_on_a_satellite(tmp_path: Path, primary: Copies) -> None:
    """Where the primary holds nothing of the store, it asks the active site, and the records pass through its spool."""
    with stock_sites(tmp_path, copies_of=primary) as sites:
        stock(sites[2], "a", "BUM")
        invoice(sites[2], "v", "BUM")
        sites.sync()
        sites.reload(copies_of=primary | {3: ["BUM"]})
        sites.sync()
        assert (keys(sites[3], "stock"), keys(sites[3], "line")) == (["a"], ["v-0", "v-1"])
        stock(sites[2], "b", "BUM")
        sites.sync()
        assert keys(sites[3], "stock") == ["a", "b"]
        sites.reload(copies_of=primary)
        sites.sync()
        assert keys(sites[3], "stock") == keys(sites[3], "invoice") == keys(sites[3], "line") == []
        assert keys(sites[2], "stock") == ["a", "b"]
        assert all(site.quarantine == [] for site in sites)


def test_p29_a_copy_is_widened_and_narrowed_on_the_primary(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=NO_COPY | {3: ["BUM"]}) as sites:
        stock(sites[2], "a", "BUM")
        invoice(sites[2], "v", "BUM")
        sites.sync()
        assert keys(sites.primary, "stock") == keys(sites.primary, "line") == []
        sites.reload(copies_of=ALL | {3: ["BUM"]})
        sites.sync()
        assert (keys(sites.primary, "stock"), keys(sites.primary, "line")) == (["a"], ["v-0", "v-1"])
        sites.reload(copies_of=NO_COPY | {3: ["BUM"]})
        sites.sync()
        assert keys(sites.primary, "stock") == keys(sites.primary, "line") == []
        assert (keys(sites[3], "stock"), keys(sites[3], "line")) == (["a"], ["v-0", "v-1"])


def test_p29_a_transfer_stays_where_a_copy_is_narrowed(tmp_path: Path) -> None:
    """Its lines name stock that leaves: the reference is cleared rather than the line kept from its place."""
    for narrowed, name, folder in ((1, "n-CMS", "primary"), (3, "n-KAL", "satellite")):
        held: Copies = {1: "all", 3: ["BUM"]}
        with stock_sites(tmp_path / folder, copies_of=held) as sites:
            stock(sites[2], "a", "BUM")
            invoice(sites[2], "v", "BUM", lines=1, name=name)
            sites[2].write("UPDATE line SET stock_id = 'a'")
            sites.sync()
            assert sites[narrowed].rows("line", "id, stock_id") == [("v-0", "a")]
            held[narrowed] = ()
            sites.reload(copies_of=held)
            sites.sync()
            assert keys(sites[narrowed], "stock") == []
            assert sites[narrowed].rows("line", "id, stock_id") == [("v-0", None)]
            assert all(site.quarantine == [] for site in sites)
            held[narrowed] = "all"
            sites.reload(copies_of=held)
            sites.sync()
            assert sites[narrowed].rows("line", "id, stock_id") == [("v-0", "a")]


def test_p30_records_pass_through_a_primary_that_keeps_no_copy(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=NO_COPY | {3: ["BUM"]}) as sites:
        stock(sites[2], "a", "BUM", 1)
        invoice(sites[2], "v", "BUM")
        sites.sync(2)
        stock(sites[2], "a", "BUM", 2)
        sites.sync(2)
        sites.sync()
        assert sites[3].rows("stock", "id, quantity") == [("a", 2)]
        assert keys(sites[3], "line") == ["v-0", "v-1"]
        assert keys(sites.primary, "stock") == keys(sites.primary, "invoice") == keys(sites.primary, "line") == []
        sites[2].write("DELETE FROM stock")
        sites[2].write("DELETE FROM line WHERE id = 'v-0'")
        sites.sync()
        assert (keys(sites[3], "stock"), keys(sites[3], "line")) == ([], ["v-1"])


def test_p30_the_spool_is_kept_until_the_last_destination_has_it(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=NO_COPY | {3: ["BUM"]}) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync(2)
        sites.clock.advance(days=30)
        trim(sites.primary.here)
        assert len(sites.primary.rows("msyncd_spool")) == 1
        sites.sync(3)
        sites.sync(2)
        sites.clock.advance(days=30)
        trim(sites.primary.here)
        assert sites.primary.rows("msyncd_spool") == []
        assert keys(sites[3], "stock") == ["a"]


@pytest.mark.usefixtures("odd_cursors")
def test_p30_the_spool_is_kept_where_a_transaction_cannot_read_what_it_logs_itself(tmp_path: Path) -> None:
    """Site 3 has all that could be read of the log while the record was spooled, and the record comes after that."""
    with stock_sites(tmp_path, copies_of=NO_COPY | {3: ["BUM"]}) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync(2)
        sites.clock.advance(days=30)
        trim(sites.primary.here)
        sites.sync(3)
        assert keys(sites[3], "stock") == ["a"]


def test_p30_ownership_of_relayed_records_is_checked(tmp_path: Path) -> None:
    """Site 3 may not write a record of a store that the primary only relays, not even by calling it its own."""
    types = TYPES.replace("store: store_id, columns", "store: store_id, guard: off, columns")
    with stock_sites(tmp_path, copies_of=NO_COPY, record_types=types) as sites:
        stock(sites[2], "a", "BUM", 5)
        sites.sync()
        stock(sites[3], "a", "KAL", 1)
        sites.sync()
        assert [one.reason for one in sites.primary.quarantine] == ["store BUM is active on site 2, not on 3"]


def test_a_transfer_reaches_the_other_stores_site_and_follows_its_header(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of=NO_COPY) as sites:
        invoice(sites[2], "v", "BUM", name="n-KAL")
        invoice(sites[3], "w", "KAL", name="n-CMS")
        sites.sync()
        assert keys(sites[3], "line") == ["v-0", "v-1", "w-0", "w-1"]
        assert keys(sites.primary, "line") == ["w-0", "w-1"]
        sites[2].write("UPDATE invoice SET name_id = 'n-CMS' WHERE id = 'v'")
        sites[3].write("UPDATE invoice SET name_id = 'n-BUM' WHERE id = 'w'")
        sites.sync()
        assert keys(sites[3], "line") == ["w-0", "w-1"]
        assert keys(sites.primary, "line") == ["v-0", "v-1"]
        assert keys(sites[2], "line") == ["v-0", "v-1", "w-0", "w-1"]
        assert all(site.quarantine == [] for site in sites)
