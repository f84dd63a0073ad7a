"""Routes of several plugins taken together."""

from pathlib import Path

import pytest

from msyncd.model import Route
from tests.plugins.support import loaded, stock, write

BATCH = stock(("a", "B", 1), ("b", "B", 2), ("c", "B", 3))


def test_what_is_added_and_removed_is_united_and_remove_beats_add(tmp_path: Path) -> None:
    write(
        tmp_path,
        "adds.py",
        """
        @hookimpl
        def msyncd_route(changes):
            return [Route(add_sites=frozenset({2, 3}), add_stores=frozenset({"B", "C"})), None, None]
    """,
    )
    write(
        tmp_path,
        "removes.py",
        """
        @hookimpl
        def msyncd_route(changes):
            return (Route(frozenset({4}), frozenset({3}), frozenset(), frozenset({"C"})), Route(frozenset({5})), None)
    """,
    )
    for order in (("adds.py", "removes.py"), ("removes.py", "adds.py")):
        routed = loaded(tmp_path, *order).route(BATCH.record_type, BATCH)
        assert routed.failed == ()
        assert list(routed.routes) == [
            Route(frozenset({2, 4}), frozenset({3}), frozenset({"B"}), frozenset({"C"})),
            Route(frozenset({5})),
            Route(),
        ]


def test_changes_that_go_the_same_way_share_a_route(tmp_path: Path) -> None:
    write(
        tmp_path,
        "adds.py",
        """
        @hookimpl
        def msyncd_route(changes):
            return [Route(frozenset({2}))] * len(changes)
    """,
    )
    routes = loaded(tmp_path, "adds.py").route(BATCH.record_type, BATCH).routes
    assert len({id(route) for route in routes}) == 1


def test_a_plugin_that_raises_on_one_change_still_routes_the_others(tmp_path: Path) -> None:
    write(
        tmp_path,
        "fragile.py",
        """
        @hookimpl
        def msyncd_route(changes):
            return [Route(frozenset({10 // (change.value("quantity") - 2) + 12})) for change in changes]
    """,
    )
    routed = loaded(tmp_path, "fragile.py").route(BATCH.record_type, BATCH)
    assert [failed.indexes for failed in routed.failed] == [(1,)]
    assert list(routed.routes) == [Route(frozenset({2})), Route(), Route(frozenset({22}))]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("{2, 3}", "answered a set"),
        ("[None]", "1 routes for 3 changes"),
        ("[2, None, None]", "a int, not a Route"),
        ("[Route(add_sites=[2]), None, None]", "frozensets of sync IDs"),
        ("[Route(add_sites=frozenset({'2'})), None, None]", "frozensets of sync IDs"),
        ("[Route(add_stores=frozenset({2})), None, None]", "frozensets of texts"),
    ],
)
def test_an_answer_that_makes_no_sense_is_a_failure(tmp_path: Path, answer: str, why: str) -> None:
    write(
        tmp_path,
        "odd.py",
        f"""
        @hookimpl
        def msyncd_route(changes):
            return {answer}
    """,
    )
    routed = loaded(tmp_path, "odd.py").route(BATCH.record_type, BATCH)
    assert [failed.indexes for failed in routed.failed] == [(0, 1, 2)]
    assert why in routed.failed[0].reason
    assert list(routed.routes) == [Route()] * 3


def test_the_flow_is_told_whether_plugins_route_or_filter(tmp_path: Path) -> None:
    write(
        tmp_path,
        "routes.py",
        """
        @hookimpl
        def msyncd_route(): return None
    """,
    )
    rules = loaded(tmp_path, rules=True)
    assert rules.implemented("route")
    assert (rules.routed_by_plugins, rules.filtered) == (False, False)
    assert loaded(tmp_path, "routes.py", rules=True).routed_by_plugins
