"""A family travels together, at one age, and goes where its header goes (P3, P9, P10), whichever way it travels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from msyncd.databases.sqlite.reader import SQLiteReader
from msyncd.flow import reach
from msyncd.flow.ahead import Ahead
from msyncd.flow.conversation import Batch, TypeChanges
from msyncd.flow.ledger import fills
from msyncd.flow.ledger.sites import known as known_site
from msyncd.flow.ledger.staged import joined, parted
from msyncd.flow.outbound import read_outgoing
from msyncd.flow.pace import Pace
from msyncd.flow.replying import next_batch
from msyncd.model import START, Cursor, Row
from msyncd.testing import OneSite, Sites
from tests.flow.support import invoice, keys, stock, stock_sites

# --- P3 -------------------------------------------------------------------------------------------------------------


def test_p03_rows_are_read_in_the_look_in_which_the_log_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading of a header and of its line both are changed: what is sent is of one age, then the next."""
    with stock_sites(tmp_path) as sites:
        sites[2].connection.execute("PRAGMA journal_mode=WAL")  # else nobody writes while anyone reads
        invoice(sites[2], "v", "BUM", lines=1)
        held: list[tuple[list[Row], list[Row]]] = []
        rows = SQLiteReader.rows

        def while_read(reader: SQLiteReader, record_type: object, wanted: object) -> dict[Row, Row]:
            found = rows(reader, record_type, wanted)  # type: ignore[arg-type]  # as they came
            if record_type is sites[2].here.types.types["invoice"] and not held:
                held.append(([], []))
                with sites[2].transaction():
                    sites[2].write("UPDATE invoice SET status = 'second'")
                    sites[2].write("UPDATE line SET quantity = 222")
            return found

        def arrived(kind: str) -> None:
            if kind == "push":
                held.append((sites.primary.rows("invoice", "status"), sites.primary.rows("line", "quantity")))

        sites[2].line.on_reply = arrived
        with monkeypatch.context() as patched:
            patched.setattr(SQLiteReader, "rows", while_read)
            sites[2].cycle()
        sites[2].cycle()
        assert held[1:] == [([("new",)], [(0,)]), ([("second",)], [(222,)])]


# --- P9 -------------------------------------------------------------------------------------------------------------


@contextmanager
def _seen(site: OneSite, kind: str, looked_at: OneSite) -> Iterator[list[tuple[int, int]]]:
    """How many headers and lines stand at a site whenever a reply of a kind is on its way to another."""
    found: list[tuple[int, int]] = []

    def look(its_kind: str) -> None:
        if its_kind == kind:
            found.append((len(keys(looked_at, "invoice")), len(keys(looked_at, "line"))))

    site.line.on_reply = look
    yield found
    site.line.on_reply = None


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_p09_no_reader_ever_sees_a_part_of_a_family(tmp_path: Path, direction: str) -> None:
    """Header first, and its lines one by one among other records; the batches are smaller than the family."""
    with stock_sites(tmp_path, request_size=2, copies_of={1: "all", 3: ["BUM"]}) as sites:
        invoice(sites[2], "v", "BUM", lines=1)
        for number in range(12):
            stock(sites[2], f"s{number}", "BUM")
            sites[2].write("INSERT INTO line VALUES (?, 'v', 'i-1', NULL, 1)", f"w-{number}")
        if direction == "pull":
            sites.sync(2)
        sender, receiver = (sites[2], sites.primary) if direction == "push" else (sites[3], sites[3])
        with _seen(sender, direction, receiver) as seen:
            sender.cycle()
        assert set(seen) <= {(0, 0), (1, 13)}
        assert (len(keys(receiver, "invoice")), len(keys(receiver, "line"))) == (1, 13)
        assert len(seen) > 1


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_p09_parts_together_are_the_batch(size: int) -> None:
    """Whatever goes with rows or deletes stays beside them."""
    one = TypeChanges(
        "patient",
        ("id", "name"),
        rows=[("a", "A"), ("b", "B"), ("c", "C")],
        deletes=[("d",), ("e",)],
        delete_stores=["s", None],
        leaves=[("f",)],
        bases=[1, 2, 3],
        delete_bases=[4, 5],
    )
    other = TypeChanges("item", ("id",), rows=[("i",), ("j",)], versions=[6, 7])
    whole = Batch(START, Cursor(0, 9), "mark", (one, other), more=True)
    parts = parted(whole, size)
    assert max(map(len, parts)) <= size
    assert [(part.part, part.parts) for part in parts] == [(number, len(parts)) for number in range(1, len(parts) + 1)]
    assert joined(parts[-1], parts) == whole


def test_p09_a_header_that_comes_after_its_lines_takes_them_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines were changed, then others, then the header: whichever comes first takes the rest with it, once."""
    monkeypatch.setattr(Pace, "after", lambda *_: Pace(1))
    with stock_sites(tmp_path, request_size=1) as sites:
        invoice(sites[2], "v", "BUM", lines=2)
        sites.sync()
        earlier = len(sites[2].line.messages)
        sites[2].write("UPDATE line SET quantity = 50 WHERE id = 'v-0'")
        stock(sites[2], "a", "BUM")
        sites[2].write("DELETE FROM line WHERE id = 'v-1'")
        stock(sites[2], "b", "BUM")
        sites[2].write("UPDATE invoice SET status = 'done'")
        held = []
        sites[2].line.on_reply = lambda _: held.append(
            (sites.primary.rows("invoice", "status"), sites.primary.rows("line", "id, quantity"))
        )
        sites[2].cycle()
        before = ([("new",)], [("v-0", 0), ("v-1", 1)])
        after = ([("done",)], [("v-0", 50)])
        assert [one for one in held if one not in (before, after)] == []
        assert held[-1] == after
        later = [push for kind, push, _ in sites[2].line.messages[earlier:] if kind == "push"]
        assert len(later) > 1
        assert sorted(key for push in later for key in _sent(push)) == ["a", "b", "v", "v-0", "v-1"]  # nothing twice


def _sent(push: object) -> list[str]:
    types = push.batch.types  # type: ignore[attr-defined]  # a Push
    return [str(row[0]) for one in types for row in (*one.rows, *one.deletes)]


def test_p09_a_family_that_reaches_far_through_a_long_log_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long log is looked through once for the families that reach far; what is logged since is looked for as well."""
    monkeypatch.setattr(reach, "NEAR", 5)
    monkeypatch.setattr(reach, "FAR", 15)
    with stock_sites(tmp_path) as sites:
        invoice(sites[2], "v", "BUM", lines=1)
        invoice(sites[2], "w", "BUM", lines=1)
        for number in range(40):
            stock(sites[2], f"s{number}", "BUM")
        sites[2].write("INSERT INTO line VALUES ('far', 'v', 'i-1', NULL, 1)")
        known = Ahead()
        first = _families(sites, known, START, 2)
        assert first == {"v", "v-0", "far"}
        sites[2].write("INSERT INTO line VALUES ('since', 'w', 'i-1', NULL, 1)")
        with sites[2].here.database.read() as reader:
            out = read_outgoing(reader, sites[2].here, sites[2].here.peer(1), START, 2, stopped={}, ahead=Ahead())
        assert _families(sites, known, out.upto, 2) == {"w", "w-0", "since"}


def test_p09_a_header_that_changes_while_a_copy_is_filled_brings_all_its_lines(tmp_path: Path) -> None:
    """A wider copy: the fill brings whole families, and the log may bring one of them first: one line changed."""
    with stock_sites(tmp_path) as sites:
        invoice(sites.primary, "v", "CMS", lines=3)
        invoice(sites.primary, "w", "CMS", lines=3)
        sites.sync()
        sites.primary.reload(copies_of={1: "all", 3: ["CMS"]})
        with sites.primary.transaction():
            sites.primary.write("UPDATE invoice SET status = 'second' WHERE id = 'w'")
            sites.primary.write("UPDATE line SET quantity = 7 WHERE id = 'w-1'")
        here = sites.primary.here
        with here.database.read() as reader:
            (fill,) = fills.fills(reader, 3)
            known, pulled = known_site(reader, 3), fill.boundary
        reply = next_batch(here, here.peer(3), known, pulled, 100).reply
        assert reply.batch is not None
        assert {row[0] for one in reply.batch.types for row in one.rows} == {"w", "w-0", "w-1", "w-2"}
        sites.sync()
        assert len(keys(sites[3], "line")) == 6
        with here.database.read() as reader:
            known = known_site(reader, 3)
            assert fills.fills(reader, 3) == []
        sites.primary.write("UPDATE invoice SET status = 'third' WHERE id = 'w'")
        reply = next_batch(here, here.peer(3), known, known.confirmed, 100).reply
        assert reply.batch is not None
        assert {row[0] for one in reply.batch.types for row in one.rows} == {"w"}, "else only what changed travels"


def _families(sites: Sites, known: Ahead, after: object, limit: int) -> set[str]:
    here = sites[2].here
    with here.database.read() as reader:
        out = read_outgoing(reader, here, here.peer(1), after, limit, stopped={}, ahead=known)  # type: ignore[arg-type]
    return {str(row[0]) for one in out.types for row in one.rows if one.type != "stock"}


# --- P10 ------------------------------------------------------------------------------------------------------------

REDIRECTS = """
from msyncd import Replace, hookimpl


@hookimpl
def msyncd_check(record_type, changes, origin):
    if record_type.name != "invoice" or origin == 1:
        return None
    return [Replace((*row[:2], "n-KAL", *row[3:])) if row and row[3] == "redirect" else None for row in changes.rows]
"""


def test_p10_lines_follow_a_header_that_the_primary_itself_sends_elsewhere(tmp_path: Path) -> None:
    """The satellite touched only the header, and not its route: the primary's plugin did, and the lines go along."""
    plugin = tmp_path / "redirects.py"
    plugin.write_text(REDIRECTS)
    with stock_sites(tmp_path, plugins=[plugin]) as sites:
        invoice(sites[2], "v", "BUM", lines=2)
        sites.sync()
        assert keys(sites[3], "line") == []
        sites[2].write("UPDATE invoice SET status = 'redirect'")
        sites.sync()
        assert sites[3].rows("invoice", "id, name_id") == [("v", "n-KAL")]
        assert keys(sites[3], "line") == ["v-0", "v-1"]


def test_p10_lines_of_a_header_that_moves_to_another_store_leave_the_copies_of_the_first(tmp_path: Path) -> None:
    """On the primary no line is touched: its lines are in the log all the same."""
    active = {1: ["CMS", "ANX"], 2: ["BUM"], 3: ["KAL"]}
    with stock_sites(tmp_path, active_stores=active, copies_of={1: "all", 2: ["CMS"], 3: ["ANX"]}) as sites:
        invoice(sites.primary, "v", "CMS", lines=2)
        sites.sync()
        assert (keys(sites[2], "line"), keys(sites[3], "line")) == (["v-0", "v-1"], [])
        sites.primary.write("UPDATE invoice SET store_id = 's-ANX'")
        sites.sync()
        assert (keys(sites[2], "line"), keys(sites[3], "line")) == ([], ["v-0", "v-1"])
        assert (keys(sites[2], "invoice"), keys(sites[3], "invoice")) == ([], ["v"])
