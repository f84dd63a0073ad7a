"""`msyncd.testing` itself: what it offers to the author of a plugin, and that its faults are what they say."""

import re
from pathlib import Path
from typing import Any

import pytest

from msyncd.errors import ConfigurationInvalid, PeerUnreachable
from msyncd.testing import Crashed, CrashPoint, Sites

SCHEMA = """
CREATE TABLE item (id TEXT PRIMARY KEY, strength INTEGER NOT NULL);
CREATE TABLE stock (id TEXT PRIMARY KEY, store TEXT NOT NULL, quantity INTEGER);
"""
TYPES = """
record_types:
  item: {table: item, edited_on: primary, sent_to: every_site}
  stock: {table: stock, edited_on: active_site, sent_to: sites_of_store, store: store}
"""
DOCS = (Path(__file__).parents[1] / "docs/plugins.md").read_text(encoding="utf-8")


def made(folder: Path, **more: Any) -> Sites:
    return Sites(schema=SCHEMA, record_types=TYPES, active_stores={2: ["BUM"], 3: ["KAL"]}, folder=folder, **more)


def test_records_travel_between_real_databases(tmp_path: Path) -> None:
    with made(tmp_path) as sites:
        sites.primary.write("INSERT INTO item VALUES (?, ?)", "paracetamol", 500)
        with sites[2].transaction():
            sites[2].write("INSERT INTO stock VALUES ('a', 'BUM', 7)")
            sites[2].write("INSERT INTO stock VALUES ('b', 'BUM', 8)")
        sites.sync()
        assert sites[2].rows("item") == sites[3].rows("item") == [("paracetamol", 500)]
        assert sites.primary.rows("stock", "id, quantity") == [("a", 7), ("b", 8)]
        assert sites[3].rows("stock") == []


def test_temporary_files_go_away() -> None:
    with Sites(schema=SCHEMA, record_types=TYPES, active_stores={2: ["BUM"]}) as sites:
        folder = sites.folder
        assert (folder / "site2/site.db").is_file()
    assert not folder.exists()


def test_record_types_may_be_a_dictionary_or_a_file(tmp_path: Path) -> None:
    as_dict: Any = {"record_types": {"item": {"table": "item", "edited_on": "primary", "sent_to": "every_site"}}}
    (tmp_path / "types.yaml").write_text(TYPES)
    for number, types in enumerate((as_dict, tmp_path / "types.yaml")):
        folder = tmp_path / str(number)
        with Sites(schema=SCHEMA, record_types=types, active_stores={2: []}, folder=folder) as sites:
            sites.primary.write("INSERT INTO item VALUES ('x', 1)")
            sites.sync()
            assert sites[2].rows("item") == [("x", 1)]


@pytest.mark.parametrize("fault", ["lost request", "lost reply", "late", "primary restarts"])
def test_a_faulty_line_fails_the_cycle_once(tmp_path: Path, fault: Any) -> None:
    with made(tmp_path) as sites:
        sites[2].write("INSERT INTO stock VALUES ('a', 'BUM', 7)")
        sites[2].line.fail("push", fault)
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        arrived = fault in {"lost reply", "primary restarts"}
        assert bool(sites.primary.rows("stock")) is arrived
        assert len(sites[2].line.deliver_late()) == (fault == "late")
        assert bool(sites.primary.rows("stock")) is (arrived or fault == "late")
        sites.sync()
        assert sites.primary.rows("stock") == [("a", "BUM", 7)]


def test_a_fault_may_meet_a_later_message(tmp_path: Path) -> None:
    with made(tmp_path) as sites:
        sites[2].line.fail("pull", "lost request", after=1)
        sites[2].cycle()
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()


def test_a_doubled_message_is_answered_twice(tmp_path: Path) -> None:
    with made(tmp_path) as sites:
        sites[2].write("INSERT INTO stock VALUES ('a', 'BUM', 7)")
        sites[2].line.messages.clear()
        sites[2].line.fail("push", "doubled")
        sites[2].cycle()
        assert [reply.applied for kind, _, reply in sites[2].line.messages if kind == "push"] == [True, False]


def test_a_cut_line_lets_nothing_through(tmp_path: Path) -> None:
    with made(tmp_path) as sites:
        sites[2].line.cut = True
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        sites[2].line.cut = False
        sites[2].cycle()


@pytest.mark.parametrize(("point", "there"), [("before commit", []), ("after commit", [("x", 1)])])
def test_a_satellite_dies_beside_a_commit(tmp_path: Path, point: CrashPoint, there: list[Any]) -> None:
    with made(tmp_path) as sites:
        sites.primary.write("INSERT INTO item VALUES ('x', 1)")
        sites[2].crash_at(point)
        before = sites[2].satellite
        with pytest.raises(Crashed):
            sites[2].cycle()
        assert sites[2].satellite is not before
        assert sites[2].rows("item") == there
        sites.sync()
        assert sites[2].rows("item") == [("x", 1)]


def test_a_primary_that_dies_is_unreachable_and_comes_back(tmp_path: Path) -> None:
    with made(tmp_path) as sites:
        sites[2].write("INSERT INTO stock VALUES ('a', 'BUM', 7)")
        sites.primary.crash_at("before commit")
        before = sites.primary.primary
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        assert sites.primary.primary is not before
        assert sites.primary.rows("stock") == []
        sites.sync()
        assert sites.primary.rows("stock") == [("a", "BUM", 7)]


def test_an_edit_is_taken_in_while_it_runs(tmp_path: Path) -> None:
    with made(tmp_path) as sites:
        sites[2].write("INSERT INTO stock VALUES ('a', 'BUM', 7)")
        sites.reload(copies_of={1: "all", 3: ["BUM"]})
        sites.sync()
        assert sites[3].rows("stock") == [("a", "BUM", 7)]
        with pytest.raises(ConfigurationInvalid):
            sites.reload(record_types="record_types: {item: {table: item, edited_on: moon}}")
        sites.primary.write("INSERT INTO item VALUES ('x', 1)")
        sites.sync()
        assert sites[3].rows("item") == [("x", 1)]


def test_a_backup_can_be_restored(tmp_path: Path) -> None:
    with made(tmp_path) as sites:
        sites.primary.write("INSERT INTO item VALUES ('x', 1)")
        backup = sites.primary.backup()
        sites.primary.write("INSERT INTO item VALUES ('y', 2)")
        sites.primary.restore(backup)
        assert sites.primary.rows("item") == [("x", 1)]


def test_the_clock_is_the_tests_own(tmp_path: Path) -> None:
    with made(tmp_path) as sites:
        before = sites.primary.here.now()
        sites.clock.advance(days=8)
        assert before == "2026-01-01T00:00:00.000Z"
        assert sites[2].here.now() == "2026-01-09T00:00:00.000Z"


def test_the_example_of_the_documentation_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = DOCS.split("## Testing your plugin")[1].split("\n## ")[0]
    plugin = re.findall(r"^```python\n(.*?)^```$", DOCS.split("## A first plugin")[1], re.MULTILINE | re.DOTALL)[0]
    example = re.findall(r"^```py\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[0]
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/no_negative_stock.py").write_text(plugin)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(example, "docs/plugins.md", "exec"), names)  # the example is the documentation's, and ours
    names["test_stock_below_zero_is_refused"]()
