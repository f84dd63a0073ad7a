"""Fills, and what only passes through the primary: it cannot speak for such records, so it asks where they are active
(P27, P29, P30).
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest

from msyncd.errors import PeerUnreachable
from msyncd.flow.ledger import fills, meta, spool
from msyncd.flow.trimming import trim
from msyncd.testing import OneSite, Sites
from tests.flow.support import invoice, keys, logged, stock, stock_sites

Copies = dict[int, Sequence[str] | Literal["all"]]

RELAYED = {1: ["CMS"], 2: ["BUM"], 3: ["KAL"], 4: ["LAB"]}
"""Active stores of four sites: the primary keeps no copy of KAL, and site 4 does."""


def relayed_and_trimmed(sites: Sites) -> None:
    """Site 3 has stock, and a transfer to LAB, that went through the primary: its spool is empty again."""
    stock(sites[3], "k", "KAL")
    invoice(sites[3], "v", "KAL", name="n-LAB")
    sites.sync(3)
    sites.sync()
    sites.sync()
    sites.clock.advance(days=30)
    trim(sites.primary.here)
    assert sites.primary.rows("msyncd_spool") == []


def holds_all(site: OneSite, *, copy: bool) -> bool:
    return (keys(site, "stock"), keys(site, "line")) == (["k"] if copy else [], ["v-0", "v-1"])


@pytest.mark.parametrize("copy", [True, False])
def test_p29_a_site_that_joins_late_gets_what_only_passed_through_the_primary(tmp_path: Path, copy: bool) -> None:
    """Copies of a store, and transfers without a copy: the primary asks the active site for them."""
    copies: Copies = {1: (), 4: ["KAL"] if copy else []}
    with stock_sites(tmp_path, active_stores=RELAYED, copies_of=copies, joined=False) as sites:
        sites.sync(2, 3)
        stock(sites[3], "k", "KAL")
        invoice(sites[3], "v", "KAL", name="n-LAB")
        sites.sync(2, 3)
        sites.clock.advance(days=30)
        trim(sites.primary.here)
        sites.sync(4)
        sites.sync()
        assert holds_all(sites[4], copy=copy)
        assert keys(sites[2], "stock") == []


@pytest.mark.parametrize("copy", [True, False])
def test_p29_a_site_that_was_away_too_long_gets_back_what_only_passed_through(tmp_path: Path, copy: bool) -> None:
    with stock_sites(tmp_path, active_stores=RELAYED, copies_of={1: (), 4: ["KAL"] if copy else []}) as sites:
        relayed_and_trimmed(sites)
        sites[3].write("DELETE FROM line WHERE id = 'v-0'")
        sites.sync(2, 3)
        with sites.primary.here.database.write() as writer:
            meta.note_trimmed(writer, writer.log_end())
            writer.trim_log(writer.log_end())
            spool.trim(writer, writer.log_end())
        sites.sync()
        assert (keys(sites[4], "stock"), keys(sites[4], "line")) == (["k"] if copy else [], ["v-1"])


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("root", ["stock", "invoice"])
def test_p27_a_fill_takes_nothing_away_of_which_the_primary_cannot_speak(tmp_path: Path, root: str, copy: bool) -> None:
    """A table is filled anew, as after a rebuild: what only passed through the primary stays where it belongs."""
    with stock_sites(tmp_path, active_stores=RELAYED, copies_of={1: (), 4: ["KAL"] if copy else []}) as sites:
        relayed_and_trimmed(sites)
        with sites.primary.here.database.write() as writer:
            fills.begin(writer, 4, because="the table was rebuilt", now="", record_type=root)
        sites.sync()
        assert holds_all(sites[4], copy=copy)


def test_p27_a_widened_copy_keeps_what_the_log_brought_before_its_piece(tmp_path: Path) -> None:
    """Batches and pieces take turns; the piece of a store that the primary relays brings nothing, and takes nothing."""
    with stock_sites(tmp_path, active_stores=RELAYED, copies_of={1: ()}, request_size=1) as sites:
        sites.reload(copies_of={1: (), 2: ["KAL"]})
        for number in range(5):
            stock(sites[3], f"k{number}", "KAL")
            invoice(sites[3], f"v{number}", "KAL")
            sites[3].cycle()
            sites[2].line.fail("pull", "lost request", after=1 + number)
            with suppress(PeerUnreachable):
                sites[2].cycle()
        sites[2].calm()
        sites.sync()
        assert keys(sites[2], "stock") == [f"k{number}" for number in range(5)]
        assert len(keys(sites[2], "line")) == 10
        sites.reload(copies_of={1: (), 2: []})
        sites.sync()
        assert keys(sites[2], "stock") == keys(sites[2], "line") == []


def test_p10_lines_of_a_relayed_header_leave_with_it(tmp_path: Path) -> None:
    """The header goes to another store: its lines leave by name, not by a cascade that looks like the site's own."""
    with stock_sites(tmp_path, active_stores=RELAYED, copies_of={1: ()}) as sites:
        invoice(sites[4], "v", "LAB", name="n-KAL")
        sites.sync()
        assert keys(sites[3], "line") == ["v-0", "v-1"]
        sites[4].write("UPDATE invoice SET name_id = 'n-BUM'")
        sites.sync()
        assert (keys(sites[3], "invoice"), keys(sites[3], "line")) == ([], [])
        assert (keys(sites[2], "invoice"), keys(sites[2], "line")) == (["v"], ["v-0", "v-1"])
        assert all(site.quarantine == [] for site in sites)
        assert logged(sites[3]) == []


def test_p10_lines_of_a_relayed_header_that_is_made_anew_for_another_store_leave_too(tmp_path: Path) -> None:
    with stock_sites(tmp_path, active_stores=RELAYED, copies_of={1: ()}) as sites:
        invoice(sites[4], "v", "LAB", name="n-KAL")
        sites.sync()
        sites[4].write("DELETE FROM invoice")
        invoice(sites[4], "v", "LAB", lines=1, name="n-x")
        sites.sync()
        assert (keys(sites[3], "invoice"), keys(sites[3], "line")) == ([], [])
        assert all(site.quarantine == [] for site in sites)
        assert logged(sites[3]) == []
