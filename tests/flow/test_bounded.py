"""Memory is bounded by a batch: how much is read, sent and held at once does not grow with what the tables hold."""

import gc
import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from msyncd.databases.interface import Writer
from msyncd.databases.sqlite.reader import SQLiteReader
from msyncd.flow import inbound, portion, pour, pulling, serving
from msyncd.flow.compare.repair import compare
from msyncd.flow.conversation import Piece, Pull, PullReply
from msyncd.flow.ledger import fills
from msyncd.flow.outbound import MOST_BYTES
from msyncd.flow.portion import MOST_ROOTS, Stride
from msyncd.flow.values import size_of
from msyncd.testing import Crashed, Kind, OneSite, Sites
from tests.flow.support import invoice, keys, stock, stock_sites

INVOICE = "INSERT INTO invoice (id, store_id, status) VALUES (?, 's-BUM', 'fn')"
LINE = "INSERT INTO line (id, invoice_id, item_id, quantity) VALUES (?, ?, 'i-1', 1)"


def country(tmp_path: Path, families: int, lines: int, **more: Any) -> Sites:
    """Site 3 is to have a copy of BUM, of which the primary holds so many invoices with so many lines each."""
    sites = stock_sites(tmp_path, joined=False, copies_of={1: "all", 3: ["BUM"]}, **more)
    sites.sync(2)
    put_invoices(sites[2], 0, families, lines)
    sites.sync(2)
    return sites


def put_invoices(site: OneSite, first: int, families: int, lines: int) -> None:
    with site.transaction() as connection:
        for number in range(first, first + families):
            connection.execute(INVOICE, (f"v{number:05}",))
            for line in range(lines):
                connection.execute(LINE, (f"v{number:05}-{line:05}", f"v{number:05}"))


def pieces(site: OneSite) -> list[tuple[Pull, Piece]]:
    """What a site asked for and was given in pieces."""
    asked = [(request, reply) for kind, request, reply in site.line.messages if kind == "pull"]
    return [(pull, reply.piece) for pull, reply in asked if isinstance(reply, PullReply) and reply.piece is not None]


def records_of(piece: Piece) -> int:
    return sum(map(len, piece.types))


def roots_of(piece: Piece) -> int:
    return sum(len(one) for one in piece.types if one.type == piece.type)


@contextmanager
def most_rows_in_a_look(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many rows each look at the application's tables gave."""
    counts = [0]
    for name in ("page", "children_of", "rows"):
        original = getattr(SQLiteReader, name)

        def counted(*arguments: Any, original: Any = original, **options: Any) -> Any:
            found = original(*arguments, **options)
            counts.append(len(found))
            return found

        monkeypatch.setattr(SQLiteReader, name, counted)
    yield counts
    monkeypatch.undo()


# --- at the primary -------------------------------------------------------------------------------------------------


def test_p27_a_piece_has_no_more_records_than_were_asked_for_its_lines_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Families of 12, then some of 300: none is divided, and none beyond the first makes a piece too large."""
    monkeypatch.setattr(serving, "MOST_RECORDS", 400)
    with country(tmp_path, 400, 12, request_size=60) as sites:
        put_invoices(sites[2], 400, 20, 300)
        put_invoices(sites[2], 420, 200, 1)
        sites.sync(2)
        with most_rows_in_a_look(monkeypatch) as counts:
            sites[3].cycle()
        assert sites[3].rows("line") == sites[2].rows("line")
        given = [(min(pull.records, 400), records_of(piece), roots_of(piece)) for pull, piece in pieces(sites[3])]
        assert [one for one in given if one[1] > one[0] and one[2] > 1] == []
        assert max(records for records, _, _ in given) == 400
        assert max(counts) <= 401, "what is read and then not sent takes memory as well"


def test_p27_a_piece_has_no_more_bytes_than_a_batch(tmp_path: Path) -> None:
    """Small items, large ones behind them, then small ones again: 20,000 records are asked for all the time."""
    with stock_sites(tmp_path, joined=False, request_size=20_000) as sites:
        for number in range(1200):
            sites.primary.write("INSERT INTO item VALUES (?, NULL, 'small')", f"j{number:05}")
        for number in range(40):
            sites.primary.write("INSERT INTO item VALUES (?, NULL, ?)", f"k{number:05}", "x" * (MOST_BYTES // 7))
        for number in range(1200):
            sites.primary.write("INSERT INTO item VALUES (?, NULL, 'small')", f"l{number:05}")
        sites.sync(2)
        assert sites[2].rows("item") == sites.primary.rows("item")
        given = [piece for _, piece in pieces(sites[2]) if piece.type == "item"]
        sizes = [size_of([row for one in piece.types for row in one.rows]) for piece in given]
        assert max(sizes) <= MOST_BYTES + 100
        assert len(sizes) < 20, "and each is as full as it may be, about"


def test_p13_a_row_that_is_too_large_does_not_stop_a_fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("msyncd.flow.outbound.MOST_ROW_BYTES", 1000)
    with stock_sites(tmp_path, joined=False) as sites:
        sites.primary.write("INSERT INTO item VALUES ('large', NULL, ?)", "x" * 2000)
        sites.sync(2)
        assert keys(sites[2], "item") == ["i-1", "i-2"]
        (kept,) = sites.primary.quarantine
        assert (kept.record_type, kept.key) == ("item", ("large",))
        assert "bytes" in kept.reason


BROKEN = "CAST(x'ff' AS TEXT)"


def test_p13_rows_that_cannot_be_read_do_not_stop_a_fill(tmp_path: Path) -> None:
    """A header takes its lines along, a line nothing; each is named at the primary, and goes once it is corrected."""
    with stock_sites(tmp_path, joined=False, copies_of={1: "all", 2: ["CMS"]}) as sites:
        primary = sites.primary
        primary.write(f"INSERT INTO item VALUES ('bad', NULL, {BROKEN})")
        for key in ("v1", "v2", "v3"):
            invoice(primary, key, "CMS")
        primary.write(f"UPDATE invoice SET status = {BROKEN} WHERE id = 'v1'")
        primary.write(f"UPDATE line SET quantity = {BROKEN} WHERE id = 'v2-1'")
        with primary.here.database.write() as writer:
            fills.begin(writer, 2, because="all anew", now="", initial=True)
        sites.sync(2)
        assert keys(sites[2], "item") == ["i-1", "i-2"]
        assert (keys(sites[2], "invoice"), keys(sites[2], "line")) == (["v2", "v3"], ["v2-0", "v3-0", "v3-1"])
        kept = sorted((one.record_type, one.key[0]) for one in primary.quarantine)
        assert kept == [("invoice", "v1"), ("item", "bad"), ("line", "v2-1")]
        primary.write("UPDATE item SET name = 'good' WHERE id = 'bad'")
        primary.write("UPDATE line SET quantity = 1 WHERE id = 'v2-1'")
        sites.sync(2)
        assert keys(sites[2], "item") == ["bad", "i-1", "i-2"]
        assert keys(sites[2], "line") == ["v2-0", "v2-1", "v3-0", "v3-1"]


def test_p13_a_row_here_that_cannot_be_read_stops_neither_a_fill_nor_a_comparison(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 2: ["CMS"]}) as sites:
        invoice(sites.primary, "v", "CMS")
        sites.sync()
        broken(sites[2], "item", "name", "i-1")
        broken(sites[2], "line", "quantity", "v-0")
        assert sites[2].satellite is not None
        found = {one.record_type: list(one.differing) for one, _ in compare(sites[2].satellite, sites[2].cycle)}
        assert (found["item"], found["line"], found["name"]) == ([("i-1",)], [("v-0",)], [])
        with sites.primary.here.database.write() as writer:
            fills.begin(writer, 2, because="all anew", now="", initial=True)
        sites.sync(2)
        assert sites[2].rows("item") == sites.primary.rows("item")
        assert sites[2].rows("line") == sites.primary.rows("line")


def broken(site: OneSite, table: str, column: str, key: str) -> None:
    """A disk that fails, or a program that goes around the triggers, leaves what is no text."""
    with closing(sqlite3.connect(site.folder / "site.db")) as connection:
        connection.execute("INSERT INTO msyncd_applying SELECT id, 1 FROM msyncd_record_type")
        connection.execute(f"UPDATE {table} SET {column} = {BROKEN} WHERE id = ?", (key,))
        connection.execute("DELETE FROM msyncd_applying")
        connection.commit()


def test_of_a_type_of_which_next_to_nothing_goes_to_the_site_a_piece_looks_at_a_bounded_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter lets one in a hundred pass: pieces end nevertheless, and say how far they got."""
    monkeypatch.setattr(portion, "MOST_LOOKED_AT", 300)
    monkeypatch.setattr(portion, "MOST_ROOTS", 100)
    plugin = tmp_path / "few.py"
    plugin.write_text(
        "from msyncd import hookimpl\n\n\n@hookimpl\ndef msyncd_filter(record_type, changes):\n"
        "    if record_type.name != 'patient':\n        return None\n"
        "    return changes.select(at for at, key in enumerate(changes.keys) if key[0].endswith('00'))\n"
    )
    with stock_sites(tmp_path / "sites", joined=False, request_size=1000) as sites:
        with sites.primary.transaction() as connection:
            for number in range(2000):
                connection.execute("INSERT INTO patient VALUES (?, 'x')", (f"p{number:04}",))
        sites.primary.reload(plugins=[plugin])
        sites[2].cycle()
        assert keys(sites[2], "patient") == [f"p{number:04}" for number in range(0, 2000, 100)]
        assert len([one for _, one in pieces(sites[2]) if one.type == "patient"]) >= 2000 // 300


@pytest.mark.parametrize(
    ("stride", "limit", "roots"),
    [
        (Stride(), 20_000, 16),
        (Stride(), 5, 5),
        (Stride("other", 500, 5000, 10_000), 20_000, 16),
        (Stride("invoice", 100, 1300, 100_000), 1300, 90),
        (Stride("invoice", 100, 1300, 100_000), 5, 1),
        (Stride("invoice", 100, 1300, 100_000), 20_000, 400),
        (Stride("invoice", 400, 400, 4000), 20_000, MOST_ROOTS),
        (Stride("invoice", 10, 10, 10 * MOST_BYTES), 20_000, 1),
        (Stride("invoice", 300, 0, 0), 20_000, MOST_ROOTS),
    ],
)
def test_a_piece_begins_with_as_many_roots_as_the_last_one_makes_likely(stride: Stride, limit: int, roots: int) -> None:
    assert stride.first("invoice", limit) == roots


# --- at the satellite -----------------------------------------------------------------------------------------------


def left_behind(sites: Sites, families: int, lines: int) -> None:
    """Site 3 holds so many families beyond what the primary has of BUM, and begins anew."""
    put_invoices(sites[2], 0, families, lines)
    stock(sites[2], "stays", "BUM")
    sites.sync()
    primary = sites.primary
    with primary.here.database.write() as writer:
        fills.begin(writer, 3, because="a test", now=primary.here.now(), initial=True)
        writer.begin_applying(1)
        for name in ("line", "invoice"):
            record_type = primary.here.types.types[name]
            keys = [row[:1] for row in primary.rows(name, "id") if not str(row[0]).startswith("v00001")]
            writer.delete(record_type, keys)  # as if its leave had been trimmed
        writer.end_applying()


@pytest.mark.parametrize("lines", [1, 5])
def test_p27_what_leaves_is_let_go_of_some_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    """Thousands stand here beyond a piece, and the site dies after each step: what remains leaves after that."""
    monkeypatch.setattr(pour, "PAGE", 50)
    monkeypatch.setattr(pour, "MOST_LEAVES", 100)
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}, request_size=20_000) as sites:
        left_behind(sites, 600, lines)
        work: list[int] = []
        original = inbound.take_in

        def counted(writer: Writer, here: Any, batchwork: Any, *arguments: Any) -> Any:
            work.append(sum(map(len, batchwork.values())))
            return original(writer, here, batchwork, *arguments)

        monkeypatch.setattr(pulling, "take_in", counted)
        died = 0
        for _ in range(40):
            sites[3].crash_at("after commit", 4)
            try:
                sites[3].cycle()
            except Crashed:
                sites[3].calm()
                died += 1
                continue
            break
        sites[3].calm()
        monkeypatch.undo()
        sites.sync(3)
        assert died > 3
        assert max(work) <= 200
        assert keys(sites[3], "invoice") == ["v00001"]
        assert keys(sites[3], "line") == [f"v00001-{line:05}" for line in range(lines)]
        assert keys(sites[3], "stock") == ["stays"]
        assert sites[3].quarantine == []


def test_p27_a_large_family_leaves_alone_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pour, "MOST_LEAVES", 100)
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}, request_size=20_000) as sites:
        put_invoices(sites[2], 1000, 1, 300)
        left_behind(sites, 60, 3)
        seen: set[int] = set()
        original = inbound.take_in

        def looked(writer: Writer, *arguments: Any) -> Any:
            done = original(writer, *arguments)
            seen.add(len(writer.execute("SELECT id FROM line WHERE invoice_id = 'v01000'")))
            return done

        monkeypatch.setattr(pulling, "take_in", looked)
        sites[3].cycle()
        assert seen == {0, 300}
        assert keys(sites[3], "invoice") == ["v00001"]


def test_p27_what_is_written_while_others_leave_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application writes between two steps; and a line that now stands under another header arrives there."""
    monkeypatch.setattr(pour, "PAGE", 50)
    monkeypatch.setattr(pour, "MOST_LEAVES", 100)
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}, request_size=20_000) as sites:
        left_behind(sites, 300, 3)
        primary = sites.primary
        with primary.here.database.write() as writer:
            writer.begin_applying(1)
            line = primary.here.types.types["line"]
            row = writer.rows(line, [("v00001-00000",)])[("v00001-00000",)]
            writer.upsert(line, line.columns, [("v00299-00000", *row[1:])])
            writer.end_applying()
        steps = written = 0
        original = inbound.take_in

        def beside(writer: Writer, here: Any, work: Any, *arguments: Any) -> Any:
            nonlocal steps, written
            written += "invoice" in work and len(work["invoice"].writes) > 0
            done = original(writer, here, work, *arguments)
            steps += 1
            return done

        with_care = sites[3].here.database.with_care

        def between(work: Any) -> Any:
            done = with_care(work)
            if steps == 4:
                invoice(sites[3], "mine", "KAL")
                sites[3].write("INSERT OR REPLACE INTO patient VALUES ('v', 'mine')")
            return done

        monkeypatch.setattr(pulling, "take_in", beside)
        monkeypatch.setattr(sites[3].here.database, "with_care", between)
        sites[3].cycle()
        monkeypatch.undo()
        assert steps > 6
        assert written == 1
        assert set(keys(sites[3], "invoice")) == {"v00001", "mine"}
        assert "v00299-00000" in keys(sites[3], "line")
        assert keys(sites[3], "patient") == ["v"]
        sites.sync()
        assert sites.primary.rows("invoice") == sites[3].rows("invoice")


# --- both ends together ---------------------------------------------------------------------------------------------


def peak_of_fill(tmp_path: Path, families: int) -> int:
    """The most bytes that Python objects took while site 3 was filled, beyond what a collection may leave for later."""
    with country(tmp_path, families, 12, request_size=500) as sites:
        line = sites[3].line

        def forget(_kind: Kind) -> None:
            line.messages.clear()  # the test's own memory of what was said
            gc.collect()

        line.on_reply = forget
        tracemalloc.start()
        try:
            sites[3].cycle()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            assert len(keys(sites[3], "invoice")) == families


def test_the_peak_of_a_fill_does_not_grow_with_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight times as many records take no more memory, once there are more of them than fit a piece."""
    monkeypatch.setattr(serving, "MOST_RECORDS", 500)
    monkeypatch.setattr("msyncd.flow.pulling.perf_counter", lambda: 0.0)  # pieces grow as on the best of lines
    few, many = peak_of_fill(tmp_path / "few", 100), peak_of_fill(tmp_path / "many", 800)
    assert many < 1.2 * few, (few, many)


def test_a_slow_look_at_the_primary_is_not_held_against_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pull takes five seconds, of which the primary says that reading took them: pieces still grow."""
    now = 0.0
    monkeypatch.setattr("msyncd.flow.pulling.perf_counter", lambda: now)
    with stock_sites(tmp_path, joined=False, request_size=20) as sites:
        with sites.primary.transaction() as connection:
            for number in range(1000):
                connection.execute("INSERT INTO patient VALUES (?, 'x')", (f"p{number:04}",))
        satellite = sites[2].satellite
        assert satellite is not None
        pull = satellite.peer.pull

        def slow(message: Pull) -> PullReply:
            nonlocal now
            now += 5.0
            return msgspec.structs.replace(pull(message), seconds=5.0)

        monkeypatch.setattr(satellite.peer, "pull", slow)
        sites[2].cycle()
        assert max(message.records for message, _ in pieces(sites[2])) > 300
        assert len(sites[2].rows("patient")) == 1000


def test_the_primary_says_how_long_it_read(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        sites[2].cycle()
        replies = [reply for kind, _, reply in sites[2].line.messages if kind == "pull"]
        assert all(isinstance(reply, PullReply) and 0 < reply.seconds < 60 for reply in replies)
