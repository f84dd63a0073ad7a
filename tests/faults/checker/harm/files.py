"""The YAML is broken and mended, plugins come and go, copies are widened and narrowed, stores are handed over."""

import random
import time

from tests.faults.checker.clients import Journal
from tests.faults.checker.country import Country
from tests.faults.checker.harm.way import Harm, Way
from tests.faults.checker.ownership import Move

HARMLESS = "from msyncd import hookimpl\n\n@hookimpl\ndef msyncd_check(changes):\n    return None\n"
MOVES = 3
"""The weight of hand-overs."""
BROKEN_YAML = "this_site: [\n"


class Files(Harm):
    """`moves`: which store was to be active where, and when that was asked."""

    def __init__(self, country: Country, journal: Journal) -> None:
        super().__init__(country, journal)
        self.moves: list[tuple[str, Move]] = []

    def ways(self, *, moves: int) -> list[Way]:
        """All of them; hand-overs with that weight, if there are to be any."""
        handing = [Way("move", moves, self.move)] if moves else []
        return [Way("copies", 2, self.copies), Way("bad file", 2, self.bad_file), *handing]

    def copies(self, dice: random.Random) -> str:
        """A satellite gets copies of other stores, or loses them."""
        site = self.any_satellite(dice)
        others = [store for store, at in self.country.wishes.items() if at != site]
        self.country.copies[site] = sorted(dice.sample(others, dice.randint(0, len(others))))
        self.country.configure()
        return f"{site}: {self.country.copies[site]}"

    def bad_file(self, dice: random.Random) -> str:
        """A broken YAML, or a plugin that comes and goes, while the daemon runs."""
        site = self.any_site(dice)
        name = self.country.configuration(site).name
        good = self.country.configuration(site).read_text()
        if dice.random() < 0.5:
            self.country.write(name, BROKEN_YAML)
        else:
            self.country.write("harmless.py", HARMLESS)
            self.country.write(name, f"{good}plugins: [{{module: harmless.py}}]\n")
        time.sleep(dice.uniform(0.4, 1.0))
        self.country.write(name, good)
        return str(site)

    def move(self, dice: random.Random) -> str:
        """A store is to be active elsewhere."""
        store = dice.choice(sorted(self.country.wishes))
        site = dice.choice([one for one in self.country.sites if one != self.country.wishes[store]])
        self.country.wishes[store] = site
        self.moves.append((store, Move(site, time.monotonic())))
        self.country.configure()
        return f"{store} to {site}"
