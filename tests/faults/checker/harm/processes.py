"""Daemons are killed at any instruction and at named points, paused, and started with clocks that are wrong."""

import random
import signal
import time

from tests.faults.checker.clients import Journal
from tests.faults.checker.country import Country
from tests.faults.checker.harm.files import Files
from tests.faults.checker.harm.way import Harm, Way
from tests.faults.checker.points import POINTS


class Processes(Harm):
    """`files` moves a store where a point of a hand-over is to be met."""

    def __init__(self, country: Country, journal: Journal, files: Files, *, moves: bool) -> None:
        super().__init__(country, journal)
        self._files = files
        self._left = [one for one in POINTS if one.where not in ("restored", *(() if moves else ("hand-over",)))]

    def ways(self) -> list[Way]:
        """All of them."""
        return [
            Way("kill", 4, self.kill),
            Way("ask to die", 9, self.ask_to_die),
            Way("pause", 3, self.pause),
            Way("clock", 1, self.clock),
        ]

    def dead(self) -> list[str]:
        """The points at which daemons have ended since this was last asked. They run again."""
        found = []
        for site in self.country.sites:
            if (point := self.country.died_at(site)) is not None:
                self._left = [one for one in self._left if one.name != point]
                found.append(f"{point}, {site}")
                self.country.start(site)
        return found

    def kill(self, dice: random.Random) -> str:
        """SIGKILL, at whatever instruction it is."""
        site = self.any_site(dice)
        self.country.kill(site)
        time.sleep(dice.choice([0.0, 0.3]))
        self.country.start(site)
        return str(site)

    def ask_to_die(self, dice: random.Random) -> str | None:
        """A daemon is to end at a point that was not met yet in this run, if there is any, whenever it comes there.

        Not a fault by itself: `dead` tells of those that did.
        """
        points = [one for one in POINTS if one.where not in ("restored", "hand-over")]
        point = dice.choice(self._left or points)
        satellite = self.any_satellite(dice)
        self.country.ask_to_die(satellite if point.on_satellite else 1, point.name)
        if point.where == "hello":
            self.country.kill(satellite)
            self.country.start(satellite)
        elif point.where == "hand-over":
            self._files.move(dice)
        return None

    def pause(self, dice: random.Random) -> str:
        """SIGSTOP for a while."""
        site = self.any_site(dice)
        self.country.signal(site, signal.SIGSTOP)
        time.sleep(dice.uniform(0.2, 1.5))
        self.country.signal(site, signal.SIGCONT)
        return str(site)

    def clock(self, dice: random.Random) -> str:
        """Its clock is off by days; the machine's is not touched."""
        site = self.any_site(dice)
        self.country.kill(site)
        self.country.days[site] = dice.choice([-400.0, -2.0, 3.0, 400.0])
        self.country.start(site)
        return f"{site} by {self.country.days[site]:g} days"
