"""A plan says beforehand what an edit then does: its numbers are held against the records that really go."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from msyncd.databases import open_database
from msyncd.flow.looking import look
from msyncd.flow.plan import Flow, Plan, duration
from msyncd.flow.planning import make_plan, settings_plan
from msyncd.model import PRIMARY
from msyncd.plugins import Plugins
from msyncd.rules import BUILTIN
from msyncd.settings import load
from msyncd.testing import OneSite, Sites
from tests.flow.support import ACTIVE, TYPES, invoice, stock, stock_sites

TABLES = ("item", "name", "store", "patient", "stock", "invoice", "line")
Copies = Mapping[int, Sequence[str] | Literal["all"]]


def plan_of(sites: Sites, site: int = PRIMARY, **changes: Any) -> Plan:
    """What an edit would change; the files are written, and nobody has taken them in."""
    one = sites[site]
    path = replace(one.wishes, **changes).write(site, one.folder, sites.satellite_ids)
    new = load(path).settings
    plugins, _ = Plugins.load(new.plugins, builtin=BUILTIN)
    return make_plan(one.here.settings, look(new, plugins, database=one.here.database))


def flows(plan: Plan, action: str, site: int) -> dict[str, int | None]:
    return {one.record_type: one.records for one in plan.records if (one.action, one.to_site) == (action, site)}


def counted(one: OneSite) -> dict[str, set[object]]:
    return {table: {row[0] for row in one.rows(table, "id")} for table in TABLES}


def moved(before: dict[str, set[object]], after: dict[str, set[object]]) -> tuple[dict[str, int], dict[str, int]]:
    """How many records came and how many left, by table, where any did."""
    came = {table: len(after[table] - before[table]) for table in TABLES}
    left = {table: len(before[table] - after[table]) for table in TABLES}
    return {k: v for k, v in came.items() if v}, {k: v for k, v in left.items() if v}


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Sites]:
    """The primary keeps all copies, site 2 those of CMS; every store has records, and some go to another one."""
    with stock_sites(tmp_path, copies_of={1: "all", 2: ["CMS"]}) as made:
        for site, codes in ACTIVE.items():
            for number, code in enumerate(codes):
                for key in range(3 + number):
                    stock(made[site], f"k-{code}-{key}", code)
                invoice(made[site], f"v-{code}", code, lines=2)
                invoice(made[site], f"t-{code}", code, lines=3, name="n-KAL" if code != "KAL" else "n-BUM")
        made.sync()
        yield made


@pytest.mark.parametrize(
    "copies",
    [
        {1: "all", 2: ["CMS", "KAL"]},
        {1: "all", 2: ["CMS", "KAL", "KDI"]},
        {1: "all", 2: "all"},
        {1: "all", 2: []},
        {1: "all", 2: ["KAL"]},
        {1: "all", 2: ["CMS"], 3: ["BUM", "CMS"]},
        {1: "all", 2: [], 3: "all"},
    ],
    ids=str,
)
def test_copies(sites: Sites, copies: Copies) -> None:
    before = {site: counted(sites[site]) for site in (1, 2, 3)}
    plan = plan_of(sites, copies_of=copies)
    assert [one.action for one in plan.settings] == ["change"] * len(plan.settings) != []
    assert (plan.triggers, plan.stores) == ((), ())
    sites.primary.reload(copies_of=copies)
    sites.sync()
    for site in (2, 3):
        came, left = moved(before[site], counted(sites[site]))
        assert flows(plan, "fill", site) == came
        assert flows(plan, "leave", site) == left
    assert all(one.from_site == PRIMARY for one in plan.records if one.action == "fill")


def test_the_primary_lets_go_of_its_copies(sites: Sites) -> None:
    before = counted(sites.primary)
    plan = plan_of(sites, copies_of={1: ["BUM"], 2: ["CMS"]})
    sites.primary.reload(copies_of={1: ["BUM"], 2: ["CMS"]})
    came, left = moved(before, counted(sites.primary))
    assert (came, flows(plan, "leave", PRIMARY)) == ({}, left)


def test_stores_of_which_the_primary_has_no_copy_are_counted_by_nobody_here(tmp_path: Path) -> None:
    with stock_sites(tmp_path, copies_of={1: ()}) as sites:
        stock(sites[2], "k", "BUM")
        sites.sync()
        plan = plan_of(sites, copies_of={1: (), 3: ["BUM"]})
        unknown = {"stock": None, "invoice": None, "line": None}
        assert flows(plan, "fill", 3) == unknown
        assert {one.from_site for one in plan.records} == {2}
        assert any("site 3" in line and "site 2" in line and "alone knows" in line for line in plan.lines())
        back = plan_of(sites, copies_of={1: ["BUM"]})
        assert flows(back, "fill", PRIMARY) == unknown


def test_a_record_type_that_is_declared_later_or_no_longer(sites: Sites) -> None:
    without = TYPES.replace("  patient: {table: patient, edited_on: any_site, sent_to: every_site}\n", "")
    sites.reload(record_types=without)
    sites.sync()
    sites.primary.write("INSERT INTO patient VALUES ('p-1', 'Ann'), ('p-2', 'Ben')")
    plan = plan_of(sites, record_types=TYPES)
    assert [(one.action, one.table, one.record_type) for one in plan.triggers] == [("make", "patient", "patient")]
    assert flows(plan, "fill", 2) == flows(plan, "fill", 3) == {"patient": 2}
    sites.reload(record_types=TYPES)
    sites.sync()
    assert len(sites[2].rows("patient")) == 2
    plan = plan_of(sites, record_types=without)
    assert [(one.action, one.table) for one in plan.triggers] == [("drop", "patient")]
    assert plan.records == ()


def test_a_record_type_that_is_declared_otherwise(sites: Sites) -> None:
    other = TYPES.replace("{exclude: [note]}}", "{exclude: [note]}, guard: off}")
    plan = plan_of(sites, record_types=other)
    assert [(one.action, one.table) for one in plan.triggers] == [("renew", "stock")]
    assert list(map(str, plan.settings)) == ["record_types.stock.guard: on → off"]


def test_a_record_type_that_goes_to_every_site_from_now_on(sites: Sites) -> None:
    before = counted(sites[2])
    other = TYPES.replace(
        "edited_on: active_site, sent_to: sites_of_store, store: store_id",
        "edited_on: active_site, sent_to: every_site, store: store_id",
    )
    plan = plan_of(sites, record_types=other)
    come = len(counted(sites.primary)["stock"] - before["stock"])
    assert flows(plan, "fill", 2) == {"stock": come}
    assert come > 0


def test_p31_a_store_to_which_its_site_may_have_written_is_handed_over(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[3], "k", "KAL")
        invoice(sites[3], "v", "KAL", lines=2)
        sites.sync()
        wish = {1: ["CMS"], 2: ["BUM", "KAL", "KDI"], 3: []}
        plan = plan_of(sites, active_stores=wish)
        told = {one.code: (one.from_site, one.to_site, one.records, one.hand_over) for one in plan.stores}
        assert told == {"KAL": (3, 2, 4, True), "KDI": (3, 2, 0, True)}
        assert flows(plan, "fill", 2) == flows(plan, "leave", 3) == {"stock": 1, "invoice": 1, "line": 2}
        (line,) = [line for line in plan.lines() if line.startswith("store KAL")]
        assert line == (
            "store KAL is handed over from site 3, site 3 to site 2, site 2, with 4 records: nobody can edit them "
            "until site 3, site 3, has sent what it has, and site 2, site 2, has it all"
        )
        (line,) = [line for line in plan.lines() if line.startswith("store KDI")]
        assert "with records that site 3, site 3, may not have sent: nobody can edit it until" in line
        before = [counted(sites[2]), counted(sites[3])]
        sites.primary.reload(active_stores=wish)
        facts = sites.primary.here.facts
        assert (facts.stores["s-KAL"].edited_at, facts.stores["s-KDI"].edited_at) == (None, None)
        assert plan_of(sites, active_stores=wish).stores == (), "it is under way already"
        back = plan_of(sites, active_stores=ACTIVE)
        assert "the hand-over of store KAL is called off: it goes back to site 3, site 3" in back.lines()
        sites.sync()
        for (name, number), site, was in zip([("fill", 2), ("leave", 3)], (2, 3), before, strict=True):
            now = counted(sites[site])
            gone = {one: len(was[one] ^ now[one]) for one in was if was[one] != now[one]}
            assert gone == flows(plan, name, number)


def test_a_store_that_would_be_active_nowhere(tmp_path: Path) -> None:
    with stock_sites(tmp_path, joined=False) as sites:
        plan = plan_of(sites, active_stores={1: ["CMS"], 2: ["BUM"], 3: ["KAL"]})
        assert [(one.code, one.to_site, one.possible) for one in plan.stores] == [("KDI", None, True)]
        assert "store KDI moves from site 3, site 3 to no site; it has no records" in plan.lines()


def test_a_store_with_records_that_would_be_active_nowhere_stays(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        stock(sites[3], "k", "KDI")
        sites.sync()
        plan = plan_of(sites, active_stores={1: ["CMS"], 2: ["BUM"], 3: ["KAL"]})
        assert [(one.code, one.to_site, one.possible, one.hand_over) for one in plan.stores] == [
            ("KDI", None, False, False)
        ]
        assert plan.records == ()
        moved = "store KDI would move from site 3, site 3 to no site, but it has 1 record:"
        assert any(line.startswith(moved) for line in plan.lines())


def test_a_store_to_which_its_site_may_have_written_stays(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        nowhere = {1: ["CMS"], 2: ["BUM"], 3: ["KAL"]}
        plan = plan_of(sites, active_stores=nowhere)
        assert [(one.code, one.to_site, one.possible) for one in plan.stores] == [("KDI", None, False)]
        assert any("but it may have records that site 3, site 3, may not have sent:" in one for one in plan.lines())
        (problem,) = sites.primary.reload(active_stores=nowhere)
        assert problem.message.startswith("store KDI may have records that site 3 has not sent; this edit")
        assert sites.primary.here.facts.active_site("s-KDI") == 3


def test_a_store_that_is_active_for_the_first_time_or_does_not_exist(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        plan = plan_of(sites, active_stores={**ACTIVE, 2: ["BUM", "NEW"]})
        assert plan.stores == ()
        assert any("store NEW does not exist yet" in one for one in plan.warnings)


def test_a_new_site_is_owed_all_that_it_is_to_hold(tmp_path: Path) -> None:
    with stock_sites(tmp_path, joined=False) as sites:
        sites.sync(2)
        stock(sites[2], "k", "BUM")
        sites.sync(2)
        three = [one for one in sites.satellite_ids if one == 3]
        sites.satellite_ids = [2]
        sites.primary.reload()
        sites.satellite_ids = [2, *three]
        wish: Any = {"active_stores": ACTIVE, "copies_of": {1: "all", 3: ["BUM"]}}
        before = counted(sites[3])
        plan = plan_of(sites, **wish)
        assert [(one.setting, one.action) for one in plan.settings] == [("sync_with.3", "add")]
        assert any(
            line.startswith("sync_with.3 was added: name site 3, active_stores [KAL, KDI]") for line in plan.lines()
        )
        sites.primary.reload(**wish)
        assert plan_of(sites, **wish, request_size=20).records == (), "it is owed already"
        sites.sync(3)
        assert flows(plan, "fill", 3) == moved(before, counted(sites[3]))[0]


def test_the_first_configuration(tmp_path: Path) -> None:
    with stock_sites(tmp_path, joined=False) as sites:
        one = sites.primary
        settings = one.here.settings
        fresh = open_database(f"sqlite:///{tmp_path}/fresh.db")
        files = (one.folder / "site.db", tmp_path / "fresh.db")
        with closing(sqlite3.connect(files[0])) as theirs, closing(sqlite3.connect(files[1])) as copy:
            theirs.backup(copy)
        fresh.remove()
        plugins, _ = Plugins.load((), builtin=BUILTIN)
        plan = make_plan(None, look(settings, plugins, database=fresh))
        fresh.close()
        assert plan.first
        assert {one.action for one in plan.triggers} == {"make"}
        assert {one.table for one in plan.triggers} == set(TABLES)
        assert flows(plan, "fill", 2) == {"item": 2, "name": 5, "store": 4}


def test_a_site_that_is_taken_out_is_warned_of(sites: Sites) -> None:
    sites.satellite_ids = [2]
    plan = plan_of(sites)
    sites.satellite_ids = [2, 3]
    assert any("site 3, site 3, is refused from then on" in one for one in plan.warnings)
    assert {one.code: one.possible for one in plan.stores} == {"KAL": False, "KDI": False}


def test_the_same_configuration_changes_nothing(sites: Sites) -> None:
    plan = plan_of(sites)
    assert plan.empty
    assert plan.lines() == ()


def test_a_satellite_tells_what_it_would_send(tmp_path: Path) -> None:
    without = (
        TYPES.split("  stock:")[0]
        + "  invoice:"
        + TYPES.split("  invoice:")[1].replace("    when_missing: {stock_id: clear}\n", "")
    )
    with stock_sites(tmp_path, record_types=without) as sites:
        stock(sites[2], "k-1", "BUM")
        stock(sites[2], "k-2", "BUM")
        plan = plan_of(sites, 2, record_types=TYPES)
        assert [(one.action, one.from_site, one.to_site, one.records) for one in plan.records] == [("fill", 2, 1, 2)]
        assert "make" in {one.action for one in plan.triggers}


def test_a_satellites_own_lists_decide_nothing(sites: Sites) -> None:
    one = sites[2]
    old = one.here.settings
    new = replace(old, this_site=replace(old.this_site, copies_of=("KAL",)))
    plugins, _ = Plugins.load((), builtin=BUILTIN)
    plan = make_plan(old, look(new, plugins, database=one.here.database))
    assert any("decided by the primary" in one for one in plan.warnings)
    assert plan.records == ()


# --- how long it takes ------------------------------------------------------------------------------------------------


def test_a_fill_over_a_slow_line_is_warned_of(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    with sites.primary.here.database.write() as writer:
        writer.execute("UPDATE msyncd_site SET batch_size = 20 WHERE sync_id = 2")
    plan = plan_of(sites, copies_of={1: "all", 2: "all"})
    total = sum(one.records or 0 for one in plan.records)
    assert plan.seconds == {2: total / 10}
    assert not [one for one in plan.warnings if "on its line" in one]
    monkeypatch.setattr("msyncd.flow.planning.SLOW_SECONDS", 0.5)
    plan = plan_of(sites, copies_of={1: "all", 2: "all"})
    assert any(f"{total} records for site 2, site 2, take about 2 s on its line" in one for one in plan.warnings)
    with sites.primary.here.database.write() as writer:
        writer.execute("UPDATE msyncd_site SET batch_size = NULL WHERE sync_id = 2")
    monkeypatch.setattr("msyncd.flow.planning.MANY", 3)
    plan = plan_of(sites, copies_of={1: "all", 2: "all"})
    assert any("how fast its line is, nobody knows" in one for one in plan.warnings)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59, "59 s"), (60, "1 minute"), (5400, "2 hours"), (86_400, "1 day"), (9e5, "10 days")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


# --- words and JSON ---------------------------------------------------------------------------------------------------


def test_lines_and_document_say_the_same_and_no_secret(sites: Sites) -> None:
    old = sites.primary.here.settings
    new = replace(old, this_site=replace(old.this_site, password=replace(old.this_site.password, value="geheim")))
    plan = settings_plan(old, new)
    assert plan.lines() == ("this_site.password was changed",)
    plan = replace(plan, records=tuple(Flow("fill", f"type{number}", 1, 2, 10 * number) for number in range(9)))
    (line,) = plan.lines()[1:]
    assert line == (
        "360 records (type8 80, type7 70, type6 60, type5 50, type4 40, type3 30, 3 more) go from site 1 to site 2"
    )
    document = json.loads(json.dumps(plan.document()))
    assert document["changes"] is True
    assert document["lines"] == list(plan.lines())
    assert document["settings"] == [{"setting": "this_site.password", "action": "change", "old": "set", "new": "set"}]
    assert len(document["records"]) == 9
    assert "geheim" not in json.dumps(document)
