"""The question whether a store ever had two owners, beside all histories tried one by one."""

from itertools import combinations_with_replacement, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.checker.ownership import Edit, Move, second_owner

TIMES = st.integers(0, 6)
SITES = st.integers(1, 3)
EDIT = st.builds(lambda site, began, takes: Edit(site, began * 1.0, began + takes * 1.0), SITES, TIMES, TIMES)


@st.composite
def moves_of(draw: st.DrawFn) -> list[Move]:
    """Moves in the order in which they were asked."""
    asked = sorted(draw(st.lists(TIMES, max_size=3)))
    return [Move(draw(SITES), float(at)) for at in asked]


def explained(home: int, moves: list[Move], edits: list[Edit]) -> bool:
    """Whether there is a history: each half of a time is tried as the moment of each move."""
    owners, moments = [home, *(move.site for move in moves)], [number / 2 for number in range(24)]
    for chosen in combinations_with_replacement(moments, len(moves)):
        if any(moment < move.asked for moment, move in zip(chosen, moves, strict=True)):
            continue
        turns = list(zip(owners, pairwise([-1.0, *chosen, 99.0]), strict=True))
        if all(
            any(owner == edit.site and edit.began <= until and since <= edit.ended for owner, (since, until) in turns)
            for edit in edits
        ):
            return True
    return False


@given(home=SITES, moves=moves_of(), edits=st.lists(EDIT, max_size=6))
def test_it_says_what_all_histories_say(home: int, moves: list[Move], edits: list[Edit]) -> None:
    assert (second_owner(home, moves, edits) is None) == explained(home, moves, edits)


def test_edits_that_overlap_a_hand_over_may_have_come_in_either_order() -> None:
    late = Edit(2, 4.0, 9.0)
    """Its program heard of the commit after the other site had taken over, and written."""
    assert second_owner(2, [Move(1, 5.0)], [Edit(2, 1.0, 2.0), late, Edit(1, 6.0, 7.0), Edit(1, 10.0, 11.0)]) is None


@pytest.mark.parametrize(
    ("edits", "wrong"),
    [
        ([Edit(1, 3.0, 4.0)], Edit(1, 3.0, 4.0)),  # before the move was asked
        ([Edit(1, 6.0, 7.0), Edit(2, 8.0, 9.0)], Edit(2, 8.0, 9.0)),  # after the other site had it
        ([Edit(1, 6.0, 7.0), Edit(1, 6.5, 12.0), Edit(2, 7.5, 9.0)], Edit(2, 7.5, 9.0)),  # the same, beside another
        ([Edit(3, 0.0, 20.0)], Edit(3, 0.0, 20.0)),  # it never had the store
    ],
)
def test_an_edit_of_a_second_owner_is_found_also_where_edits_overlap(edits: list[Edit], wrong: Edit) -> None:
    assert second_owner(2, [Move(1, 5.0)], edits) == wrong


def test_a_store_that_comes_back_may_be_edited_there_again_and_a_move_may_be_overtaken_by_the_next() -> None:
    there_and_back = [Move(1, 5.0), Move(2, 6.0)]
    assert second_owner(2, there_and_back, [Edit(1, 6.5, 7.0), Edit(2, 8.0, 9.0)]) is None
    assert second_owner(2, there_and_back, [Edit(2, 6.5, 7.0), Edit(2, 8.0, 9.0)]) is None
    again = [Edit(1, 6.5, 7.0), Edit(2, 8.0, 9.0), Edit(1, 9.5, 10.0)]
    assert second_owner(2, there_and_back, again) == Edit(1, 9.5, 10.0)
