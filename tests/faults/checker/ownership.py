"""Whether a store had one owner at every moment: is there any order of what is known to have happened that says so?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """A write of a store that was committed for certain: at some moment from `began` to `ended`, both included."""

    site: int
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Move:
    """A store was to be active at `site` from `asked` on. When it was, if ever before the next move, nobody knows."""

    site: int
    asked: float


State = tuple[int, frozenset[int]]
"""Which move the store has come to (0: none yet), and which edits are under way that no turn of their site has met."""

_ASKED, _BEGAN, _ENDED = range(3)
"""At one moment, what allows more comes first."""


def second_owner(home: int, moves: Sequence[Move], edits: Iterable[Edit]) -> Edit | None:
    """The first edit, by its end, that no history explains in which only the active site wrote; None if one does.

    A history gives each move a moment, in order and none before it was asked, and each edit a moment within its
    interval. The sweep follows all of them at once. Of those that stand at one move only the ones with the fewest
    edits to explain matter; and nothing is gained by a move before an edit needs it, so the states stay few.
    """
    owners = [home, *(move.site for move in moves)]
    known = list(edits)
    events = sorted(
        [
            *((move.asked, _ASKED, number) for number, move in enumerate(moves, 1)),
            *((edit.began, _BEGAN, number) for number, edit in enumerate(known)),
            *((edit.ended, _ENDED, number) for number, edit in enumerate(known)),
        ]
    )
    states: set[State] = {(0, frozenset())}
    last = 0
    for _, what, number in events:
        if what == _ASKED:
            last = number
        elif what == _BEGAN:
            states = {(at, unmet if owners[at] == known[number].site else unmet | {number}) for at, unmet in states}
        else:
            states = {(at, unmet) for at, unmet in _onward(states, owners, known, last) if number not in unmet}
            if not states:
                return known[number]
    return None


def _onward(states: set[State], owners: list[int], known: list[Edit], last: int) -> set[State]:
    """Where the store can have come to, by moves that were asked. An edit under way is met by a turn of its site."""
    reached = set(states)
    for at, unmet in states:
        left = unmet
        for turn in range(at + 1, last + 1):
            left = frozenset(one for one in left if known[one].site != owners[turn])
            reached.add((turn, left))
    return {one for one in reached if not any(_better(other, one) for other in reached)}


def _better(one: State, other: State) -> bool:
    """Whether whatever can come after the other can come after this one: it stands no later, and has met no fewer."""
    return one != other and one[0] <= other[0] and one[1] <= other[1]
