"""What the doctor says of one thing."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`area` is where it was looked, `what` what was found there, `hint` what to do, empty if nothing is to be done.

    An error keeps something from syncing, now or at the next start; a warning may do so later, or costs trust or time.
    """

    area: str
    state: State
    what: str
    hint: str = ""


def unless(bad: bool, area: str, state: State, good_words: str, words: str, hint: str) -> Finding:
    """A finding that is in order unless something is bad."""
    return Finding(area, state, words, hint) if bad else Finding(area, "ok", good_words)
