"""How large the next batch is."""

import pytest

from msyncd.databases.values import LOCK_SECONDS
from msyncd.flow.pace import GROWTH, MOST, SMALL, WIRE_SECONDS, Pace


def test_a_batch_grows_until_it_takes_as_long_as_it_should_on_the_wire() -> None:
    pace, per_record = Pace(20), 0.001
    for _ in range(20):
        pace = pace.after(pace.size, pace.size * per_record, 0.0)
    assert pace.size == pytest.approx(WIRE_SECONDS / per_record, rel=0.01)
    assert Pace(20).after(20, 0.0001, 0.0).size == 20 * GROWTH


def test_a_slow_line_makes_it_as_small_as_one_record() -> None:
    pace = Pace(20)
    for _ in range(5):
        pace = pace.after(pace.size, pace.size * 60.0, 0.0)
    assert pace.size == 1


def test_p25_a_large_batch_shrinks_until_the_lock_is_held_for_as_long_as_it_may_be() -> None:
    pace, per_record = Pace(MOST), 0.0001
    for _ in range(20):
        pace = pace.after(pace.size, pace.size * per_record, pace.size * per_record)
    assert pace.size == pytest.approx(LOCK_SECONDS / per_record, rel=0.01)
    for _ in range(20):
        pace = pace.after(pace.size, pace.size * per_record, pace.size * per_record, 1.0)
    assert pace.size == pytest.approx(1.0 / per_record, rel=0.01)


def test_where_each_commit_takes_long_a_batch_does_not_shrink_to_nothing() -> None:
    """A slow disk: smaller batches would only be more commits."""
    pace = Pace(2000)
    for _ in range(20):
        pace = pace.after(pace.size, 0.3, 0.3)
    assert pace.size == SMALL


def test_what_was_small_for_want_of_changes_tells_nothing() -> None:
    assert Pace(1000).after(3, 0.01, 0.001).size == 1000
