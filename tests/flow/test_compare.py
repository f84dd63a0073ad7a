"""Comparing by digests finds what differs and nothing else, costs little, and repairs by the owner's version."""

import tracemalloc
from pathlib import Path

import msgspec
import pytest

from msyncd.errors import MsyncdError
from msyncd.flow.compare import ask
from msyncd.flow.compare.ask import Found
from msyncd.flow.compare.repair import compare
from msyncd.flow.ledger import compared
from msyncd.model import PRIMARY
from msyncd.testing import OneSite, Sites
from msyncd.wire.codec import encode
from tests.flow.support import stock_sites


def behind(site: OneSite, *statements: str) -> None:
    """Write without anyone's noticing, as a restored file or an application trigger does that is not captured."""
    with site.transaction() as connection:
        connection.execute("INSERT INTO msyncd_applying SELECT id, 1 FROM msyncd_record_type")
        for statement in statements:
            connection.execute(statement)
        connection.execute("DELETE FROM msyncd_applying")


def compared_with_primary(site: OneSite) -> dict[str, Found]:
    satellite = site.satellite
    assert satellite is not None
    if satellite.link is None:
        satellite.hello()
    return {one.record_type: one for one, ended in compare(satellite, site.cycle) if ended}


def differing(site: OneSite) -> dict[str, set[object]]:
    return {
        name: {key[0] for key in one.differing} for name, one in compared_with_primary(site).items() if one.differing
    }


def repaired(site: OneSite) -> list[Found]:
    """Of the record types that differ: what differs still, once that was repaired."""
    satellite = site.satellite
    assert satellite is not None
    names = list(differing(site))
    found = compare(satellite, site.cycle, only=names, repair_too=True) if names else ()
    return [one for one, ended in found if ended]


def filled(folder: Path, records: int) -> Sites:
    """Sites with that many records of stock at site 2, level."""
    sites = stock_sites(folder, request_size=5_000)
    with sites[2].transaction() as connection:
        connection.executemany(
            "INSERT INTO stock VALUES (?, 's-BUM', 'i-1', NULL, ?, 'not sent')",
            [(f"k{number:06}", number) for number in range(records)],
        )
    sites.sync()
    return sites


def test_no_more_is_held_than_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ranges a question is about, their records are not kept for the answer."""
    monkeypatch.setattr(ask, "RANGE", 100)
    with stock_sites(tmp_path) as sites:
        with sites.primary.transaction() as connection:
            for number in range(3000):
                connection.execute("INSERT INTO patient VALUES (?, ?)", (f"p{number:04}", f"{number:04}" * 200))
        sites.sync(2)
        peaks = []
        for ranges in (3, 30):
            monkeypatch.setattr(ask, "RANGES", ranges)
            sites[2].line.messages.clear()
            tracemalloc.start()
            try:
                assert compared_with_primary(sites[2])["patient"].records == 3000
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
        assert peaks[1] < 1.5 * peaks[0], peaks


def test_records_that_came_between_two_questions_are_compared_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range that differs is read again: by then it has three times as many records as are read at once."""
    monkeypatch.setattr(ask, "RANGE", 100)
    with filled(tmp_path, 100) as sites:
        behind(sites[2], "UPDATE stock SET quantity = 7777 WHERE id = 'k000050'")
        came = False

        def come(kind: str) -> None:
            nonlocal came
            if kind == "compare" and not came:
                came = True
                with sites[2].transaction() as connection:
                    for number in range(300):
                        connection.execute(
                            "INSERT INTO stock VALUES (?, 's-BUM', 'i-1', NULL, 1, 'not sent')",
                            (f"k000050-{number:03}",),
                        )

        satellite = sites[2].satellite
        assert satellite is not None
        comparing = ask.Comparing(satellite, sites[2].here.types.types["stock"])
        sites[2].line.on_reply = come
        for _ in comparing.steps():
            pass
        sites[2].line.on_reply = None
        assert {key[0] for key in comparing.found.differing} >= {"k000050", "k000050-000", "k000050-299"}
        comparing.settle(sites[2].cycle)
        assert {key[0] for key in comparing.found.differing} == {"k000050"}


def test_what_is_level_agrees_and_is_noted_at_both_ends(tmp_path: Path) -> None:
    with filled(tmp_path, 50) as sites:
        sites[2].write("INSERT INTO invoice VALUES ('t', 's-BUM', 'n-KAL', 'fn', NULL)")
        sites[2].write("INSERT INTO line VALUES ('l', 't', 'i-1', 'k000001', 5)")
        sites.sync()
        for site in (sites[2], sites[3]):
            assert differing(site) == {}
            with site.here.database.read() as reader:
                names = [one.record_type for one in compared.comparisons(reader, PRIMARY)]
                assert set(names) == {"item", "name", "store", "patient", "stock", "invoice", "line"}
                assert compared.last_agreed(reader, PRIMARY, names) is not None
        with sites.primary.here.database.read() as reader:
            counts = {one.record_type: one.records for one in compared.comparisons(reader, 2)}
        assert (counts["stock"], counts["line"], counts["item"]) == (50, 1, 2)


@pytest.mark.parametrize("side", [1, 2])
def test_one_changed_value_among_many_is_found_and_only_that_is_repaired_by_its_owner(
    tmp_path: Path, side: int
) -> None:
    with filled(tmp_path, 5_000) as sites:
        behind(sites[side], "UPDATE stock SET quantity = 77 WHERE id = 'k003210'")
        wanted = 77 if side == 2 else 3210  # the store is active at site 2: its version stands
        assert differing(sites[2]) == {"stock": {"k003210"}}
        before = len(sites[2].line.messages)
        assert [one.differing for one in repaired(sites[2])] == [{}]
        sent = [m for kind, m, _ in sites[2].line.messages[before:] if kind == "push" and len(m.batch)]
        assert sum(len(one.batch) for one in sent) == 1
        for number in (1, 2):
            rows = dict(sites[number].connection.execute("SELECT id, quantity FROM stock"))
            assert rows["k003210"] == wanted
            assert len(rows) == 5_000
        assert differing(sites[2]) == {}


def test_a_difference_costs_a_small_part_of_the_table_on_the_wire(tmp_path: Path) -> None:
    with filled(tmp_path, 40_000) as sites:
        behind(sites[1], "UPDATE stock SET quantity = -0 WHERE id = 'k023210'")
        before = len(sites[2].line.messages)
        assert differing(sites[2]) == {"stock": {"k023210"}}
        asked = [(m, r) for kind, m, r in sites[2].line.messages[before:] if kind == "compare" and m.type == "stock"]
        wire = sum(len(encode(message)) + len(encode(reply)) for message, reply in asked)
        rows = sites[2].connection.execute("SELECT id, store_id, item_id, barcode, quantity FROM stock")
        table = len(msgspec.msgpack.encode(rows))
        assert wire < table / 100


def test_a_central_record_is_repaired_by_the_primarys_version(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        behind(
            sites[3],
            "UPDATE item SET name = 'other' WHERE id = 'i-1'",
            "DELETE FROM item WHERE id = 'i-2'",
            "INSERT INTO item VALUES ('i-9', 'X', 'made up')",
        )
        assert differing(sites[3]) == {"item": {"i-1", "i-2", "i-9"}}
        assert [one.differing for one in repaired(sites[3])] == [{}]
        assert sites[3].rows("item") == sites.primary.rows("item")
        assert sites[3].quarantine == []


def test_a_record_that_its_owner_does_not_have_goes_and_one_that_only_he_has_comes(tmp_path: Path) -> None:
    with filled(tmp_path, 3) as sites:
        behind(sites[2], "DELETE FROM stock WHERE id = 'k000000'")
        behind(sites[1], "DELETE FROM stock WHERE id = 'k000001'")
        assert differing(sites[2]) == {"stock": {"k000000", "k000001"}}
        assert [one.differing for one in repaired(sites[2])] == [{}]
        for number in (1, 2):
            assert [row[0] for row in sites[number].rows("stock", "id")] == ["k000001", "k000002"]


def test_where_all_differs_it_is_counted_noted_and_repaired_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held of it does not grow with the table."""
    monkeypatch.setattr(ask, "HELD", 200)
    with filled(tmp_path, 1_000) as sites:
        behind(sites[1], "UPDATE stock SET quantity = quantity + 1")
        behind(sites[2], "DELETE FROM stock WHERE id > 'k000899'")
        satellite = sites[2].satellite
        assert satellite is not None
        most = 0
        for found, _ in compare(satellite, sites[2].cycle, only=["stock"]):
            most = max(most, len(found.differing))
        assert (found.differences, found.records) == (1_000, 900)
        assert most < 200 + ask.FEW  # a part, and what was compared one by one behind it
        with satellite.here.database.read() as reader:
            assert len(compared.differing(reader, PRIMARY)["stock"]) == 1_000
        assert [one.differences for one in repaired(sites[2])] == [0]
        rows = sites[2].rows("stock", "id, quantity")
        assert len(rows) == 900
        assert rows == sites.primary.rows("stock", "id, quantity")
        with satellite.here.database.read() as reader:
            assert compared.differing(reader, PRIMARY) == {}


def test_what_is_on_its_way_is_no_difference(tmp_path: Path) -> None:
    with filled(tmp_path, 100) as sites:
        asked = 0

        def meanwhile(kind: str) -> None:
            nonlocal asked
            if kind == "compare":
                asked += 1
                sites[2].write("UPDATE stock SET quantity = quantity + 1 WHERE id = 'k000007'")
                sites.primary.write("UPDATE item SET name = name || '.' WHERE id = 'i-2'")

        sites[2].line.on_reply = meanwhile
        found = compared_with_primary(sites[2])
        assert asked > 5
        assert {name for name, one in found.items() if len(one.differing) > one.moving} == set()
        sites[2].line.on_reply = None
        sites.sync()
        assert differing(sites[2]) == {}


def test_stores_that_the_primary_does_not_keep_are_left_out(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: [], 3: ["BUM"]}) as sites:
        sites[2].write("INSERT INTO stock VALUES ('k', 's-BUM', 'i-1', NULL, 5, NULL)")
        sites[2].write("INSERT INTO invoice VALUES ('t', 's-BUM', 'n-CMS', 'fn', NULL)")
        sites.sync()
        assert sites.primary.rows("stock") == []
        assert differing(sites[2]) == {}


def test_columns_that_do_not_travel_and_cleared_references_are_no_difference(tmp_path: Path) -> None:
    with filled(tmp_path, 2) as sites:
        sites[2].write("UPDATE stock SET note = 'here only'")
        sites[2].write("INSERT INTO invoice VALUES ('t', 's-BUM', 'n-KAL', 'fn', NULL)")
        sites[2].write("INSERT INTO line VALUES ('l', 't', 'i-1', 'k000001', 5)")
        sites.sync()
        assert [row[3] for row in sites[3].rows("line")] == [None]  # its stock is not there: cleared
        assert differing(sites[2]) == differing(sites[3]) == {}


def test_the_comparison_reads_no_more_than_pages(tmp_path: Path) -> None:
    with filled(tmp_path, 4_500) as sites:
        satellite = sites[2].satellite
        assert satellite is not None
        steps = list(compare(satellite, lambda: None, only=("stock",)))
        assert [ended for _, ended in steps] == [False, False, True]  # one question with three ranges, and the result
        [(question, answer)] = [
            (m, r) for kind, m, r in sites[2].line.messages if kind == "compare" and m.ranges and m.type == "stock"
        ]
        assert [one.records for one in question.ranges] == [2_000, 2_000, 500]
        assert answer.differ == ()


def test_a_question_that_cannot_be_is_refused_in_words(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        compared_with_primary(sites[2])
        [question, *_] = [m for kind, m, _ in sites[2].line.messages if kind == "compare"]
        for bad, words in (
            ({"type": "no such"}, "there is no record type no such"),
            ({"keys": ((1,),) * 2_001}, "2001 keys"),
            ({"database_id": "another"}, "another database syncs"),
            ({"facts_number": 99}, "have changed"),
        ):
            with pytest.raises(MsyncdError, match=words):
                sites[2].line.compare(msgspec.structs.replace(question, **bad))
