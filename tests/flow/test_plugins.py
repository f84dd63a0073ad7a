"""Plugins in the flow, each a third party's file: verdicts, filters, routes, what is told, and what a failure costs."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from msyncd.errors import Interrupted, PeerUnreachable
from msyncd.testing import Crashed, Fault, Sites
from tests.flow.support import invoice, keys, logged, stock, stock_sites

HEAD = "from msyncd import Allow, Refuse, Replace, Route, Wait, hookimpl\n\n\n@hookimpl\n"


def with_plugin(folder: Path, source: str, **more: Any) -> Sites:
    """Sites that load this plugin, each its own copy of the module."""
    return stock_sites(folder, plugins=[plugin(folder, source)], **more)


def plugin(folder: Path, source: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "third_party.py"
    path.write_text(HEAD + source)
    return path


def test_refuse_is_told_with_its_reason_at_both_ends(tmp_path: Path) -> None:
    source = """def msyncd_check(record_type, changes, context):
    if record_type.name == "stock" and context.site == 1:
        return [Refuse(f"{q} is too much") if q and q > 50 else None for q in changes.column("quantity")]
"""
    with with_plugin(tmp_path, source) as sites:
        stock(sites[2], "a", "BUM", 99)
        stock(sites[2], "b", "BUM", 1)
        sites.sync()
        assert keys(sites.primary, "stock") == ["b"]
        for site in (sites.primary, sites[2]):
            assert [(one.key, one.reason, one.plugin) for one in site.quarantine] == [
                (("a",), "99 is too much", "third_party")
            ]
        assert sites[2].rows("stock", "id, quantity")[0] == ("a", 99)  # it stays as its owner wrote it


def test_wait_is_tried_again_by_itself_with_each_batch(tmp_path: Path) -> None:
    source = """def msyncd_check(record_type, changes, context):
    if record_type.name == "stock" and context.site == 1:
        open_ = {row["id"] for row in context.db["patient"].all()}
        return [None if key[0] in open_ else Wait("its patient") for key in changes.keys]
"""
    with with_plugin(tmp_path, source, request_size=1) as sites:
        seen: list[list[str]] = []
        sites[2].line.on_reply = lambda _: seen.append([one.reason for one in sites.primary.waiting])
        stock(sites[2], "a", "BUM")
        sites[2].write("INSERT INTO patient VALUES ('a', 'Ama')")
        sites[2].write("INSERT INTO patient VALUES ('z', 'Kofi')")
        sites.sync()
        assert ["its patient"] in seen
        assert keys(sites.primary, "stock") == ["a"]
        assert sites.primary.quarantine == sites.primary.waiting == []


def test_p17_what_a_plugin_lets_wait_is_in_quarantine_once_its_sender_is_level(tmp_path: Path) -> None:
    source = """def msyncd_check(record_type, changes, context):
    if record_type.name == "stock" and context.site == 1:
        return [Wait("the count is open") for _ in changes.keys]
"""
    with with_plugin(tmp_path, source) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        assert sites.primary.waiting == []
        for site in (sites.primary, sites[2]):
            assert [(one.reason, one.plugin) for one in site.quarantine] == [
                ("waited: the count is open", "third_party")
            ]


def test_replace_stands_at_the_primary_and_comes_back_to_its_site(tmp_path: Path) -> None:
    source = """def msyncd_check(record_type, changes, context):
    if record_type.name == "stock" and context.site == 1:
        at = record_type.index("quantity")
        return [Replace((*row[:at], 10, *row[at + 1:])) if row and row[at] > 10 else None for row in changes.rows]
"""
    with with_plugin(tmp_path, source, copies_of={1: "all", 3: ["BUM"]}) as sites:
        stock(sites[2], "a", "BUM", 99)
        sites.sync()
        assert [site.rows("stock", "quantity") for site in sites] == [[(10,)]] * 3
        assert all(site.quarantine == [] for site in sites)


@pytest.mark.parametrize("site", [2, 3])
def test_p20_no_plugin_puts_a_record_into_a_store_that_its_site_may_not_edit(tmp_path: Path, site: int) -> None:
    """A row that is given another store belongs there: from site 3, which has both, it moves; from site 2 not."""
    source = """def msyncd_check(record_type, changes, context):
    if record_type.name == "invoice" and context.site == 1:
        return [Replace((row[0], "s-KDI", *row[2:])) for row in changes.rows]
"""
    sent_as = {2: "BUM", 3: "KAL"}[site]
    with with_plugin(tmp_path, source, copies_of={1: "all", 2: ["KDI"]}) as sites:
        invoice(sites[site], "v", sent_as)
        sites.sync()
        assert sites[3].rows("invoice", "id, store_id") == ([("v", "s-KDI")] if site == 3 else [])
        assert keys(sites.primary, "line") == keys(sites[3], "line") == (["v-0", "v-1"] if site == 3 else [])
        assert sites[2].rows("invoice", "id, store_id") == [("v", "s-KDI" if site == 3 else "s-BUM")]
        assert keys(sites[2], "line") == ["v-0", "v-1"]
        if site == 2:
            (header,) = [one for one in sites.primary.quarantine if one.record_type == "invoice"]
            assert (header.plugin, header.row) == ("third_party", ("v", "s-BUM", "n-x", "new", None))
            assert header.reason == (
                "replaced by a row that site 2 may not send: store KDI is active on site 3, not on 2"
            )
            assert {one.key for one in sites[2].quarantine} == {("v",), ("v-0",), ("v-1",)}


@pytest.mark.parametrize("hook", ["check", "before_apply", "applied"])
def test_a_plugin_that_raises_costs_only_its_own_changes(tmp_path: Path, hook: str) -> None:
    sources = {
        "check": """def msyncd_check(record_type, changes, context):
    if context.site == 1 and ("a3",) in changes.keys:
        raise ValueError("the author's mistake")
""",
        "before_apply": """def msyncd_before_apply(transaction, batch):
    if transaction.site == 1 and any(("a3",) in c.keys for c in batch.new.values()):
        raise ValueError("the author's mistake")
""",
        "applied": """def msyncd_applied(transaction, batch):
    if transaction.site == 1 and any(("a3",) in c.keys for c in batch.new.values()):
        raise ValueError("the author's mistake")
""",
    }
    with with_plugin(tmp_path, sources[hook]) as sites:
        for number in range(7):
            stock(sites[2], f"a{number}", "BUM")
        invoice(sites[2], "v", "BUM")
        sites.sync()
        (entry,) = sites.primary.quarantine
        assert (entry.key, entry.plugin) == (("a3",), "third_party")
        assert "the author's mistake" in entry.reason
        assert "Traceback" in entry.detail
        assert keys(sites.primary, "stock") == ["a0", "a1", "a2", "a4", "a5", "a6"]
        assert keys(sites.primary, "line") == ["v-0", "v-1"]


@pytest.mark.parametrize("hook", ["route", "filter"])
def test_a_plugin_that_raises_at_the_sender_keeps_only_those_changes_back(tmp_path: Path, hook: str) -> None:
    source = f"""def msyncd_{hook}(record_type, changes, context):
    if context.site == 1 and ("i-bad",) in changes.keys:
        raise ValueError("the author's mistake")
"""
    with with_plugin(tmp_path, source) as sites:
        sites.primary.write("INSERT INTO item VALUES ('i-bad', 'B', 'bad'), ('i-good', 'G', 'good')")
        sites.primary.write("INSERT INTO patient VALUES ('p', 'Ama')")
        sites.sync()
        for satellite in sites.satellites:
            assert keys(satellite, "item") == ["i-1", "i-2", "i-good"]
            assert keys(satellite, "patient") == ["p"]
        assert {one.key for one in sites.primary.quarantine} == {("i-bad",)}


def test_p07_what_a_filter_left_out_is_owed_and_filled_in_when_it_changes(tmp_path: Path) -> None:
    source = """def msyncd_filter(record_type, changes, peer, direction):
    if record_type.name in ("item", "stock"):
        return changes.select(at for at, key in enumerate(changes.keys) if "secret" not in key[0])
"""
    with with_plugin(tmp_path, source) as sites:
        sites.primary.write("INSERT INTO item VALUES ('secret', 'S', 'x'), ('open', 'O', 'y')")
        stock(sites[2], "secret stock", "BUM")
        sites.sync()
        assert keys(sites[2], "item") == ["i-1", "i-2", "open"]
        assert keys(sites.primary, "stock") == []
        assert {(row[0], row[1]) for row in sites.primary.rows("msyncd_owed", "site, type")} == {
            (2, "item"),
            (3, "item"),
        }
        sites.reload()  # nothing changed: nothing is filled in
        sites.sync()
        assert keys(sites[2], "item") == ["i-1", "i-2", "open"]
        plugin(tmp_path, source.replace('"secret"', '"nothing"'))
        sites.reload()
        sites.sync()
        assert keys(sites[2], "item") == keys(sites[3], "item") == ["i-1", "i-2", "open", "secret"]
        assert keys(sites.primary, "stock") == ["secret stock"]
        assert all(site.rows("msyncd_owed") == [] for site in sites)


def test_p07_what_a_filter_left_out_of_a_fill_is_filled_in_when_it_changes(tmp_path: Path) -> None:
    """It stood before the fill's boundary, so that no entry of the log beyond that names it."""
    source = """def msyncd_filter(record_type, changes, peer, direction):
    return changes.select(at for at, key in enumerate(changes.keys) if "secret" not in key[0])
"""
    with with_plugin(tmp_path, source, joined=False) as sites:
        sites.primary.write("INSERT INTO item VALUES ('secret', 'S', 'x')")
        sites.sync()
        assert keys(sites[2], "item") == ["i-1", "i-2"]
        plugin(tmp_path, source.replace('"secret"', '"nothing"'))
        sites.reload()
        sites.sync()
        assert keys(sites[2], "item") == keys(sites[3], "item") == ["i-1", "i-2", "secret"]
        assert all(site.rows("msyncd_owed") == [] for site in sites)


def test_p11_a_route_that_a_plugin_adds_and_takes_away(tmp_path: Path) -> None:
    """Stock that is worth it goes to site 3 too; when it is not any more, it leaves there and nowhere else."""
    source = """def msyncd_route(record_type, changes):
    if record_type.name == "stock":
        return [Route(add_sites=frozenset({3})) if (q or 0) > 50 else None for q in changes.column("quantity")]
"""
    with with_plugin(tmp_path, source) as sites:
        stock(sites[2], "a", "BUM", 99)
        stock(sites[2], "b", "BUM", 1)
        sites.sync()
        assert keys(sites[3], "stock") == ["a"]
        stock(sites[2], "a", "BUM", 2)
        sites.sync()
        assert keys(sites[3], "stock") == []
        assert keys(sites[2], "stock") == keys(sites.primary, "stock") == ["a", "b"]


def test_p11_a_record_that_a_plugin_sent_with_the_fill_leaves_again_too(tmp_path: Path) -> None:
    source = """def msyncd_route(record_type, changes):
    if record_type.name == "stock":
        return [Route(add_sites=frozenset({3})) if (q or 0) > 50 else None for q in changes.column("quantity")]
"""
    with with_plugin(tmp_path, source, joined=False) as sites:
        sites.sync(2)
        stock(sites[2], "a", "BUM", 99)
        sites.sync(2)
        sites.sync(3)
        assert keys(sites[3], "stock") == ["a"]
        stock(sites[2], "a", "BUM", 2)
        sites.sync()
        assert keys(sites[3], "stock") == []


def test_a_deleted_record_goes_from_where_a_plugin_sent_it(tmp_path: Path) -> None:
    source = """def msyncd_route(record_type, changes):
    if record_type.name == "stock":
        return [Route(add_sites=frozenset({3}))] * len(changes)
"""
    with with_plugin(tmp_path, source) as sites:
        stock(sites[2], "a", "BUM", 99)
        sites.sync()
        assert keys(sites[3], "stock") == ["a"]
        sites[2].write("DELETE FROM stock")
        sites.sync()
        assert keys(sites[3], "stock") == []


def test_a_route_that_removes_beats_one_that_adds(tmp_path: Path) -> None:
    source = """def msyncd_route(record_type, changes):
    if record_type.name == "item":
        return [Route(remove_sites=frozenset({3})) if "n" in key[0] else None for key in changes.keys]
"""
    with with_plugin(tmp_path, source) as sites:
        sites.primary.write("INSERT INTO item VALUES ('not for 3', 'S', 'x')")
        sites.sync()
        assert keys(sites[2], "item") == ["i-1", "i-2", "not for 3"]
        assert keys(sites[3], "item") == ["i-1", "i-2"]


def test_p10_lines_go_where_a_plugin_sends_their_header(tmp_path: Path) -> None:
    source = """def msyncd_route(record_type, changes):
    if record_type.name == "invoice":
        return [Route(add_sites=frozenset({3})) if s == "shared" else None for s in changes.column("status")]
"""
    with with_plugin(tmp_path, source) as sites:
        invoice(sites[2], "v", "BUM")
        sites[2].write("UPDATE invoice SET status = 'shared'")
        sites.sync()
        assert keys(sites[3], "invoice") == ["v"]
        assert keys(sites[3], "line") == ["v-0", "v-1"]


SHARED = """def msyncd_route(record_type, changes):
    if record_type.name == "invoice":
        return [Route(add_sites=frozenset({3})) if s == "shared" else None for s in changes.column("status")]
"""


@pytest.mark.parametrize("owner", [1, 2])
def test_p10_lines_follow_a_header_that_a_plugin_sends_elsewhere_later(tmp_path: Path, owner: int) -> None:
    """Nobody wrote the lines: they come and go with their header all the same."""
    with with_plugin(tmp_path, SHARED) as sites:
        invoice(sites[owner], "v", {1: "CMS", 2: "BUM"}[owner])
        sites.sync()
        assert keys(sites[3], "invoice") == []
        sites[owner].write("UPDATE invoice SET status = 'shared'")
        sites.sync()
        assert (keys(sites[3], "invoice"), keys(sites[3], "line")) == (["v"], ["v-0", "v-1"])
        sites[owner].write("UPDATE invoice SET status = 'done'")
        sites.sync()
        assert (keys(sites[3], "invoice"), keys(sites[3], "line")) == ([], [])
        assert logged(sites[3]) == []
        assert all(site.quarantine == [] for site in sites)


@pytest.mark.parametrize("owner", [1, 2])
def test_p10_lines_come_again_with_a_header_that_had_left(tmp_path: Path, owner: int) -> None:
    with with_plugin(tmp_path, SHARED) as sites:
        invoice(sites[owner], "v", {1: "CMS", 2: "BUM"}[owner])
        for status in ("shared", "done", "shared", "done", "shared"):
            sites[owner].write("UPDATE invoice SET status = ?", status)
            sites.sync()
        assert (keys(sites[3], "invoice"), keys(sites[3], "line")) == (["v"], ["v-0", "v-1"])
        assert all(site.quarantine == [] for site in sites)


@pytest.mark.parametrize("fault", ["lost request", "lost reply", "doubled", "late", "crash", "primary restarts"])
@pytest.mark.parametrize("status", ["shared", "done"])
def test_p10_lines_follow_a_header_though_the_reply_with_it_was_lost(tmp_path: Path, fault: Fault, status: str) -> None:
    """What was noted as sent before the reply left did not arrive: it is sent again whole."""
    with with_plugin(tmp_path, SHARED) as sites:
        invoice(sites[2], "v", "BUM")
        sites[2].write("UPDATE invoice SET status = ?", "new" if status == "shared" else "shared")
        sites.sync()
        sites[2].write("UPDATE invoice SET status = ?", status)
        sites.sync(2)
        for _ in range(2):
            sites[3].line.fail("pull", fault)
            with suppress(PeerUnreachable, Crashed):
                sites[3].cycle()
        sites[3].line.deliver_late()
        sites.sync()
        there = status == "shared"
        assert keys(sites[3], "invoice") == (["v"] if there else [])
        assert keys(sites[3], "line") == (["v-0", "v-1"] if there else [])
        assert all(site.quarantine == [] for site in sites)


def test_p11_what_a_fill_brought_because_of_a_plugin_leaves_again(tmp_path: Path) -> None:
    with with_plugin(tmp_path, SHARED, joined=False) as sites:
        sites.sync(2)
        invoice(sites[2], "v", "BUM")
        sites[2].write("UPDATE invoice SET status = 'shared'")
        sites.sync(2)
        sites.sync(3)
        assert (keys(sites[3], "invoice"), keys(sites[3], "line")) == (["v"], ["v-0", "v-1"])
        sites[2].write("UPDATE invoice SET status = 'done'")
        sites.sync()
        assert (keys(sites[3], "invoice"), keys(sites[3], "line")) == ([], [])


def test_send_again_decides_anew_and_sends_or_withdraws(tmp_path: Path) -> None:
    """Routing by another table: whoever changes that table names the records that it touches."""
    source = """def msyncd_route(record_type, changes, context):
    if record_type.name == "stock":
        shared = {row["id"] for row in context.db["patient"].all()}
        return [Route(add_sites=frozenset({3})) if key[0] in shared else None for key in changes.keys]


@hookimpl
def msyncd_applied(transaction, batch, context):
    if transaction.site == 1:
        touched = [key for kind in (batch.new, batch.changed) if "patient" in kind for key in kind["patient"].keys]
        if touched:
            context.send_again("stock", touched, [3])
"""
    with with_plugin(tmp_path, source) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        assert keys(sites[3], "stock") == []
        sites[2].write("INSERT INTO patient VALUES ('a', 'shared')")
        sites.sync()
        assert keys(sites[3], "stock") == ["a"]
        sites[2].write("DELETE FROM patient")
        sites.sync()
        assert keys(sites[3], "stock") == []
        assert keys(sites[2], "stock") == keys(sites.primary, "stock") == ["a"]


@pytest.mark.parametrize("how", ["transaction.as_application()", "nullcontext()"])
@pytest.mark.parametrize("hook", ["before_apply", "applied"])
def test_p12_what_a_hook_writes_is_its_sites_own_change(tmp_path: Path, hook: str, how: str) -> None:
    """Of another type than those that arrive, or of the same; and it need not say so."""
    source = f"""def msyncd_{hook}(transaction, batch):
    from contextlib import nullcontext
    if transaction.site == 1 and "stock" in batch.new:
        with {how}:
            for change in batch.new["stock"]:
                transaction.execute("UPDATE item SET name = 'in stock' WHERE id = ?", (change.value("item_id"),))
            transaction.execute("INSERT INTO stock (id, store_id, item_id) VALUES ('made', 's-CMS', 'i-1')")
"""
    with with_plugin(tmp_path, source, copies_of={1: "all", 3: ["CMS"]}) as sites:
        stock(sites[2], "a", "BUM", item="i-2")
        sites.sync()
        assert all(("i-2", "in stock") in site.rows("item", "id, name") for site in sites)
        assert keys(sites[3], "stock") == ["made"]


def test_what_a_hook_writes_against_the_guard_undoes_its_changes_alone(tmp_path: Path) -> None:
    source = """def msyncd_applied(transaction, batch):
    if transaction.site == 1 and ("bad",) in getattr(batch.new.get("stock"), "keys", ()):
        with transaction.as_application():
            transaction.execute("UPDATE stock SET quantity = 0 WHERE id = 'bad'")
"""
    with with_plugin(tmp_path, source) as sites:
        stock(sites[2], "bad", "BUM")
        stock(sites[2], "good", "BUM")
        sites.sync()
        assert keys(sites.primary, "stock") == ["good"]
        (entry,) = sites.primary.quarantine
        assert "store BUM is active on site 2, not here" in entry.reason


def test_committed_refused_and_cycle_finished_are_told(tmp_path: Path) -> None:
    told = tmp_path / "told"
    source = f"""def msyncd_committed(batch, context):
    with open({str(told)!r}, "a") as out:
        print(context.site, "new", sorted(k[0] for c in batch.new.values() for k in c.keys), file=out)


@hookimpl
def msyncd_refused(refusals, context):
    with open({str(told)!r}, "a") as out:
        print(context.site, "refused", [(one.key[0], one.reason) for one in refusals], file=out)


@hookimpl
def msyncd_cycle_finished(cycle, context):
    with open({str(told)!r}, "a") as out:
        print(context.site, "cycle", cycle.sent, cycle.received, cycle.refused, file=out)


@hookimpl
def msyncd_check(record_type, changes, context):
    if context.site == 1:
        return [Refuse("no") if key == ("b",) else None for key in changes.keys]
"""
    with with_plugin(tmp_path, source) as sites:
        told.unlink()
        stock(sites[2], "a", "BUM")
        stock(sites[2], "b", "BUM")
        sites[2].cycle()
        assert told.read_text().splitlines() == ["1 new ['a']", "1 refused [('b', 'no')]", "2 cycle 2 0 1"]


def test_no_plugin_switches_the_ownership_check_off(tmp_path: Path) -> None:
    from tests.flow.support import TYPES

    types = TYPES.replace("store: store_id, columns", "store: store_id, guard: off, columns")
    source = """def msyncd_check(record_type, changes):
    return [Allow()] * len(changes)
"""
    with with_plugin(tmp_path, source, record_types=types) as sites:
        stock(sites[3], "a", "BUM")
        sites.sync()
        assert keys(sites.primary, "stock") == []
        assert [one.plugin for one in sites.primary.quarantine] == ["active_site"]


def test_a_cycle_that_failed_is_told_with_its_reason_and_one_that_only_paused_is_not(tmp_path: Path) -> None:
    told = tmp_path / "told"
    source = f"""def msyncd_cycle_finished(cycle, context):
    with open({str(told)!r}, "a") as out:
        print(context.site, cycle.left_to_send, cycle.left_to_receive, cycle.problem, file=out)
"""
    with with_plugin(tmp_path, source) as sites:
        stock(sites[2], "a", "BUM")
        told.unlink()

        def pause(_kind: str) -> None:
            raise Interrupted("it goes on after this")

        sites[2].line.on_reply = pause
        with pytest.raises(Interrupted):
            sites[2].cycle()
        assert not told.exists()
        sites[2].line.on_reply = None
        sites[2].line.cut = True
        stock(sites[2], "b", "BUM")
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        sites[2].line.cut = False
        sites[2].cycle()
        assert told.read_text().splitlines() == ["2 2 None the line is cut before the push", "2 0 0 None"]
