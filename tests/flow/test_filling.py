"""How a site begins: fills, joining with data on both ends, and what is owed (P7, P25 to P28)."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from msyncd.errors import JoiningUndecided, PeerUnreachable
from msyncd.flow.conversation import Waiting
from msyncd.flow.ledger import fills
from msyncd.flow.status import peers
from msyncd.testing import Crashed, Kind, Sites
from tests.flow.support import SCHEMA, TYPES, invoice, keys, stock, stock_sites

# --- P7 -------------------------------------------------------------------------------------------------------------


def test_p07_what_a_stopped_record_type_kept_back_is_filled_in_when_it_syncs_again(tmp_path: Path) -> None:
    """The satellite's table lacks a column: patients stop, at both ends in words, and all else goes on."""
    newer = SCHEMA.replace(
        "patient (id TEXT PRIMARY KEY, name TEXT)", "patient (id TEXT PRIMARY KEY, name TEXT, born TEXT)"
    )
    with stock_sites(tmp_path, schema={1: newer, 2: SCHEMA, 3: newer}) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama', '1990')")
        sites[2].write("INSERT INTO patient VALUES ('q', 'Kofi')")
        stock(sites[2], "a", "BUM")
        sites.sync()
        assert keys(sites.primary, "stock") == ["a"]
        assert (keys(sites.primary, "patient"), keys(sites[2], "patient")) == (["p"], ["q"])
        assert sites[3].rows("patient") == [("p", "Ama", "1990")]
        assert sites[2].satellite is not None
        assert sites[2].satellite.link is not None
        assert "born" in sites[2].satellite.link.stopped["patient"]
        sites[2].write("ALTER TABLE patient ADD COLUMN born TEXT")
        sites[2].reload()
        sites.sync()
        for site in sites:
            assert site.rows("patient") == [("p", "Ama", "1990"), ("q", "Kofi", None)]


PATIENT = "  patient: {table: patient, edited_on: any_site, sent_to: every_site}\n"


def test_p07_a_record_type_that_the_primary_drops_while_all_run_stops_by_itself(tmp_path: Path) -> None:
    """The satellite goes on from its last hello; it says another by itself, and everything else goes on."""
    with stock_sites(tmp_path) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama')")
        sites.sync()
        sites.primary.reload(record_types=TYPES.replace(PATIENT, ""))
        sites[2].write("UPDATE patient SET name = 'Abena'")
        stock(sites[2], "a", "BUM")
        sites[2].cycle()
        assert keys(sites.primary, "stock") == ["a"]
        assert sites[2].satellite is not None
        assert sites[2].satellite.link is not None
        assert sites[2].satellite.link.stopped == {"patient": "site 1 has no record type patient"}
        sites.primary.reload(record_types=TYPES)
        sites[2].satellite.forget_hello()
        sites.sync()
        assert all(site.rows("patient") == [("p", "Abena")] for site in sites)


@pytest.mark.parametrize("filled", [True, False])
def test_p07_a_record_type_that_is_new_at_the_primary_stops_until_the_site_has_it(tmp_path: Path, filled: bool) -> None:
    """Whether it comes by the log or by a piece: what the site cannot take makes it say hello, not fail."""
    with stock_sites(tmp_path, record_types=TYPES.replace(PATIENT, "")) as sites:
        sites.primary.reload(record_types=TYPES)
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama')")
        if filled:
            with sites.primary.here.database.write() as writer:
                fills.begin(writer, 2, because="all anew", now="", initial=True)
        sites.primary.write("UPDATE item SET name = 'x'")
        sites[2].cycle()
        assert sites[2].rows("item", "name") == [("x",), ("x",)]
        sites[2].reload(record_types=TYPES)
        sites.sync()
        assert sites[2].rows("patient") == [("p", "Ama")]


def test_p07_a_record_type_that_syncs_again_in_the_middle_of_a_fill_is_filled_too(tmp_path: Path) -> None:
    """The fill had passed it over when the site got it; nothing but another fill would bring it."""
    with stock_sites(tmp_path, joined=False) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama')")
        sites[2].reload(record_types=TYPES.replace(PATIENT, ""))
        sites[2].line.fail("pull", "lost request", after=4)
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        assert sites[2].rows("msyncd_pulled", "fill_type") == [("invoice",)]
        sites[2].reload(record_types=TYPES)
        sites.sync(2)
        assert sites[2].rows("patient") == [("p", "Ama")]


# --- P25, P26 -------------------------------------------------------------------------------------------------------


def test_p25_no_transaction_is_open_while_the_network_is_used(tmp_path: Path) -> None:
    """While every message is under way, the application can write, at both ends: nothing waits for the reply."""
    with stock_sites(tmp_path) as sites:
        for site in sites:
            # the next push is noted meanwhile, which takes some milliseconds; what is open till the reply never ends
            site.connection.execute("PRAGMA busy_timeout=2000")
        kinds: list[Kind] = []

        def write(kind: Kind) -> None:
            kinds.append(kind)
            sites.primary.write("UPDATE item SET name = name || '.' WHERE id = 'i-1'")
            sites[2].write("INSERT OR REPLACE INTO patient VALUES ('p', ?)", str(len(kinds)))

        invoice(sites[2], "v", "BUM")
        sites[2].line.on_reply = write
        for _ in range(3):
            sites[2].cycle()
        assert {"push", "pull"} <= set(kinds)


def test_p26_news_is_seen_by_a_look_at_the_log_alone(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        satellite = sites[2].satellite
        assert satellite is not None
        waiting: Waiting = satellite.waiting(30)
        assert not sites[2].line.wait(waiting).news
        stock(sites[3], "k", "KAL")
        sites.sync(3)
        assert not sites[2].line.wait(waiting).news  # not for site 2
        sites.primary.write("UPDATE item SET name = 'x'")  # nobody was notified
        assert sites[2].line.wait(waiting).news


def test_p26_waiting_tells_the_primary_what_has_arrived(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        satellite, primary = sites[2].satellite, sites.primary
        assert satellite is not None
        primary.write("UPDATE item SET name = 'x'")

        def to_send() -> int | None:
            with primary.here.database.read() as reader:
                found = peers(reader, primary.here, installed=True, heard={}, now=primary.here.clock())
            return next(one.to_send for one in found if one.sync_id == 2)

        assert to_send()
        assert sites[2].line.wait(satellite.waiting(0)).news, "a place before the change confirms nothing"
        assert to_send()
        sites[2].cycle()
        assert to_send(), "the last pull brought it, and none came after that"
        mute = msgspec.structs.replace(satellite.waiting(0), mark="", database_id="", installation_id="")
        assert not sites[2].line.wait(mute).news, "one that does not say who it is is answered all the same"
        assert to_send()
        assert not sites[2].line.wait(satellite.waiting(0)).news
        assert to_send() == 0
        version = primary.here.database.data_version()
        assert not sites[2].line.wait(satellite.waiting(0)).news
        assert primary.here.database.data_version() == version, "once it is known, nothing is written"


# --- P27 ------------------------------------------------------------------------------------------------------------


def many(tmp_path: Path, **more: Any) -> Sites:
    sites = stock_sites(tmp_path, joined=False, request_size=5, copies_of={1: "all", 3: ["BUM"]}, **more)
    for number in range(40):
        sites.primary.write("INSERT INTO item VALUES (?, ?, 'before')", f"i-{number:03}", f"C{number}")
    sites.sync(2)
    for number in range(12):
        stock(sites[2], f"a{number:02}", "BUM", number)
        invoice(sites[2], f"v{number:02}", "BUM")
    sites.sync(2)
    return sites


def test_p26_a_fill_is_news_though_the_log_has_no_entry_of_it(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        satellite, primary = sites[2].satellite, sites.primary.primary
        assert satellite is not None
        assert primary is not None
        assert not primary.news(2, satellite.waiting(1.0))
        with sites.primary.here.database.write() as writer:
            fills.begin(writer, 2, because="a table was rebuilt", now="", record_type="item")
        assert primary.news(2, satellite.waiting(1.0))
        assert not primary.news(3, satellite.waiting(1.0))
        sites.sync(2)
        assert not primary.news(2, satellite.waiting(1.0))


def test_p27_the_primary_says_what_comes_next_whatever_the_order_of_types_is_here(tmp_path: Path) -> None:
    """The satellite declares first what the primary declares later: nothing is passed over."""
    with stock_sites(tmp_path, joined=False) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama')")
        sites[2].reload(record_types=TYPES.replace(PATIENT, "").replace("record_types:\n", f"record_types:\n{PATIENT}"))
        sites.sync(2)
        assert sites[2].rows("patient") == [("p", "Ama")]
        assert keys(sites[2], "item") == ["i-1", "i-2"]


def test_p27_a_piece_never_overwrites_what_the_log_brought_later(tmp_path: Path) -> None:
    """Records are changed, made and deleted between any two pieces: none of it is lost or undone."""
    with many(tmp_path) as sites:
        number = 0

        def change(kind: Kind) -> None:
            nonlocal number
            if kind == "pull" and number < 12:
                stock(sites[2], f"a{number:02}", "BUM", 100 + number)
                sites[2].write("DELETE FROM invoice WHERE id = ?", f"v{11 - number:02}")
                sites.primary.write("UPDATE item SET name = 'after' WHERE id = ?", f"i-{number:03}")
                sites.sync(2)
                number += 1

        sites[3].line.on_reply = change
        sites[3].cycle()
        sites[3].line.on_reply = None
        assert number > 5
        sites.sync()
        for table in ("item", "stock", "invoice", "line"):
            assert sites[3].rows(table) == sites[2].rows(table)
        assert all(site.quarantine == [] for site in sites)


def test_p27_a_fill_goes_on_where_it_was_after_every_crash(tmp_path: Path) -> None:
    """The satellite dies after each piece, the line is cut, the primary is restarted: no piece is fetched twice."""
    with many(tmp_path) as sites:
        for _ in range(200):
            sites[3].line.fail("pull", "lost reply", after=1)
            sites[3].crash_at("after commit", 3)
            try:
                sites[3].cycle()
            except (Crashed, PeerUnreachable):
                sites.primary.restart()
                sites[3].calm()
                continue
            break
        sites[3].calm()
        sites.sync()
        pieces = [reply.piece for kind, _, reply in sites[3].line.messages if kind == "pull" and reply.piece]
        applied = [(piece.type, piece.after) for piece in pieces]
        assert len(applied) < 2.5 * len(set(applied))  # a lost reply is asked for again, nothing begins anew
        for table in ("item", "stock", "invoice", "line"):
            assert sites[3].rows(table) == sites[2].rows(table)


def test_p27_what_the_primary_refused_of_a_sites_own_stays_there_through_a_fill(tmp_path: Path) -> None:
    """It is sent and settled, so no unsent change protects it; the primary has it not, and will not bring it."""
    strict = SCHEMA.replace("CHECK (quantity >= 0)", "CHECK (quantity < 50)")
    with stock_sites(tmp_path, schema={1: strict, 2: SCHEMA, 3: SCHEMA}) as sites:
        stock(sites[2], "a", "BUM", 99)
        stock(sites[2], "b", "BUM", 9)
        sites.sync()
        assert keys(sites.primary, "stock") == ["b"]
        with sites.primary.here.database.write() as writer:
            fills.begin(writer, 2, because="a test", now="", record_type="stock")
        sites.sync()
        assert keys(sites[2], "stock") == ["a", "b"]


def test_p27_what_a_site_holds_beyond_the_fill_leaves_but_its_own_unsent_records(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        with sites.primary.here.database.write() as writer:
            from msyncd.flow.ledger import fills

            fills.begin(writer, 3, because="a test", now=sites.primary.here.now(), initial=True)
            stocks = sites.primary.here.types.types["stock"]
            writer.begin_applying(1)
            writer.delete(stocks, [("a",)])  # as if its leave had been trimmed
            writer.end_applying()
        stock(sites[3], "mine", "KAL")
        sites[3].write("INSERT INTO patient VALUES ('p', 'mine')")
        sites[3].cycle()
        assert keys(sites[3], "stock") == ["mine"]
        assert keys(sites[3], "patient") == ["p"]
        assert keys(sites[2], "stock") == ["a"]


# --- P28 ------------------------------------------------------------------------------------------------------------


def prepared(tmp_path: Path, *, stock_there: bool = True, **more: Any) -> Sites:
    """Before they first met, both ends had items, all alike, and stock of BUM, which differs."""
    sites = stock_sites(tmp_path, joined=False, **more)
    sites[2].here.database.remove()
    two = sites[2].connection
    for table in ("name", "store", "item"):
        columns = ", ".join(sites.primary.here.types.types[table].columns)
        for row in sites.primary.rows(table, columns):
            two.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(row))})", row)
    columns = "stock (id, store_id, item_id, quantity)"
    if stock_there:
        two.execute(f"INSERT INTO {columns} VALUES ('a', 's-BUM', 'i-1', 2), ('b', 's-BUM', 'i-1', 2)")
    sites.primary.here.database.remove()
    sites.primary.write(f"INSERT INTO {columns} VALUES ('a', 's-BUM', 'i-1', 1), ('c', 's-BUM', 'i-1', 1)")
    sites.primary.restart()
    sites[2].restart()
    return sites


def test_p28_data_on_both_ends_that_differs_changes_nothing_until_it_is_decided(tmp_path: Path) -> None:
    with prepared(tmp_path) as sites:
        before = [site.rows("stock") for site in sites]
        for _ in range(2):
            with pytest.raises(JoiningUndecided, match="stock: 0 the same, 1 different, 1 only here, 1 only there"):
                sites[2].cycle()
        assert [site.rows("stock") for site in sites] == before
        assert sites.primary.quarantine == sites[2].quarantine == []


@pytest.mark.parametrize(("trust", "quantity"), [({"*": "primary"}, 1), ({"stock": "site"}, 2)])
def test_p28_the_side_that_is_trusted_stands(tmp_path: Path, trust: dict[str, str], quantity: int) -> None:
    with prepared(tmp_path) as sites:
        assert sites[2].satellite is not None
        sites[2].satellite.trust = trust
        sites.sync()
        assert sites[2].rows("stock", "id, quantity")[0] == ("a", quantity)
        assert sites.primary.rows("stock") == sites[2].rows("stock")


def test_p28_central_records_that_only_a_site_has_are_not_taken_away_in_its_name(tmp_path: Path) -> None:
    with prepared(tmp_path) as sites:
        sites[2].here.database.remove()
        sites[2].write("INSERT INTO item (id, code, name) VALUES ('mine', 'm', 'only here')")
        sites[2].restart()
        assert sites[2].satellite is not None
        sites[2].satellite.trust = {"*": "site"}
        for _ in range(2):
            with pytest.raises(JoiningUndecided, match="item: edited on the primary only"):
                sites[2].cycle()
        assert "mine" in keys(sites[2], "item")


def test_p28_an_empty_site_needs_no_question_nor_does_one_that_is_alike(tmp_path: Path) -> None:
    with prepared(tmp_path, stock_there=False) as sites:
        sites.sync()  # items, names and stores stood alike at both ends
        assert keys(sites[3], "item") == keys(sites[2], "item") == ["i-1", "i-2"]
        assert keys(sites[2], "stock") == ["a", "c"]


def test_p28_alike_is_what_means_the_same_whatever_the_order_of_columns(tmp_path: Path) -> None:
    other = SCHEMA.replace("code TEXT UNIQUE, name TEXT NOT NULL", "name TEXT NOT NULL, more TEXT, code TEXT UNIQUE")
    assert other != SCHEMA
    with prepared(tmp_path, stock_there=False, schema={1: SCHEMA, 2: other, 3: SCHEMA}) as sites:
        sites.sync()
        assert sites[2].rows("item", "id, code") == sites.primary.rows("item", "id, code")


def test_p28_what_stood_on_a_site_before_init_is_sent(tmp_path: Path) -> None:
    with stock_sites(tmp_path, joined=False) as sites:
        sites[2].here.database.remove()
        sites[2].connection.execute("PRAGMA foreign_keys=OFF")
        stock(sites[2], "a", "BUM")
        sites[2].connection.execute("PRAGMA foreign_keys=ON")
        sites[2].restart()
        sites.sync()
        assert sites.primary.rows("stock", "id, quantity") == [("a", 1)]
        assert keys(sites[2], "stock") == ["a"]
