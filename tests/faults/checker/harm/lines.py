"""Lines are cut, slow, swallow everything, break in the middle, and send what they have seen a second time."""

import random
import time

from tests.faults.checker.harm.way import Harm, Way


class Lines(Harm):
    """Each satellite's own."""

    def ways(self) -> list[Way]:
        """All of them."""
        return [
            Way("cut", 4, self.cut),
            Way("delay", 3, self.delay),
            Way("swallow", 2, self.swallow),
            Way("break off", 3, self.break_off),
            Way("send again", 3, self.again),
        ]

    def cut(self, dice: random.Random) -> str:
        """Every connection breaks."""
        site = self.any_satellite(dice)
        self.country.lines[site].hang_up()
        return str(site)

    def delay(self, dice: random.Random) -> str:
        """Until it is set otherwise."""
        site = self.any_satellite(dice)
        self.country.lines[site].delay = dice.choice([0.0, 0.05, 0.3])
        return f"{site} by {self.country.lines[site].delay:g} s"

    def swallow(self, dice: random.Random) -> str:
        """Nothing gets through for a while, and nobody is told."""
        site = self.any_satellite(dice)
        line = self.country.lines[site]
        line.swallow = True
        time.sleep(dice.uniform(0.2, 1.0))
        line.swallow = False
        return str(site)

    def break_off(self, dice: random.Random) -> str:
        """Connections break in the middle of a request."""
        site = self.any_satellite(dice)
        line = self.country.lines[site]
        line.cut_after = dice.choice([200, 1500, 6000])
        time.sleep(dice.uniform(0.3, 1.0))
        line.cut_after = None
        return str(site)

    def again(self, dice: random.Random) -> str:
        """Until it is set otherwise, each request is sent twice."""
        site = self.any_satellite(dice)
        line = self.country.lines[site]
        line.again = not line.again
        return f"{site}: {line.again}"
