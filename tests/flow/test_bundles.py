"""Bundles carried by hand (P37): applied exactly once, in any order, with the line coming back at any time."""

from contextlib import suppress
from pathlib import Path

import pytest

from msyncd.errors import BundleRefused, CloneRefused, PeerUnreachable, RestoredBackup
from msyncd.flow.bundle import exporting
from msyncd.flow.bundle.keeping import take_kept
from msyncd.flow.bundle.messages import BundleItem
from msyncd.flow.kept import kept_of
from msyncd.flow.ledger import bundles, sites
from msyncd.flow.retry import discard
from msyncd.model import PRIMARY
from msyncd.settings.signing_key import key_bytes
from msyncd.testing import OneSite, Sites
from msyncd.wire.bundle import BundleReader
from tests.flow.carried import bring, export, know_each_other, round_trip
from tests.flow.support import invoice, keys, stock, stock_sites


def confirmed(site: OneSite, peer: int) -> object:
    with site.here.database.read() as reader:
        return sites.known(reader, peer).confirmed


def kept(site: OneSite) -> int:
    with site.here.database.read() as reader:
        return len(bundles.kept(reader))


# --- there and back -------------------------------------------------------------------------------------------------


def test_p37_a_stick_brings_what_the_line_would(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as country:
        country[2].line.cut = True
        invoice(country[2], "v", "BUM", lines=3)
        stock(country[2], "a", "BUM")
        country.primary.write("INSERT INTO item VALUES ('i-3', 'IBU', 'ibuprofen')")
        country.primary.write("DELETE FROM item WHERE id = 'i-2'")
        up, down = round_trip(country, 2)
        assert (up.state, up.applied, down.state, down.applied) == ("applied", 5, "applied", 2)
        assert keys(country.primary, "line") == ["v-0", "v-1", "v-2"]
        assert keys(country[2], "item") == ["i-1", "i-3"]
        assert confirmed(country[2], PRIMARY) != (0, 0)  # the receipt came back
        up, down = round_trip(country, 2)
        assert (up.applied, down.applied) == (0, 0)
        country[2].line.cut = False
        summary = country[2].cycle()
        assert (summary.sent, summary.received) == (0, 0)


def test_p37_doing_it_twice_changes_nothing(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as country:
        stock(country[2], "a", "BUM", 1)
        export(country[2], tmp_path / "a")
        assert bring(country.primary, tmp_path / "a").applied == 1
        country.primary.write("UPDATE item SET name = 'x'")
        before = country.primary.rows("stock")
        again = bring(country.primary, tmp_path / "a")
        assert (again.state, again.applied) == ("nothing new", 0)
        assert country.primary.rows("stock") == before


def test_p37_an_old_stick_brings_nothing_back(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as country:
        stock(country[2], "a", "BUM", 1)
        export(country[2], tmp_path / "old")
        stock(country[2], "a", "BUM", 2)
        export(country[2], tmp_path / "new")
        assert bring(country.primary, tmp_path / "new").applied
        assert bring(country.primary, tmp_path / "old").state == "nothing new"
        assert country.primary.rows("stock", "id, quantity") == [("a", 2)]
        country.sync(2)
        assert country.primary.rows("stock", "id, quantity") == [("a", 2)]


@pytest.mark.parametrize("direction", ["up", "down"])
def test_p37_the_line_comes_back_between_export_and_import(tmp_path: Path, direction: str) -> None:
    """The stick is a no-op then, and the line takes no harm from it."""
    with stock_sites(tmp_path) as country:
        stock(country[2], "a", "BUM", 1)
        country.primary.write("UPDATE item SET name = 'x' WHERE id = 'i-1'")
        one, at, to = (country[2], country.primary, None) if direction == "up" else (country.primary, country[2], 2)
        export(one, tmp_path / "a", to=to)
        stock(country[2], "a", "BUM", 2)
        country.primary.write("UPDATE item SET name = 'y' WHERE id = 'i-1'")
        country.sync()
        report = bring(at, tmp_path / "a")
        assert (report.state, report.applied) == ("nothing new", 0)
        country.sync()
        assert country.primary.rows("stock", "id, quantity") == [("a", 2)]
        assert country[2].rows("item", "id, name")[0] == ("i-1", "y")


def test_p37_the_line_dies_and_sticks_go_on_from_there(tmp_path: Path) -> None:
    """What the site has got last over the line it has not confirmed yet."""
    with stock_sites(tmp_path) as country:
        country.primary.write("UPDATE item SET name = 'x' WHERE id = 'i-1'")
        country[2].cycle()
        country.primary.write("UPDATE item SET name = 'y' WHERE id = 'i-1'")
        export(country.primary, tmp_path / "down", to=2)
        assert bring(country[2], tmp_path / "down").state == "applied"
        assert country[2].rows("item", "id, name")[0] == ("i-1", "y")


def test_p37_the_line_came_back_for_a_moment_and_the_stick_brings_the_rest(tmp_path: Path) -> None:
    with stock_sites(tmp_path, request_size=1) as country:
        for number in range(6):
            stock(country[2], f"a{number}", "BUM")
        export(country[2], tmp_path / "a")
        country[2].line.fail("push", "lost request", after=2)
        with pytest.raises(PeerUnreachable):
            country[2].cycle()
        had = len(keys(country.primary, "stock"))
        assert 0 < had < 6
        report = bring(country.primary, tmp_path / "a")
        assert report.state == "applied"
        assert len(keys(country.primary, "stock")) == 6
        country.sync()


def test_p37_the_first_fill_of_a_new_site_goes_by_stick(tmp_path: Path) -> None:
    with stock_sites(tmp_path, joined=False) as country:
        for site in country.satellites:
            site.line.cut = True
        know_each_other(country)
        up, down = round_trip(country, 2)
        assert up.registered
        assert down.applied > 0
        assert keys(country[2], "item") == ["i-1", "i-2"]
        stock(country[2], "a", "BUM")  # its store is active there now
        country.primary.write("INSERT INTO item VALUES ('i-3', 'IBU', 'ibuprofen')")
        up, down = round_trip(country, 2)
        assert (up.applied, down.applied) == (1, 1)
        assert keys(country.primary, "stock") == ["a"]
        country[2].line.cut = False
        summary = country[2].cycle()
        assert (summary.sent, summary.received) == (0, 0)


def test_p37_a_fill_that_the_line_has_begun_is_ended_by_the_stick(tmp_path: Path) -> None:
    with stock_sites(tmp_path, joined=False, request_size=1) as country:
        for number in range(200):
            country.primary.write("INSERT INTO patient VALUES (?, 'x')", f"p{number}")
        know_each_other(country)
        export(country[2], tmp_path / "up")
        bring(country.primary, tmp_path / "up")
        export(country.primary, tmp_path / "down", to=2)
        country[2].line.fail("pull", "lost request", after=6)
        with pytest.raises(PeerUnreachable):
            country[2].cycle()
        assert 0 < len(keys(country[2], "patient")) < 200
        country.primary.write("UPDATE patient SET name = 'newest' WHERE id = 'p0'")
        country.primary.write("DELETE FROM patient WHERE id = 'p1'")
        report = bring(country[2], tmp_path / "down")
        assert report.state == "applied", report
        assert len(keys(country[2], "patient")) >= 199
        country[2].line.calm()
        pulls = len(country[2].line.messages)
        country.sync(2)
        assert len(country[2].line.messages) < pulls + 10  # it did not begin anew
        assert country[2].rows("patient") == country.primary.rows("patient")
        assert country[2].rows("name") == country.primary.rows("name")


def test_p37_refusals_come_back_with_the_stick(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as country:
        country.primary.write("DELETE FROM item WHERE id = 'i-2'")
        stock(country[2], "a", "BUM", item="i-2")
        stock(country[2], "b", "BUM")
        up, down = round_trip(country, 2)
        assert (up.applied, up.refused, down.state) == (2, 1, "applied")
        assert [(one.key, one.site) for one in country[2].quarantine if one.site == 2] == [(("a",), 2)]
        with country.primary.here.database.read() as reader:
            assert reader.execute("SELECT count(*) FROM msyncd_refusal")[0][0] == 1
        round_trip(country, 2)  # it shows that they were heard
        with country.primary.here.database.read() as reader:
            assert reader.execute("SELECT count(*) FROM msyncd_refusal")[0][0] == 0


def test_p22_what_stands_in_the_way_of_a_delete_is_told_once(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as country:
        stock(country[2], "a", "BUM", item="i-2")
        country.primary.write("DELETE FROM item WHERE id = 'i-2'")
        for _ in range(2):
            round_trip(country, 2)
        offered = [one for one in country.primary.quarantine if one.record_type == "item"]
        assert [one.row for one in offered] == [("i-2", "PAR", "paracetamol")]
        discard(country.primary.here, [one.id for one in offered])
        for _ in range(3):
            round_trip(country, 2)
        assert [one for one in country.primary.quarantine if one.record_type == "item"] == []
        assert keys(country[2], "item") == ["i-1", "i-2"]


# --- a gap ----------------------------------------------------------------------------------------------------------


def further(country: Sites, folder: Path) -> None:
    """Two sticks, the second of which goes on where the first ends."""
    stock(country[2], "a", "BUM", 1)
    export(country[2], folder / "first")
    stock(country[2], "b", "BUM", 1)
    export(country[2], folder / "second", further=True)


def test_p37_a_bundle_ahead_of_the_cursor_is_kept_until_the_gap_closes(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as country:
        further(country, tmp_path)
        assert bring(country.primary, tmp_path / "second").state == "kept"
        assert keys(country.primary, "stock") == []
        country.primary.restart()
        assert bring(country.primary, tmp_path / "second").state == "kept"
        assert kept(country.primary) == 1
        report = bring(country.primary, tmp_path / "first")
        assert report.applied == 2
        assert keys(country.primary, "stock") == ["a", "b"]
        assert kept(country.primary) == 0
        assert bring(country.primary, tmp_path / "second").state == "nothing new"
        country.sync()


def test_p37_what_the_line_brought_is_dropped(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as country:
        further(country, tmp_path)
        bring(country.primary, tmp_path / "second")
        stock(country[2], "b", "BUM", 2)
        country.sync()
        assert take_kept(country.primary.here) == 0
        assert kept(country.primary) == 0
        assert country.primary.rows("stock", "id, quantity") == [("a", 1), ("b", 2)]


def test_p37_what_is_kept_goes_on_where_the_line_ends(tmp_path: Path) -> None:
    with stock_sites(tmp_path, request_size=1) as country:
        further(country, tmp_path)
        bring(country.primary, tmp_path / "second")
        country[2].line.fail("push", "lost request", after=1)
        with pytest.raises(PeerUnreachable):
            country[2].cycle()
        assert keys(country.primary, "stock") == ["a"]
        with country.primary.here.database.read() as reader:
            (told,) = kept_of(reader, country.primary.here, 2)  # the line has closed the gap
            assert (told.waits_from, told.waits_to) == (None, None)
            assert told.words().endswith("is about to be taken in")
        assert take_kept(country.primary.here) == 1
        assert keys(country.primary, "stock") == ["a", "b"]
        country.sync()


def test_p37_a_gap_at_the_satellite(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as country:
        country.primary.write("INSERT INTO item VALUES ('i-3', 'C3', 'x')")
        export(country.primary, tmp_path / "first", to=2)
        country.primary.write("INSERT INTO item VALUES ('i-4', 'C4', 'x')")
        export(country.primary, tmp_path / "second", to=2, further=True)
        assert bring(country[2], tmp_path / "second").state == "kept"
        assert keys(country[2], "item") == ["i-1", "i-2"]
        with country[2].here.database.read() as reader:
            (told,) = kept_of(reader, country[2].here, PRIMARY)
            assert (told.records, int(told.waits_to or 0) - int(told.waits_from or 0)) == (1, 1)
            assert kept_of(reader, country[2].here, 3) == ()
        assert bring(country[2], tmp_path / "first").applied == 2
        assert keys(country[2], "item") == ["i-1", "i-2", "i-3", "i-4"]
        assert kept(country[2]) == 0


# --- order and unique values ----------------------------------------------------------------------------------------


def test_p16_a_unique_value_that_is_freed_further_on_in_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "ITEM_RECORDS", 1)
    with stock_sites(tmp_path) as country:
        stock(country[2], "a", "BUM", barcode="b1")
        stock(country[2], "b", "BUM", barcode="b2")
        country.sync()
        for site, table, column, one, other, first, second in (
            (country[2], "stock", "barcode", "a", "b", "b1", "b2"),
            (country.primary, "item", "code", "i-1", "i-2", "AMO", "PAR"),
        ):
            with site.transaction():
                for value, key in ((None, one), (first, other), (second, one)):
                    site.write(f"UPDATE {table} SET {column} = ? WHERE id = ?", value, key)
        up, down = round_trip(country, 2)
        assert (up.items, down.items) == (
            {"fits": 2},
            {"fits": 2},
        )  # of three items each, two as one
        assert country.primary.quarantine == country[2].quarantine == []
        assert country[2].rows("item", "id, code") == [("i-1", "PAR"), ("i-2", "AMO")]
        assert country.primary.rows("stock", "id, barcode") == [("a", "b2"), ("b", "b1")]


def test_p16_a_unique_value_that_only_this_site_holds(tmp_path: Path) -> None:
    """The sender has no such record, and cannot be asked: what is in the way is said, and all else goes on."""
    with stock_sites(tmp_path) as country:
        stock(country.primary, "p", "CMS", barcode="same")
        stock(country[2], "a", "BUM", barcode="same")
        stock(country[2], "b", "BUM", barcode="other")
        up, _ = round_trip(country, 2)
        assert up.refused == 1
        assert keys(country.primary, "stock") == ["b", "p"]
        assert [one.plugin for one in country.primary.quarantine] == ["database"]


# --- families that reach far ----------------------------------------------------------------------------------------


def items_of(path: Path, country: Sites) -> list[BundleItem]:
    with BundleReader(path, lambda head: key_bytes(country[head.sender].here.public_key)) as bundle:
        return list(bundle.items())


def growing(country: Sites, invoices: int = 3) -> None:
    """Documents that are written on all the time: each gets its lines one by one, in turn with the others."""
    for number in range(invoices):
        invoice(country[2], f"v{number}", "BUM", lines=0)
    for line in range(4):
        for number in range(invoices):
            country[2].write(
                "INSERT INTO line (id, invoice_id, item_id, quantity) VALUES (?, ?, 'i-1', 1)",
                f"v{number}-{line}",
                f"v{number}",
            )


def test_p09_a_document_that_is_written_on_all_the_time_travels_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "ITEM_RECORDS", 1)
    with stock_sites(tmp_path) as country:
        growing(country)
        assert export(country[2], tmp_path / "a").exported.records == 3 * 5
        presumes = [one.presumes for one in items_of(tmp_path / "a", country)]
        assert presumes[0] is None
        assert bring(country.primary, tmp_path / "a").applied == 3 * 5
        assert len(keys(country.primary, "line")) == 12
        country.sync()


@pytest.mark.parametrize("pushes", range(1, 6))
def test_p37_the_line_breaks_off_within_such_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pushes: int
) -> None:
    """Where it ended, what the bundle leaves out had not arrived: that is noticed, and nothing is lost."""
    monkeypatch.setattr(exporting, "ITEM_RECORDS", 1)
    with stock_sites(tmp_path, request_size=1) as country:
        growing(country)
        export(country[2], tmp_path / "a")
        country[2].line.fail("push", "lost request", after=pushes)
        with suppress(PeerUnreachable):
            country[2].cycle()
        first = bring(country.primary, tmp_path / "a")
        export(country[2], tmp_path / "b")
        second = bring(country.primary, tmp_path / "b")
        assert second.state in ("applied", "nothing new"), (first, second)
        assert len(keys(country.primary, "line")) == 12
        country.sync()
        assert country.primary.rows("line") == country[2].rows("line")


def test_p37_the_line_ended_where_the_bundle_does_not_go_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the bundle brings in front and leaves out further on, the line had passed before it was written."""
    monkeypatch.setattr(exporting, "ITEM_RECORDS", 1)
    with stock_sites(tmp_path, copies_of={1: "all", 2: ["CMS"]}, request_size=1) as country:
        for number in range(3):
            invoice(country.primary, f"v{number}", "CMS", lines=0)
        country[2].line.fail("pull", "lost request", after=1)
        with pytest.raises(PeerUnreachable):
            country[2].cycle()
        for line in range(4):
            for number in range(3):
                country.primary.write(
                    "INSERT INTO line (id, invoice_id, item_id, quantity) VALUES (?, ?, 'i-1', 1)",
                    f"v{number}-{line}",
                    f"v{number}",
                )
        export(country.primary, tmp_path / "down", to=2)
        report = bring(country[2], tmp_path / "down")
        assert (report.state, "go on from there" in report.why) == ("older", True)
        round_trip(country, 2)  # the site shows where it stands
        assert country[2].rows("invoice") == country.primary.rows("invoice")
        assert country[2].rows("line") == country.primary.rows("line")
        assert len(keys(country[2], "line")) == 12


# --- records that any site may edit ---------------------------------------------------------------------------------

INCOMING_WINS = """
from msyncd import hookimpl

@hookimpl
def msyncd_resolve(record_type, conflicts):
    return ["incoming"] * len(conflicts)
"""


def test_p19_what_the_line_has_sent_since_the_bundle_was_made_is_not_overwritten_by_it(tmp_path: Path) -> None:
    """The primary had not seen it when it read its rows: not for a moment does the site show them instead."""
    plugin = tmp_path / "incoming_wins.py"
    plugin.write_text(INCOMING_WINS)
    with stock_sites(tmp_path / "sites", plugins=[plugin]) as country:
        country.primary.write("INSERT INTO patient VALUES ('p', 'Ama')")
        country.sync()
        country.primary.write("UPDATE patient SET name = 'Ama of the primary'")
        export(country.primary, tmp_path / "down", to=2)
        country[2].write("UPDATE patient SET name = 'Ama of site 2'")
        country[2].line.fail("pull", "lost request")
        with pytest.raises(PeerUnreachable):
            country[2].cycle()  # it is pushed, and wins
        assert country.primary.rows("patient") == [("p", "Ama of site 2")]
        bring(country[2], tmp_path / "down")
        assert country[2].rows("patient") == [("p", "Ama of site 2")]
        country.sync()
        assert country[2].rows("patient") == country.primary.rows("patient") == [("p", "Ama of site 2")]


# --- who may not ----------------------------------------------------------------------------------------------------


def test_p37_a_bundle_for_or_from_others_is_refused(tmp_path: Path) -> None:
    with stock_sites(tmp_path / "one") as country, stock_sites(tmp_path / "other") as other:
        stock(country[2], "a", "BUM")
        export(country[2], tmp_path / "up")
        export(country.primary, tmp_path / "down", to=2)
        with pytest.raises(BundleRefused, match="for site 1, and this is site 2"):
            bring(country[2], tmp_path / "up")
        with pytest.raises(BundleRefused, match="for site 2, and this is site 3"):
            bring(country[3], tmp_path / "down")
        with pytest.raises(BundleRefused, match="for site 2, and this is site 1"):
            bring(country.primary, tmp_path / "down")
        for foreign, path in ((other.primary, "up"), (other[2], "down")):
            with pytest.raises(BundleRefused, match="not signed with the key"):
                bring(foreign, tmp_path / path)
        assert keys(other.primary, "stock") == []


def test_p37_a_site_whose_key_is_not_known_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with stock_sites(tmp_path, joined=False) as country:
        export(country[2], tmp_path / "up")
        with pytest.raises(BundleRefused, match=r"signing key of site 2 is not known.*public_key"):
            bring(country.primary, tmp_path / "up")


def test_p37_a_site_that_was_never_heard_of_is_owed_nothing(tmp_path: Path) -> None:
    with stock_sites(tmp_path, joined=False) as country, pytest.raises(BundleRefused, match="never heard of"):
        export(country.primary, tmp_path / "down", to=2)


def test_p37_a_bundle_of_a_clone_is_refused(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as country:
        (tmp_path / "site2/state/installation.json").unlink()
        country[2].restart()
        stock(country[2], "a", "BUM")
        export(country[2], tmp_path / "up")
        with pytest.raises(CloneRefused, match="sites replace 2"):
            bring(country.primary, tmp_path / "up")
        assert keys(country.primary, "stock") == []


def test_p08_a_stick_of_a_restored_satellite_applies_nothing(tmp_path: Path) -> None:
    """Its numbers were used already for other changes, which the primary has."""
    with stock_sites(tmp_path) as country:
        stock(country[2], "a", "BUM")
        country.sync()
        backup = country[2].backup()
        stock(country[2], "b", "BUM")
        country.sync()
        country[2].restore(backup)
        for key in ("c", "d", "e"):
            stock(country[2], key, "BUM")
        export(country[2], tmp_path / "up")
        assert bring(country.primary, tmp_path / "up").state == "older"
        assert keys(country.primary, "stock") == ["a", "b"]
        export(country.primary, tmp_path / "down", to=2)
        with pytest.raises(RestoredBackup):
            bring(country[2], tmp_path / "down")


def test_p08_a_stick_of_a_restored_primary_applies_nothing(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as country:
        backup = country.primary.backup()
        country.primary.write("UPDATE item SET name = 'x' WHERE id = 'i-1'")
        country.sync()
        country.primary.restore(backup)
        for number in range(3, 9):
            country.primary.write("INSERT INTO item VALUES (?, ?, 'y')", f"i-{number}", f"C{number}")
        export(country.primary, tmp_path / "down", to=2)
        assert bring(country[2], tmp_path / "down").state == "older"
        assert keys(country[2], "item") == ["i-1", "i-2"]
        export(country[2], tmp_path / "up")
        with pytest.raises(RestoredBackup):
            bring(country.primary, tmp_path / "up")
