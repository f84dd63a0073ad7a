"""Nothing lost, nothing doubled: log, marks, receipts and cursors under every fault (P1, P2, P6, P8, P14, P15, P38)."""

from contextlib import suppress
from pathlib import Path

import pytest

from msyncd.errors import CloneRefused, MsyncdError, PeerUnreachable, RestoredBackup
from msyncd.flow.conversation import Batch, Push, PushReply
from msyncd.flow.ledger import meta
from msyncd.flow.trimming import trim
from msyncd.model import Value
from msyncd.testing import Crashed, CrashPoint, Fault, Kind, Sites
from tests.flow.support import SCHEMA, TYPES, keys, logged, stock, stock_sites


def receipt(sites: Sites, column: str) -> Value:
    """The primary's receipt for site 2."""
    return sites.primary.rows("msyncd_receipt WHERE site = 2", column)[0][0]


# --- P1, P2 ---------------------------------------------------------------------------------------------------------


def test_p01_what_is_sent_is_what_the_table_says(tmp_path: Path) -> None:
    """The log's last word on R is `delete`, as when two writers of a record commit in the other order; R stands."""
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "r", "BUM")
        sites.sync()
        stock(sites[2], "r", "BUM", 5)
        sites[2].write(
            "UPDATE msyncd_change_log SET operation = 2 WHERE seq = (SELECT max(seq) FROM msyncd_change_log)"
        )
        sites.sync()
        assert sites.primary.rows("stock", "id, quantity") == [("r", 5)]


def test_p01_a_record_that_is_logged_as_written_and_stands_no_more_is_deleted(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "r", "BUM")
        sites.sync()
        sites[2].write("DELETE FROM stock")
        sites[2].write("UPDATE msyncd_change_log SET operation = 1")
        sites.sync()
        assert keys(sites.primary, "stock") == []


def test_p02_numbers_are_never_used_again_after_the_log_was_emptied(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        last = max(int(str(row[0])) for row in logged(sites[2]))
        trim(sites[2].here)
        sites[2].write("DELETE FROM msyncd_change_log")
        stock(sites[2], "b", "BUM")
        assert [row[0] for row in logged(sites[2])] == [last + 1]
        sites.sync()
        assert keys(sites.primary, "stock") == ["a", "b"]


def test_p02_an_empty_log_ends_where_it_ended(tmp_path: Path) -> None:
    """Else what the primary has of it would look like a restored backup's future, and new changes like old ones."""
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        sites[2].write("DELETE FROM msyncd_change_log")
        sites.primary.write("DELETE FROM msyncd_change_log")
        sites[2].restart()
        sites.primary.restart()
        sites.sync()
        stock(sites[2], "b", "BUM")
        sites.primary.write("UPDATE item SET name = 'x'")
        sites.sync()
        assert keys(sites.primary, "stock") == ["a", "b"]
        assert sites[2].rows("item", "name") == [("x",), ("x",)]


# --- P6 -------------------------------------------------------------------------------------------------------------


def test_p06_trimming_stays_behind_the_site_that_has_confirmed_least(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        sites.primary.write("UPDATE item SET name = 'x'")
        sites.sync(2)
        trim(sites.primary.here)
        sites.clock.advance(days=30)
        trim(sites.primary.here)
        assert len(logged(sites.primary)) >= 2
        sites.sync()
        assert sites[3].rows("item", "name") == [("x",), ("x",)]
        sites.sync()  # the next pull confirms what the last one brought
        trim(sites.primary.here)
        sites.clock.advance(days=30)
        trim(sites.primary.here)
        assert logged(sites.primary) == []


def test_p06_some_days_more_are_kept(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        sites.sync()
        trim(sites[2].here)
        sites.clock.advance(days=6)
        trim(sites[2].here)
        assert logged(sites[2]) != []
        sites.clock.advance(days=2)
        trim(sites[2].here)
        assert logged(sites[2]) == []


def test_p06_a_site_that_was_away_longer_than_the_log_gets_a_fill(tmp_path: Path) -> None:
    """It was taken out of the YAML, and is expected again when the log has long been trimmed."""
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}) as sites:
        stock(sites[2], "a", "BUM", 1)
        stock(sites[2], "gone", "BUM")
        sites.sync()
        sites.satellite_ids.remove(3)
        sites.primary.reload(active_stores={1: ["CMS"], 2: ["BUM"]})
        stock(sites[2], "a", "BUM", 2)
        sites[2].write("DELETE FROM stock WHERE id = 'gone'")
        sites.primary.write("UPDATE item SET name = 'x'")
        sites.sync()
        for _ in range(2):
            sites.clock.advance(days=30)
            trim(sites.primary.here)
        assert logged(sites.primary) == []
        sites.satellite_ids.append(3)
        sites.primary.reload(active_stores={1: ["CMS"], 2: ["BUM"], 3: ["KAL", "KDI"]})
        sites.sync()
        assert sites[3].rows("stock", "id, quantity") == [("a", 2)]
        assert sites[3].rows("item", "name") == [("x",), ("x",)]


def test_p06_a_site_behind_the_log_gets_a_fill_never_the_rest_of_the_log(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        sites.primary.write("UPDATE item SET name = 'x' WHERE id = 'i-1'")
        with sites.primary.here.database.write() as writer:  # as if the site had been silent for very long
            meta.note_trimmed(writer, writer.log_end())
            writer.trim_log(writer.log_end())
        sites.primary.write("UPDATE item SET name = 'y' WHERE id = 'i-2'")
        sites.sync()
        assert sites[2].rows("item", "id, name") == [("i-1", "x"), ("i-2", "y")]


# --- P8 -------------------------------------------------------------------------------------------------------------


def test_p08_a_restored_satellite_is_recognised(tmp_path: Path) -> None:
    """The backup does not know a mark that the primary has: the numbers it would use next are used already."""
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        backup = sites[2].backup()
        stock(sites[2], "b", "BUM")
        sites.sync()
        sites[2].restore(backup)
        stock(sites[2], "c", "BUM")
        sites.sync()  # it takes back what it had sent, and goes on with other numbers: see test_restored.py
        assert keys(sites.primary, "stock") == keys(sites[2], "stock") == ["a", "b", "c"]
        assert sites[2].quarantine == []


def test_p08_a_backup_that_missed_nothing_goes_on(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites.sync()
        sites[2].restore(sites[2].backup())
        stock(sites[2], "b", "BUM")
        sites.sync()
        assert keys(sites.primary, "stock") == ["a", "b"]


def test_p08_the_read_is_noted_durably_before_it_leaves(tmp_path: Path) -> None:
    """The satellite dies when the primary has the batch: on its disk it must know the mark that the primary shows."""
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites[2].line.fail("push", "crash")
        with pytest.raises(Crashed):
            sites[2].cycle()
        marks = [row[0] for row in sites[2].rows("msyncd_mark", "mark")]
        assert receipt(sites, "mark") in marks
        sites.sync()


def test_p08_a_late_first_copy_may_overtake_its_resend(tmp_path: Path) -> None:
    """The first copy is thought lost; the batch grows; the first copy arrives; then the resend."""
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM", 1)
        sites[2].line.fail("push", "late")
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        stock(sites[2], "a", "BUM", 2)
        stock(sites[2], "b", "BUM")
        replies = sites[2].line.deliver_late()
        assert isinstance(replies[0], PushReply)
        assert replies[0].applied
        sites.sync()
        assert sites.primary.rows("stock", "id, quantity") == [("a", 2), ("b", 1)]


def test_p08_a_late_first_copy_that_comes_after_its_resend_is_not_applied(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM", 1)
        sites[2].line.fail("push", "late")
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        stock(sites[2], "a", "BUM", 2)
        sites.sync()
        replies = sites[2].line.deliver_late()
        assert isinstance(replies[0], PushReply)
        assert not replies[0].applied
        assert sites.primary.rows("stock", "id, quantity") == [("a", 2)]
        sites[2].satellite.forget_hello()  # type: ignore[union-attr]  # a satellite
        sites.sync()  # and no false alarm at the next hello


def test_p08_a_restored_primary_is_recognised(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        backup = sites.primary.backup()
        sites.primary.write("UPDATE item SET name = 'x'")
        sites.sync()
        sites.primary.restore(backup)
        with pytest.raises(RestoredBackup):
            sites[2].cycle()


def test_p08_a_mark_is_never_older_than_the_rows_that_it_comes_with(tmp_path: Path) -> None:
    """A batch that ends before the log does brings rows as they are now, which a backup from before does not know."""
    with stock_sites(tmp_path, request_size=1) as sites:
        sites.primary.write("UPDATE item SET name = 'x' WHERE id = 'i-1'")
        sites.primary.write("UPDATE item SET name = 'x' WHERE id = 'i-2'")
        sites[2].line.fail("pull", "lost reply")
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()  # a mark is noted that reaches beyond the first batch
        backup = sites.primary.backup()
        sites.primary.write("UPDATE item SET name = 'y' WHERE id = 'i-1'")
        sites[2].line.fail("pull", "lost request", after=1)
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()  # the first batch alone, with what only the future of the backup knows
        assert sites[2].rows("item", "id, name")[0] == ("i-1", "y")
        sites.primary.restore(backup)
        with pytest.raises(RestoredBackup):
            sites[2].cycle()


def test_p08_a_clone_is_refused(tmp_path: Path) -> None:
    """The database was copied to another machine: the installation ID, which lives outside it, is another."""
    with stock_sites(tmp_path) as sites:
        (tmp_path / "site2/state/installation.json").unlink()
        sites[2].restart()
        stock(sites[2], "a", "BUM")
        with pytest.raises(CloneRefused, match="sites replace 2"):
            sites[2].cycle()
        assert keys(sites.primary, "stock") == []


def test_p08_a_clone_that_skips_the_hello_is_refused_too(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        batch = Batch((0, 0), (0, 1), "mark", facts_number=sites.primary.here.facts.number)  # type: ignore[arg-type]
        with pytest.raises(CloneRefused):
            sites[2].line.push(Push(batch, "another database", 1))


# --- P14 ------------------------------------------------------------------------------------------------------------

FAULTS: list[Fault] = ["lost request", "lost reply", "doubled", "late", "crash", "primary restarts"]


@pytest.mark.parametrize("fault", FAULTS)
def test_p14_a_push_is_applied_once_whatever_befalls_it(tmp_path: Path, fault: Fault) -> None:
    counting = (
        "CREATE TABLE seen (id TEXT); CREATE TRIGGER t AFTER INSERT ON stock BEGIN INSERT INTO seen VALUES (NEW.id);"
    )
    types = TYPES.replace("store: store_id, columns", "store: store_id, application_triggers: fire, columns")
    with stock_sites(
        tmp_path, schema={1: SCHEMA + counting + "END", 2: SCHEMA, 3: SCHEMA}, record_types=types
    ) as sites:
        stock(sites[2], "a", "BUM")
        sites[2].line.fail("push", fault)
        with suppress(MsyncdError, Crashed):
            sites[2].cycle()
        stock(sites[2], "b", "BUM")
        sites.sync()
        sites[2].line.deliver_late()
        assert sites.primary.rows("seen") == [("a",), ("b",)]
        assert keys(sites.primary, "stock") == ["a", "b"]


@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("point", ["before commit", "after commit"])
@pytest.mark.parametrize("dies", [1, 2])
def test_p14_rows_and_receipt_commit_together(tmp_path: Path, dies: int, point: CrashPoint, number: int) -> None:
    """Whichever commit a crash meets: after it, the receipt says exactly what the table has."""
    with stock_sites(tmp_path, request_size=1) as sites:
        for key in "abc":
            stock(sites[2], key, "BUM")
        sites.primary.write("UPDATE item SET name = 'x'")
        sites[dies].crash_at(point, number)
        with suppress(MsyncdError, Crashed):
            sites[2].cycle()
        sites[dies].calm()
        held = len(keys(sites.primary, "stock"))
        upto = int(str(receipt(sites, "cursor_seq")))
        applied = [row for row in logged(sites[2]) if int(str(row[0])) <= upto and row[3] == 2]
        assert len(applied) == held
        sites.sync()
        assert keys(sites.primary, "stock") == ["a", "b", "c"]
        assert sites[2].rows("item", "name") == [("x",), ("x",)]


def test_p14_a_batch_that_does_not_begin_at_the_receipt_is_answered_with_it(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[2], "a", "BUM")
        sites[2].cycle()
        pushes = [message for kind, message, _ in sites[2].line.messages if kind == "push"]
        again = sites[2].line.push(pushes[-1])
        assert not again.applied
        assert again.cursor == pushes[-1].batch.upto


def test_p14_refusals_are_repeated_until_they_were_heard(tmp_path: Path) -> None:
    with stock_sites(tmp_path, schema=_strict_primary()) as sites:
        stock(sites[2], "a", "BUM", 99)
        sites[2].line.fail("push", "lost reply")
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        assert sites[2].quarantine == []
        assert len(sites.primary.rows("msyncd_refusal")) == 1
        sites.sync()
        assert [(one.record_type, one.key) for one in sites[2].quarantine] == [("stock", ("a",))]
        sites.sync()
        stock(sites[2], "b", "BUM")
        sites.sync()
        assert sites.primary.rows("msyncd_refusal") == []


def _strict_primary() -> dict[int, str]:
    return {1: SCHEMA.replace("CHECK (quantity >= 0)", "CHECK (quantity < 50)"), 2: SCHEMA, 3: SCHEMA}


# --- P15 ------------------------------------------------------------------------------------------------------------


def test_p15_a_reply_to_a_question_that_is_out_of_date_is_dropped(tmp_path: Path) -> None:
    """While a reply to a pull is on its way, another pull is answered and applied: the cursor must not go back."""
    with stock_sites(tmp_path) as sites:
        line = sites[2].line

        def overtake(kind: Kind) -> None:
            if kind == "pull":
                line.on_reply = None
                sites.primary.write("UPDATE item SET name = 'new' WHERE id = 'i-1'")
                sites[2].cycle()

        sites.primary.write("UPDATE item SET name = 'old' WHERE id = 'i-1'")
        line.on_reply = overtake
        sites[2].cycle()
        assert sites[2].rows("item", "id, name")[0] == ("i-1", "new")


# --- P38 ------------------------------------------------------------------------------------------------------------


def test_p38_clocks_that_go_wrong_change_nothing(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: "all", 3: ["BUM"]}) as sites:
        for number, days in enumerate((0, -400, 900, -900, 3)):
            sites.clock.advance(days=days)
            stock(sites[2], "a", "BUM", number)
            sites.primary.write("UPDATE item SET name = ?", f"name {number}")
            sites.sync()
            assert sites[3].rows("stock", "quantity") == [(number,)]
            assert sites[3].rows("item", "name") == [(f"name {number}",)] * 2


# --- whole stories --------------------------------------------------------------------------------------------------


def test_p19_another_process_writes_while_a_pull_is_on_its_way(tmp_path: Path) -> None:
    """What is written between push and pull is not overwritten, and is pushed next."""
    with stock_sites(tmp_path) as sites:
        sites.primary.write("INSERT INTO patient VALUES ('p', 'theirs'), ('q', 'theirs')")

        def write(kind: Kind) -> None:
            if kind == "pull":
                sites[2].line.on_reply = None
                sites[2].write("INSERT INTO patient VALUES ('p', 'mine')")

        sites[2].line.on_reply = write
        sites[2].cycle()
        assert sites[2].rows("patient") == [("p", "mine"), ("q", "theirs")]
        sites.sync()
        assert [one.row for one in sites.primary.quarantine] == [("p", "mine")]  # both are kept, the primary's stands
        assert all(site.rows("patient") == [("p", "theirs"), ("q", "theirs")] for site in sites)
