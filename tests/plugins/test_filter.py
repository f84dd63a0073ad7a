"""Filters in a row: each on what the one before let through, and nothing altered on the way."""

from pathlib import Path

import pytest

from tests.plugins.support import PEER, loaded, stock, write

BATCH = stock(*((str(number), "B", number) for number in range(10)))


def test_each_filter_sees_what_the_one_before_let_through(tmp_path: Path) -> None:
    write(
        tmp_path,
        "even.py",
        """
        @hookimpl
        def msyncd_filter(changes):
            return changes.select(i for i, value in enumerate(changes.column("quantity")) if value % 2 == 0)
    """,
    )
    write(
        tmp_path,
        "small.py",
        """
        @hookimpl
        def msyncd_filter(changes):
            assert all(value % 2 == 0 for value in changes.column("quantity"))
            return changes.select(i for i, value in enumerate(changes.column("quantity")) if value < 5)
    """,
    )
    filtered = loaded(tmp_path, "even.py", "small.py").filter(BATCH.record_type, BATCH, PEER, "pull")
    assert filtered.failed == ()
    assert filtered.changes.column("quantity") == [0, 2, 4]
    assert list(filtered.indexes) == [0, 2, 4]
    assert (filtered.left_out, filtered.left_out_by) == (7, {"even": 5, "small": 2})


def test_none_lets_everything_through_as_it_is(tmp_path: Path) -> None:
    write(
        tmp_path,
        "all.py",
        """
        @hookimpl
        def msyncd_filter(peer, direction):
            assert (peer.sync_id, direction) == (2, "push")
    """,
    )
    filtered = loaded(tmp_path, "all.py").filter(BATCH.record_type, BATCH, PEER, "push")
    assert filtered.changes is BATCH
    assert (filtered.left_out, filtered.failed) == (0, ())


def test_the_order_of_the_batch_stays(tmp_path: Path) -> None:
    write(
        tmp_path,
        "backwards.py",
        """
        @hookimpl
        def msyncd_filter(changes):
            return changes[::-2]
    """,
    )
    filtered = loaded(tmp_path, "backwards.py").filter(BATCH.record_type, BATCH, PEER, "pull")
    assert filtered.changes.column("quantity") == [1, 3, 5, 7, 9]


def test_a_filter_that_raises_costs_only_the_changes_on_which_it_raises(tmp_path: Path) -> None:
    write(
        tmp_path,
        "fragile.py",
        """
        @hookimpl
        def msyncd_filter(changes):
            return changes.select(i for i, change in enumerate(changes) if 12 // (change.value("quantity") - 3) > 1)
    """,
    )
    filtered = loaded(tmp_path, "fragile.py").filter(BATCH.record_type, BATCH, PEER, "pull")
    assert [failed.indexes for failed in filtered.failed] == [(3,)]
    assert filtered.changes.column("quantity") == [4, 5, 6, 7, 8, 9]
    assert filtered.left_out == 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("[changes[0]]", "answered a list"),
        ("Changes(record_type, [('x',)], [('x', 'B', 1)])", "about which it was not asked"),
        ("Changes(record_type, changes.keys[:1], [('0', 'B', 99)])", "altered ('0',)"),
    ],
)
def test_a_filter_that_does_more_than_choose_costs_the_changes_it_was_asked_about(
    tmp_path: Path, answer: str, why: str
) -> None:
    write(
        tmp_path,
        "odd.py",
        f"""
        @hookimpl
        def msyncd_filter(record_type, changes):
            return {answer}
    """,
    )
    filtered = loaded(tmp_path, "odd.py").filter(BATCH.record_type, BATCH, PEER, "pull")
    assert [failed.indexes for failed in filtered.failed] == [tuple(range(10))]
    assert why in filtered.failed[0].reason
    assert len(filtered.changes) == 0
    assert filtered.left_out == 0
