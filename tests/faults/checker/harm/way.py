"""A way to do harm, and what the ways share."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.faults.checker.clients import Journal
from tests.faults.checker.country import Country


@dataclass(frozen=True, slots=True)
class Way:
    """Chosen as often as its weight says. `do` is given dice of its own, and says what it did, or None: nothing."""

    kind: str
    weight: int
    do: Callable[[random.Random], str | None]


class Harm:
    """What all have: the country, and the journal of what is known to be committed."""

    def __init__(self, country: Country, journal: Journal) -> None:
        self.country, self.journal = country, journal

    def any_site(self, dice: random.Random) -> int:
        """One that has joined."""
        return dice.choice(self.country.sites)

    def any_on_sqlite(self, dice: random.Random, sites: Iterable[int]) -> int | None:
        """One of these whose database is a file; None if there is none."""
        files = [site for site in sites if self.country.kinds[site - 1] == "sqlite"]
        return dice.choice(files) if files else None

    def any_satellite(self, dice: random.Random) -> int:
        """One that has joined."""
        return dice.choice(self.country.sites[1:])
