"""The built-in rules, through the same door as everybody's plugins."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from msyncd.model import AlsoSentTo, Changes, Facts, RecordType, Refuse, Route, Row, Site, StoreFact, Through, Value
from msyncd.plugins import Checked, Plugins
from msyncd.rules import BUILTIN
from tests.plugins.support import ITEM, STOCK, Here, Listed, nothing_here, stock, write

FACTS = Facts(
    1,
    {
        "A": StoreFact("A", "AAA", 2, name="name_a"),
        "B": StoreFact("B", "BUM", 3, name="name_b"),
        "N": StoreFact("N", "NOW", None, name="name_n"),
    },
    {1: Site(1, "Centre", copies_of="all"), 2: Site(2, "A's"), 3: Site(3, "B's", copies_of=frozenset({"A"}))},
)
LINE = replace(STOCK, name="line", store=Through("header", "stock"))
TRANSACT = replace(STOCK, name="transact", also_sent_to=AlsoSentTo("store_of_name", "name_ID"))


@dataclass(frozen=True)
class World:
    """A site as the rules see it."""

    site: int = 1
    facts: Facts = FACTS
    record_types: Mapping[str, RecordType] = field(default_factory=dict)

    def database(self) -> Any:
        raise AssertionError("a rule reads no database")

    def send_again(self, record_type: str, keys: Iterable[Row], sites: Iterable[int]) -> None:
        raise AssertionError("a rule sends nothing")


def rules(site: int = 1, *record_types: RecordType, listed: tuple[Listed, ...] = ()) -> Plugins:
    """The built-in rules on a site, and what the YAML lists beside them."""
    world = World(site, record_types={record_type.name: record_type for record_type in record_types})
    plugins, problems = Plugins.load(listed, builtin=BUILTIN, world=world)
    assert problems == []
    return plugins


def reasons(checked: Checked) -> dict[int, str]:
    """Why changes were refused, by place."""
    assert checked.failed == ()
    refused = {at: decision.verdict for at, decision in checked.decisions.items()}
    assert not any(decision.may_edit for decision in checked.decisions.values())
    return {at: verdict.reason for at, verdict in refused.items() if isinstance(verdict, Refuse)}


# --- edited_on ---


def test_central_records_come_from_the_primary_only() -> None:
    batch = Changes(ITEM, [("a",), ("b",)], [("a", "x"), None])
    words = "item is edited on the primary (sync ID 1) only"
    assert reasons(rules().check(ITEM, batch, nothing_here(batch), 2)) == {0: words, 1: words}
    assert rules(site=2).check(ITEM, batch, nothing_here(batch), 1).all_allowed


def test_any_site_may_send_what_any_site_may_edit() -> None:
    anywhere = replace(STOCK, edited_on="any_site")
    batch = Changes(anywhere, [("a",)], [("a", "B", 1)], stores=["B"])
    assert rules().check(anywhere, batch, nothing_here(batch), 2).all_allowed


# --- active_site ---


@pytest.mark.parametrize(
    ("incoming", "here", "reason"),
    [
        ("A", None, None),
        ("A", "A", None),
        ("B", None, "store BUM is active on site 3, not on 2"),
        ("A", "B", "store BUM is active on site 3, not on 2"),
        ("B", "A", "store BUM is active on site 3, not on 2"),
        ("N", None, "store NOW is active nowhere, so its records can be edited nowhere"),
        ("new", None, "store new is active nowhere, so its records can be edited nowhere"),
        (None, None, "stock names no store in store_ID, so it can be edited nowhere"),
        (None, "B", "store BUM is active on site 3, not on 2"),
    ],
)
def test_a_stores_records_come_from_its_active_site(incoming: str | None, here: str | None, reason: str | None) -> None:
    batch = Changes(STOCK, [("ok",), ("a",)], [("ok", "A", 1), ("a", incoming, 1)], stores=["A", incoming])
    checked = rules().check(STOCK, batch, Here([None, None], ["A", here]), 2)
    assert reasons(checked) == ({1: reason} if reason else {})


def test_a_line_whose_header_is_not_known_is_left_to_wait() -> None:
    batch = Changes(LINE, [("a",)], [("a", None, 1)], stores=[None])
    assert rules().check(LINE, batch, nothing_here(batch), 2).all_allowed
    assert not rules().check(LINE, batch, Here([None], ["B"]), 2).all_allowed


def test_a_satellite_believes_the_primary() -> None:
    batch = stock(("a", "B", 1))
    assert rules(site=2).check(STOCK, batch, nothing_here(batch), 1).all_allowed


def test_rows_are_not_read_to_know_the_store() -> None:
    batch = stock(("a", "B", 1))
    here = nothing_here(batch)
    rules().check(STOCK, batch, here, 2)
    assert here.touched == 0


@pytest.mark.parametrize("answer", ["[Allow()] * len(changes)", "[Replace(('a', 'A', 1))]", "1 / 0"])
def test_no_plugin_switches_off_the_check_of_ownership(tmp_path: Path, answer: str) -> None:
    write(
        tmp_path,
        "friendly.py",
        f"""
        @hookimpl
        def msyncd_check(changes):
            return {answer}
    """,
    )
    batch = stock(("a", "B", 1))
    checked = rules(listed=(Listed("friendly.py", tmp_path),)).check(STOCK, batch, nothing_here(batch), 2)
    assert reasons(checked) == {0: "store BUM is active on site 3, not on 2"}
    assert checked.decisions[0].plugin == "active_site"


# --- sent_to ---


def test_every_site_means_all_of_them() -> None:
    batch = Changes(ITEM, [("a",)], [("a", "x")])
    assert list(rules().route(ITEM, batch).routes) == [Route(add_sites=frozenset({1, 2, 3}))]


def test_sites_of_store_follow_the_store() -> None:
    batch = Changes(STOCK, [("a",), ("b",), ("c",)], [None, None, None], stores=["A", None, "A"])
    routes = rules().route(STOCK, batch).routes
    of_a = Route(add_stores=frozenset({"A"}))
    assert list(routes) == [of_a, Route(), of_a]
    assert routes[0] is routes[2]


def test_primary_only_goes_no_further() -> None:
    private = replace(STOCK, sent_to="primary_only")
    batch = Changes(private, [("a",)], [("a", "A", 1)], stores=["A"])
    assert list(rules().route(private, batch).routes) == [Route(add_sites=frozenset({1}))]


# --- also_sent_to ---


@pytest.mark.parametrize(
    ("also", "value", "sites"),
    [
        (AlsoSentTo("store_of_name", "name_ID"), "name_b", {3}),
        (AlsoSentTo("store_of_name", "name_ID"), "name_x", set()),
        (AlsoSentTo("store_of_name", "name_ID"), "name_n", set()),
        (AlsoSentTo("store_of_name", "name_ID"), "B", set()),
        (AlsoSentTo("store", "to_store"), "B", {3}),
        (AlsoSentTo("store", "to_store"), None, set()),
    ],
)
def test_a_transfer_reaches_the_other_stores_active_site(also: AlsoSentTo, value: Value, sites: set[int]) -> None:
    transfer = replace(TRANSACT, also_sent_to=also)
    # A delete too: its routing value was captured with it.
    batch = Changes(transfer, [("a",), ("b",)], [None, ("b", "A", 1)], stores=["A", "A"], routes=[value, None])
    expected = Route(add_sites=frozenset(sites), add_stores=frozenset({"A"}))
    assert list(rules().route(transfer, batch).routes) == [expected, Route(add_stores=frozenset({"A"}))]


def test_the_routing_value_stays_with_its_change() -> None:
    batch = Changes(TRANSACT, [("a",), ("b",), ("c",)], [None] * 3, routes=["name_a", "name_b", None])
    assert list(batch.select([2, 1]).routes) == [None, "name_b"]
    assert list(batch[1:].routes) == ["name_b", None]
    assert list(Changes(TRANSACT, [("a",)], [None]).routes) == [None]


def test_lines_go_with_their_header() -> None:
    line = replace(LINE, store=Through("header", "transact"))
    detail = replace(LINE, name="detail", store=Through("line", "line"))
    plugins = rules(1, TRANSACT, line, detail)
    for record_type in (line, detail):
        batch = Changes(record_type, [("a",)], [None], stores=["A"], routes=["name_b"])
        assert plugins.route(record_type, batch).routes[0].add_sites == {3}
    lonely = replace(LINE, store=Through("header", "gone"))
    batch = Changes(lonely, [("a",)], [None], stores=["A"], routes=["name_b"])
    assert plugins.route(lonely, batch).routes[0].add_sites == frozenset()
