"""The named points at which the checker kills: a renamed function is seen here, not only in the long tests."""

import importlib
from functools import reduce

import pytest

from tests.faults.checker.points import POINTS, Point


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_the_function_of_a_point_is_where_its_caller_looks_it_up(point: Point) -> None:
    holder: object = importlib.import_module(point.module)
    assert callable(reduce(getattr, point.function.split("."), holder))


def test_points_have_names_of_their_own() -> None:
    assert len({point.name for point in POINTS}) == len(POINTS)
