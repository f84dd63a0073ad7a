"""Records that any site may edit, and what was written at both ends (P19)."""

from pathlib import Path
from typing import Any

import pytest

from msyncd.errors import PeerUnreachable
from msyncd.flow.fill import Poured, read_piece
from tests.flow.support import stock_sites


def test_p19_edited_on_two_sites_at_once_the_primarys_version_stands_and_both_are_kept(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama')")
        sites.sync()
        sites[2].write("UPDATE patient SET name = 'Ama of site 2'")
        sites[3].write("UPDATE patient SET name = 'Ama of site 3'")
        sites.sync()
        assert {site.rows("patient")[0] for site in sites} == {("p", "Ama of site 2")}
        assert [(one.site, one.row) for one in sites.primary.quarantine] == [(3, ("p", "Ama of site 3"))]
        assert [one.row for one in sites[3].quarantine] == [("p", "Ama of site 3")]
        sites[3].write("UPDATE patient SET name = 'Ama, as all agree'")  # based on what stands: no conflict
        sites.sync()
        assert {site.rows("patient")[0] for site in sites} == {("p", "Ama, as all agree")}
        assert sites.primary.quarantine == sites[3].quarantine == []


def test_p19_one_after_the_other_is_no_conflict(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        sites[2].write("INSERT INTO patient VALUES ('p', '0')")
        sites.sync()
        for number in range(1, 9):
            sites[(number % 3) + 1].write("UPDATE patient SET name = ?", str(number))
            sites.sync()
            assert {site.rows("patient")[0] for site in sites} == {("p", str(number))}
        assert all(site.quarantine == [] for site in sites)


def test_p19_an_edit_on_top_of_one_whose_echo_was_lost_is_no_conflict(tmp_path: Path) -> None:
    """The site does not know the number of its own version yet; it is its own all the same."""
    with stock_sites(tmp_path) as sites:
        sites[2].write("INSERT INTO patient VALUES ('p', 'Ama'), ('q', 'Kofi')")
        sites[2].line.fail("pull", "lost request")
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        sites[2].write("UPDATE patient SET name = 'Abena' WHERE id = 'p'")
        sites[2].write("DELETE FROM patient WHERE id = 'q'")
        sites.sync()
        assert all(site.rows("patient") == [("p", "Abena")] for site in sites)
        assert all(site.quarantine == [] for site in sites)


@pytest.mark.parametrize("elsewhere", [1, 3])
def test_p19_an_edit_on_top_of_one_that_another_site_has_overwritten_is_a_conflict(
    tmp_path: Path, elsewhere: int
) -> None:
    with stock_sites(tmp_path) as sites:
        sites[2].write("INSERT INTO patient VALUES ('p', 'Ama')")
        sites[2].line.fail("pull", "lost request")
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        sites.sync(3)
        sites[elsewhere].write("UPDATE patient SET name = 'Afia'")
        sites.sync(3)
        sites[2].write("UPDATE patient SET name = 'Abena'")
        sites.sync()
        assert all(site.rows("patient") == [("p", "Afia")] for site in sites)
        assert [one.row for one in sites[2].quarantine] == [("p", "Abena")]


@pytest.mark.parametrize("elsewhere", [1, 3])
def test_p19_a_delete_does_not_take_away_what_was_edited_elsewhere_since(tmp_path: Path, elsewhere: int) -> None:
    with stock_sites(tmp_path) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama'), ('q', 'Kofi')")
        sites.sync()
        sites[2].write("DELETE FROM patient")
        sites[elsewhere].write("UPDATE patient SET name = 'Abena' WHERE id = 'p'")
        sites.sync(3)
        sites.sync()
        assert all(site.rows("patient") == [("p", "Abena")] for site in sites)
        (kept,) = sites.primary.quarantine
        assert (kept.key, kept.operation) == (("p",), "delete")
        assert kept.reason == "deleted on site 2 while it was edited elsewhere; the version on the primary stands"
        sites[2].write("DELETE FROM patient")
        sites.sync()
        assert all(site.rows("patient") == [] and site.quarantine == [] for site in sites)


def test_p19_a_record_that_is_deleted_and_made_anew_is_no_conflict(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        for name, writes, deletes in (("Ama", 2, 3), ("Afia", 3, 1), ("Abena", 1, 2), ("Esi", 2, 2)):
            sites[writes].write("INSERT INTO patient VALUES ('p', ?)", name)
            sites.sync()
            assert all(site.rows("patient") == [("p", name)] for site in sites)
            sites[writes].write("UPDATE patient SET name = name || '.'")
            sites.sync()
            sites[deletes].write("DELETE FROM patient")
            sites.sync()
            assert all(site.rows("patient") == [] and site.quarantine == [] for site in sites)


def test_p19_an_unsent_change_is_not_overwritten_by_a_pull(tmp_path: Path) -> None:
    """The push fails, so the pull never runs; and a pull alone leaves the own unsent change where it is."""
    with stock_sites(tmp_path) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama')")
        sites.sync()
        sites[2].write("UPDATE patient SET name = 'mine'")
        sites.primary.write("UPDATE patient SET name = 'theirs'")
        from msyncd.flow import pulling
        from msyncd.flow.satellite import silent

        assert sites[2].satellite is not None
        pulling.pull_all(sites[2].satellite, silent)
        assert sites[2].rows("patient") == [("p", "mine")]
        sites.sync()
        assert {site.rows("patient")[0] for site in sites} == {("p", "theirs")}
        assert [one.row for one in sites[2].quarantine] == [("p", "mine")]


def test_p19_an_edit_of_what_a_fill_brought_is_no_conflict(tmp_path: Path) -> None:
    """What stood before the first sync, and what was edited on the primary since it was last agreed with another."""
    with stock_sites(tmp_path, joined=False) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama'), ('q', 'Kofi')")
        sites.sync(3)
        sites.primary.write("UPDATE patient SET name = 'Kwame' WHERE id = 'q'")
        sites.sync(2)
        sites[2].write("UPDATE patient SET name = name || ' B.'")
        sites.sync()
        assert all(site.rows("patient") == [("p", "Ama B."), ("q", "Kwame B.")] for site in sites)
        assert all(site.quarantine == [] for site in sites)


def test_p19_an_edit_of_what_a_fill_brought_and_the_primary_edited_since_is_a_conflict(tmp_path: Path) -> None:
    with stock_sites(tmp_path, joined=False) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama')")
        sites.sync()
        sites.primary.write("UPDATE patient SET name = 'Abena'")
        sites[2].write("UPDATE patient SET name = 'Afia'")
        sites.sync()
        assert all(site.rows("patient") == [("p", "Abena")] for site in sites)
        assert [one.row for one in sites[2].quarantine] == [("p", "Afia")]


def test_p19_a_row_that_is_edited_while_a_piece_is_read_is_out_of_date_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever edits it on the site that was filled edits an older version, and is told so."""
    with stock_sites(tmp_path, joined=False) as sites:
        sites.primary.connection.execute("PRAGMA journal_mode=WAL")  # else nobody writes while anyone reads
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama')")
        replies: list[str] = []

        def while_read(*arguments: Any, **options: Any) -> Poured:
            poured = read_piece(*arguments, **options)
            if poured.piece.type == "patient" and not replies:
                sites.primary.write("UPDATE patient SET name = 'Abena'")
                replies.append("the piece")
            return poured

        def after_the_piece(kind: str) -> None:
            if replies:
                replies.append(kind)
            if len(replies) > 2:
                raise PeerUnreachable("the line is cut behind the piece")

        monkeypatch.setattr("msyncd.flow.replying.read_piece", while_read)
        sites[2].line.on_reply = after_the_piece
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        assert sites[2].rows("patient") == [("p", "Ama")]
        sites[2].line.on_reply = None
        sites[2].write("UPDATE patient SET name = 'Afia'")
        sites.sync()
        assert all(site.rows("patient") == [("p", "Abena")] for site in sites)
        assert [one.row for one in sites[2].quarantine] == [("p", "Afia")]
