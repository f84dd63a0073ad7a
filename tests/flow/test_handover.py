"""The hand-over of a store with records: fenced, drained, filled, active elsewhere (P31 to P34)."""

from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest

from msyncd.errors import MsyncdError
from msyncd.flow.advancing import step
from msyncd.flow.facts import renewed
from msyncd.flow.handover_waits import waits_for
from msyncd.flow.ledger import handovers
from msyncd.flow.retry import discard, retry
from msyncd.testing import Crashed, OneSite, Sites
from msyncd.testing.crashing import CrashPoint
from msyncd.testing.line import Fault, Kind
from tests.flow.support import ACTIVE, SCHEMA, invoice, keys, stock, stock_sites

HANDED = "store BUM is being handed over to site 3"


def moved(*, store: str = "BUM", to: int, of: dict[int, list[str]] | None = None) -> dict[int, list[str]]:
    """The lists of active stores with one store in another's."""
    lists = {site: [one for one in stores if one != store] for site, stores in (of or ACTIVE).items()}
    return lists | {to: [*lists.get(to, []), store]}


def waits(sites: Sites, store: str = "BUM") -> str | None:
    """What the hand-over of a store waits for."""
    here = sites.primary.here
    with here.database.read() as reader:
        here = renewed(reader, here)
        return waits_for(reader, here, here.facts.stores[f"s-{store}"])


def active(sites: Sites, store: str = "BUM") -> int | None:
    """Where a store is active by the primary's facts; None while it is being handed over."""
    return sites.primary.here.facts.stores[f"s-{store}"].edited_at


def may_write(site: OneSite, store: str, key: str = "probe") -> bool:
    """Whether the guard lets the application write a record of a store; it is taken back."""
    try:
        with site.transaction():
            stock(site, key, store)
            raise LookupError
    except LookupError:
        return True
    except site.connection.errors:
        return False


def writers(sites: Sites, store: str) -> list[int]:
    """The sites whose applications may edit a store."""
    return [site.sync_id for site in sites if may_write(site, store)]


@pytest.mark.everywhere
def test_p34_a_store_with_unsent_edits_is_drained_filled_and_then_active_elsewhere(tmp_path: Path, pair: str) -> None:
    del pair
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        invoice(sites[2], "v", "BUM")
        sites.sync()
        stock(sites[2], "unsent", "BUM", 7)
        sites.primary.reload(active_stores=moved(to=3))
        assert active(sites) is None
        assert writers(sites, "BUM") == [2], "which has not heard of it"
        assert waits(sites) == "site 2 to hear of it"
        sites[2].cycle()
        with pytest.raises(Exception, match=HANDED):
            stock(sites[2], "late", "BUM")
        assert writers(sites, "BUM") == []
        assert ("unsent", 7) in sites.primary.rows("stock", "id, quantity"), "it was accepted under the old epoch"
        assert waits(sites) == "site 3 to be filled"
        sites.sync()
        assert active(sites) == 3
        assert writers(sites, "BUM") == [3]
        assert keys(sites[3], "stock") == ["a", "unsent"]
        assert keys(sites[3], "line") == ["v-0", "v-1"]
        assert keys(sites[2], "stock") == [], "it is no copy of it there"
        stock(sites[3], "after", "BUM")
        sites.sync()
        assert keys(sites.primary, "stock") == ["a", "after", "unsent"]
        assert sites.primary.here.facts.epoch("s-BUM") == 2


def test_p33_what_is_written_beside_every_message_is_let_through_and_drained_or_refused(tmp_path: Path) -> None:
    """The application at the old site writes while each reply is on its way: nothing falls between guard and drain."""
    with stock_sites(tmp_path, copies_of={}) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        written, refused = ["a"], list[str]()

        def write(kind: str) -> None:
            key = f"{len(written) + len(refused):03} {kind}"
            try:
                stock(sites[2], key, "BUM")
            except sites[2].connection.errors:
                refused.append(key)
            else:
                written.append(key)

        sites[2].line.on_reply = write
        sites.primary.reload(active_stores=moved(to=3))
        for _ in range(4):
            for site in sites.satellites:
                site.cycle()
        sites[2].line.on_reply = None
        sites.sync()
        assert len(written) > 1, "what is written before it heard of it"
        assert refused
        assert sorted(map(str, keys(sites[3], "stock"))) == sorted(written)
        assert [site.quarantine for site in sites] == [[], [], []]


def test_p34_to_the_primary_from_it_and_back_again(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        for number, (whence, to) in enumerate([(2, 1), (1, 3), (3, 2), (2, 1), (1, 2)]):
            stock(sites[whence], f"unsent{number}", "BUM")
            sites.primary.reload(active_stores=moved(to=to))
            sites.sync()
            assert writers(sites, "BUM") == [to]
            stock(sites[to], f"new{number}", "BUM")
            sites.sync()
            for site in {1, to}:
                assert keys(sites[site], "stock") == keys(sites.primary, "stock")
        assert len(keys(sites[2], "stock")) == 11
        assert [site.quarantine for site in sites] == [[], [], []]


@pytest.mark.parametrize("to", [1, 3])
def test_p34_a_store_of_which_the_primary_keeps_no_copy(tmp_path: Path, to: int) -> None:
    with stock_sites(tmp_path, copies_of={}) as sites:
        stock(sites[2], "a", "BUM")
        invoice(sites[2], "v", "BUM")
        invoice(sites[3], "transfer", "KAL", name="n-BUM")
        sites.sync()
        stock(sites[2], "unsent", "BUM")
        assert keys(sites.primary, "stock") == []
        sites.primary.reload(active_stores=moved(to=to))
        sites.sync()
        assert writers(sites, "BUM") == [to]
        assert keys(sites[to], "stock") == ["a", "unsent"]
        assert keys(sites[to], "line") == ["transfer-0", "transfer-1", "v-0", "v-1"]
        assert keys(sites[2], "stock") == keys(sites[2], "line") == []
        sites.primary.reload(active_stores=ACTIVE)
        sites.sync()
        assert writers(sites, "BUM") == [2]
        assert keys(sites[2], "line") == ["transfer-0", "transfer-1", "v-0", "v-1"]
        assert keys(sites.primary, "stock") == keys(sites.primary, "line") == []
        assert keys(sites[3], "line") == ["transfer-0", "transfer-1"]


def test_p34_transfers_follow_a_store_between_sites_that_keep_copies_of_it(tmp_path: Path) -> None:
    lists = ACTIVE | {4: ["LAB"]}
    with stock_sites(tmp_path, active_stores=lists, copies_of={1: "all", 2: ["BUM"], 4: ["BUM"]}) as sites:
        invoice(sites[3], "transfer", "KAL", name="n-BUM")
        stock(sites[2], "a", "BUM")
        sites.sync()
        assert keys(sites[2], "line") == ["transfer-0", "transfer-1"]
        assert keys(sites[4], "line") == []
        sites.primary.reload(active_stores=moved(to=4, of=lists))
        sites.sync()
        assert writers(sites, "BUM") == [4]
        assert keys(sites[4], "line") == ["transfer-0", "transfer-1"]
        assert keys(sites[2], "line") == []
        assert keys(sites[2], "stock") == ["a"]


def test_p34_a_site_that_keeps_a_copy_is_not_filled_again(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}) as sites:
        for number in range(60):
            stock(sites[2], f"a{number:02}", "BUM")
        sites.sync()
        stock(sites[2], "unsent", "BUM")
        received = len(sites[3].line.messages)
        sites.primary.reload(active_stores=moved(to=3))
        sites.sync()
        replies = [reply for kind, _, reply in sites[3].line.messages[received:] if kind == "pull"]
        assert sum(len(one.batch) for one in replies if one.batch is not None) == 1
        assert all(one.piece is None for one in replies)
        assert writers(sites, "BUM") == [3]


def test_p34_two_at_once_that_change_places(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "b", "BUM")
        stock(sites[3], "k", "KAL")
        sites.sync()
        stock(sites[2], "b2", "BUM")
        stock(sites[3], "k2", "KAL")
        sites.primary.reload(active_stores={1: ["CMS"], 2: ["KAL"], 3: ["BUM", "KDI"]})
        sites.sync()
        assert (writers(sites, "BUM"), writers(sites, "KAL")) == ([3], [2])
        assert (keys(sites[2], "stock"), keys(sites[3], "stock")) == (["k", "k2"], ["b", "b2"])


def test_p31_a_hand_over_goes_on_after_reloads_and_restarts_in_between(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        wish = moved(to=3)
        sites.primary.reload(active_stores=wish)
        before = sites.primary.here.facts
        sites.primary.reload(request_size=5)
        sites.primary.restart()
        assert sites.primary.here.facts == before, "the same wish is no news"
        sites[2].cycle()
        sites[2].restart()
        sites.primary.restart()
        assert not may_write(sites[2], "BUM")
        sites[3].restart()
        sites.sync()
        assert writers(sites, "BUM") == [3]


def test_p31_a_hand_over_is_called_off_before_the_old_site_is_drained(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        sites[2].line.fail("pull", "lost request", after=1)
        sites.primary.reload(active_stores=moved(to=3))
        with pytest.raises(MsyncdError):
            sites[2].cycle()  # it heard of it, and could not tell that it has nothing left
        assert not may_write(sites[2], "BUM")
        sites.primary.reload(active_stores=ACTIVE)
        sites.sync()
        assert writers(sites, "BUM") == [2]
        assert sites.primary.here.facts.epoch("s-BUM") == 1
        assert keys(sites[3], "stock") == []


def test_p31_a_wish_that_changes_on_the_way_turns_the_hand_over(tmp_path: Path) -> None:
    lists = ACTIVE | {4: ["LAB"]}
    with stock_sites(tmp_path, active_stores=lists) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        sites.primary.reload(active_stores=moved(to=3, of=lists))
        sites[2].cycle()
        sites[3].cycle()
        sites.primary.reload(active_stores=moved(to=4, of=lists))
        sites.sync()
        assert writers(sites, "BUM") == [4]
        assert [keys(site, "stock") for site in sites] == [["a"], [], [], ["a"]]
        assert sites.primary.here.facts.epoch("s-BUM") > 2


@pytest.mark.parametrize("to", [1, 2, 4])
def test_p34_a_turned_hand_over_of_which_the_primary_keeps_no_copy_loses_nothing(tmp_path: Path, to: int) -> None:
    """The third site has to be given what only the old one holds, and the one that was turned away lets go of."""
    lists = ACTIVE | {4: ["LAB"]}
    with stock_sites(tmp_path, active_stores=lists, copies_of={}) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        sites.primary.reload(active_stores=moved(to=3, of=lists))
        sites[2].cycle()
        sites[2].cycle()
        assert sites.primary.here.facts.active_site("s-BUM") is None, "it is drained"
        sites.primary.reload(active_stores=moved(to=to, of=lists))
        sites.sync()
        assert writers(sites, "BUM") == [to]
        assert [keys(site, "stock") for site in sites] == [["a"] if site.sync_id == to else [] for site in sites]


def test_p34_forced_and_turned_where_only_a_satellite_keeps_a_copy(tmp_path: Path) -> None:
    lists = ACTIVE | {4: ["LAB"]}
    with stock_sites(tmp_path, active_stores=lists, copies_of={3: ["BUM"]}) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        sites[2].line.cut = True
        force(sites, 3)
        sites.primary.reload(active_stores=moved(to=3, of=lists))
        sites.primary.reload(active_stores=moved(to=4, of=lists))
        sites.sync(3, 4)
        assert active(sites) == 4
        assert keys(sites[3], "stock") == keys(sites[4], "stock") == ["a"]


def test_p31_a_store_with_records_is_not_taken_from_every_list(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        problems = sites.primary.reload(active_stores=ACTIVE | {2: []})
        assert any("store BUM has records and is active on site 2" in str(one) for one in problems)
        sites.sync()
        assert writers(sites, "BUM") == [2]


def test_p34_the_line_is_down_in_the_middle(tmp_path: Path) -> None:
    """Of either end, at each message in turn: it waits, and then goes on."""
    places: list[tuple[int, Kind, int]] = [(2, "hello", 0), (2, "push", 0), (2, "pull", 0), (2, "pull", 1)]
    places += [(3, "hello", 0), (3, "pull", 1), (3, "pull", 4)]
    faults: tuple[Fault, ...] = ("lost request", "lost reply", "late")
    for (end, kind, after), fault in product(places, faults):
        with stock_sites(tmp_path / f"{end}-{kind}-{after}-{fault}") as sites:
            stock(sites[2], "a", "BUM")
            sites.sync()
            stock(sites[2], "unsent", "BUM")
            sites.primary.reload(active_stores=moved(to=3))
            sites[end].line.fail(kind, fault, after=after)
            _tries(sites, 2)
            for site in sites:
                site.line.deliver_late()
                site.calm()
            sites.sync()
            assert writers(sites, "BUM") == [3]
            assert keys(sites[3], "stock") == keys(sites.primary, "stock") == ["a", "unsent"]


def _tries(sites: Sites, rounds: int) -> None:
    for _ in range(rounds):
        for site in sites.satellites:
            with suppress(MsyncdError, Crashed):
                site.cycle()
            assert len(writers(sites, "BUM")) <= 1


@pytest.mark.parametrize("point", ["before commit", "after commit"])
@pytest.mark.parametrize("who", [1, 2, 3])
def test_p34_killed_beside_every_commit_of_every_site(tmp_path: Path, who: int, point: CrashPoint) -> None:
    for nth in range(1, 12):
        with stock_sites(tmp_path / str(nth)) as sites:
            stock(sites[2], "a", "BUM")
            invoice(sites[2], "v", "BUM")
            sites.sync()
            stock(sites[2], "unsent", "BUM")
            sites.primary.reload(active_stores=moved(to=3))
            sites[who].crash_at(point, nth)
            _tries(sites, 4)
            sites[who].calm()
            sites.sync()
            assert writers(sites, "BUM") == [3]
            assert keys(sites[3], "stock") == keys(sites.primary, "stock") == ["a", "unsent"]
            assert keys(sites[2], "stock") == []
            assert [site.quarantine for site in sites] == [[], [], []]


def test_p31_killed_while_the_edit_is_taken_in(tmp_path: Path) -> None:
    for point in ("before commit", "after commit"):
        with stock_sites(tmp_path / point) as sites:
            stock(sites[2], "a", "BUM")
            sites.sync()
            sites.primary.crash_at(point)
            with pytest.raises(Crashed):
                sites.primary.reload(active_stores=moved(to=3))
            sites.primary.restart()
            sites.sync()
            assert writers(sites, "BUM") == [3]


STRICT = SCHEMA.replace("CHECK (quantity >= 0)", "CHECK (quantity < 50)")


def test_p34_what_is_kept_aside_at_the_old_site_or_on_the_primary_is_waited_for(tmp_path: Path) -> None:
    with stock_sites(tmp_path, schema={1: STRICT, 2: SCHEMA, 3: SCHEMA}) as sites:
        stock(sites[2], "a", "BUM")
        stock(sites[2], "refused", "BUM", quantity=70)
        sites.sync()
        assert len(sites.primary.quarantine) == len(sites[2].quarantine) == 1
        sites.primary.reload(active_stores=moved(to=3))
        sites.sync()
        assert writers(sites, "BUM") == []
        assert waits(sites) == "1 change of it that waits or is in quarantine on site 2: retry or discard there"
        discard(sites[2].here, [one.id for one in sites[2].quarantine])
        sites.sync()
        assert waits(sites) == "1 change of it that waits or is in quarantine on site 1: retry or discard there"
        discard(sites.primary.here, [one.id for one in sites.primary.quarantine])
        step(sites.primary.here)
        assert waits(sites) == "site 3 to say that it has it all"
        sites.sync()
        assert writers(sites, "BUM") == [3]
        assert keys(sites[3], "stock") == ["a"]


def test_p34_what_is_retried_at_the_old_site_is_still_accepted_from_there(tmp_path: Path) -> None:
    """It comes out of the quarantine and into the log in one transaction, so it is never seen as drained between."""
    plugin = tmp_path / "strict.py"
    strict = "from msyncd import Refuse, hookimpl\n\n@hookimpl\ndef msyncd_check(record_type, changes, context):\n"
    plugin.write_text(strict + "    return [Refuse('no') if key == ('a',) else None for key in changes.keys]\n")
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "b", "BUM")
        sites.sync()
        sites.primary.reload(plugins=[plugin])
        stock(sites[2], "a", "BUM")
        sites.sync()
        sites.primary.reload(active_stores=moved(to=3), plugins=[plugin])
        sites.sync()
        sites.primary.reload(plugins=[])
        retry(sites[2].here, [one.id for one in sites[2].quarantine])
        sites[2].line.fail("push", "lost request")
        _tries(sites, 1)
        assert writers(sites, "BUM") == []
        sites.sync()
        assert writers(sites, "BUM") == [3]
        assert keys(sites[3], "stock") == ["a", "b"]
        assert [site.quarantine for site in sites] == [[], [], []]


def test_p34_what_the_new_site_cannot_take_is_waited_for_there(tmp_path: Path) -> None:
    with stock_sites(tmp_path, schema={1: SCHEMA, 2: SCHEMA, 3: STRICT}) as sites:
        stock(sites[2], "a", "BUM", quantity=70)
        stock(sites[2], "b", "BUM")
        sites.sync()
        sites.primary.reload(active_stores=moved(to=3))
        sites.sync()
        assert [one.key for one in sites[3].quarantine] == [("a",)]
        assert waits(sites) == "1 change of it that waits or is in quarantine on site 3: retry or discard there"
        assert writers(sites, "BUM") == []
        sites[3].write("PRAGMA writable_schema = ON")
        sites[3].write("UPDATE sqlite_master SET sql = replace(sql, 'quantity < 50', 'quantity < 99')")
        sites[3].connection.script("PRAGMA writable_schema = RESET; VACUUM;")
        assert retry(sites[3].here, [one.id for one in sites[3].quarantine]).still == ()
        sites.sync()
        assert writers(sites, "BUM") == [3]
        assert keys(sites[3], "stock") == ["a", "b"]


def test_p34_a_record_type_that_is_stopped_at_the_new_site_is_waited_for(tmp_path: Path) -> None:
    """Else its records would be lacking there, and nobody would be told."""
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        sites[3].write("ALTER TABLE stock RENAME COLUMN barcode TO bar")
        sites[3].reload()
        sites[3].cycle()
        sites.primary.reload(active_stores=moved(to=3))
        sites.sync()
        assert (waits(sites) or "").startswith("record type stock, which is stopped: ")
        assert writers(sites, "BUM") == []
        sites[3].write("ALTER TABLE stock RENAME COLUMN bar TO barcode")
        sites[3].reload()
        sites.sync()
        assert writers(sites, "BUM") == [3]
        assert keys(sites[3], "stock") == ["a"]


def test_p34_a_record_type_that_is_stopped_at_the_old_site_is_waited_for(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        stock(sites.primary, "c", "CMS")
        sites.primary.write("ALTER TABLE stock RENAME COLUMN barcode TO bar")
        sites.primary.reload()
        stock(sites[2], "b", "BUM")
        sites.sync()
        sites.primary.reload(active_stores=moved(to=3))
        sites.sync()
        assert (waits(sites) or "").startswith("record type stock, which is stopped: ")
        sites.primary.write("ALTER TABLE stock RENAME COLUMN bar TO barcode")
        sites.reload()  # each says hello again
        sites[2].line.fail("push", "lost request")
        _tries(sites, 1)
        assert writers(sites, "BUM") == []
        sites.sync()
        assert writers(sites, "BUM") == [3]
        assert keys(sites[3], "stock") == ["a", "b"]


# --- the old site is dead ---------------------------------------------------------------------------------------------


def force(sites: Sites, to: int, store: str = "BUM") -> None:
    """What `msyncd stores move --force` notes."""
    with sites.primary.here.database.write() as writer:
        handovers.force(writer, f"s-{store}", to)


def test_p34_forced_when_the_old_site_is_dead_and_what_it_held_is_kept_in_quarantine(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        sites[2].line.cut = True
        stock(sites[2], "unsent", "BUM")
        stock(sites[2], "a", "BUM", 99)
        sites.primary.reload(active_stores=moved(to=3))
        sites.sync(3)
        assert active(sites) is None, "it waits for the old site"
        force(sites, 3)
        step(sites.primary.here)
        sites.sync(3)
        assert active(sites) == 3
        stock(sites[3], "b", "BUM")
        stock(sites[3], "a", "BUM", 5)
        sites.sync(3)
        assert may_write(sites[2], "BUM"), "it has not heard of it"
        sites[2].line.cut = False
        sites.sync()
        assert writers(sites, "BUM") == [3]
        assert sites.primary.rows("stock", "id, quantity") == [("a", 5), ("b", 1)]
        kept = {one.key: (one.site, one.reason) for one in sites.primary.quarantine}
        assert kept == dict.fromkeys([("a",), ("unsent",)], (2, "store BUM is active on site 3, not on 2"))
        assert {one.key: one.row for one in sites.primary.quarantine}[("a",)][-1] == 99  # type: ignore[index]
        retried = retry(sites.primary.here, [one.id for one in sites.primary.quarantine])
        assert len(retried.still) == 2, "it is never applied by itself"
        sites.sync()
        assert sites.primary.rows("stock", "id, quantity") == [("a", 5), ("b", 1)]


def test_p34_what_waited_from_the_dead_site_is_not_applied_by_itself(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        force(sites, 3)
        sites.primary.reload(active_stores=moved(to=3))
        sites.sync(3)
        assert active(sites) == 3


def test_p34_a_store_that_only_the_dead_site_holds_cannot_be_forced(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={}) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        sites[2].line.cut = True
        force(sites, 3)
        sites.primary.reload(active_stores=moved(to=3))
        step(sites.primary.here)
        sites.sync(3)
        assert active(sites) is None
        sites[2].line.cut = False
        sites.sync()
        assert keys(sites[3], "stock") == ["a"]
        assert writers(sites, "BUM") == [3]


# --- hooks ------------------------------------------------------------------------------------------------------------

PLUGIN = """
from msyncd import hookimpl
from pathlib import Path

@hookimpl
def msyncd_store_moved(store, old_site, new_site, epoch, context):
    with Path({path!r}).open("a") as out:
        print(context.site, store, old_site, new_site, epoch, context.stores[store].active_site, file=out)
"""


def test_p34_plugins_at_both_ends_hear_that_a_store_has_moved(tmp_path: Path) -> None:
    told = tmp_path / "told"
    plugin = tmp_path / "moves.py"
    plugin.write_text(PLUGIN.format(path=str(told)))
    with stock_sites(tmp_path, plugins=[plugin]) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        assert not told.exists()
        sites.primary.reload(active_stores=moved(to=3))
        sites.sync()
        assert sorted(told.read_text().splitlines()) == [f"{site} s-BUM 2 3 2 3" for site in (1, 2, 3)]
        told.unlink()
        sites.primary.reload(active_stores=moved(store="KDI", to=2, of=moved(to=3)))
        sites.sync()
        assert sorted(told.read_text().splitlines()) == [f"{site} s-KDI 3 2 2 2" for site in (1, 2, 3)]
