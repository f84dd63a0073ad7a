"""What goes wrong, one thing after the other, chosen by a seed; and the putting right of it all."""

import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.faults.checker.clients import Journal
from tests.faults.checker.country import Country
from tests.faults.checker.harm.databases import OwnDatabases
from tests.faults.checker.harm.files import MOVES, Files
from tests.faults.checker.harm.lines import Lines
from tests.faults.checker.harm.processes import Processes
from tests.faults.checker.harm.restores import Restores
from tests.faults.checker.harm.sites import Sites
from tests.faults.checker.harm.way import Way
from tests.faults.checker.ownership import Move


class Nemesis:
    """Does harm until it is told to stop. `done` names everything that it did: `kind: what`.

    `let_in` is told of a site that comes late. `weights` of harm that is to come more often, or never (0), than
    usual; `restores`: old backups are restored.
    """

    def __init__(
        self,
        country: Country,
        seed: int,
        journal: Journal,
        let_in: Callable[[int], None],
        *,
        weights: Mapping[str, int] | None = None,
        restores: bool = True,
    ) -> None:
        self._country, self._journal, self._seed = country, journal, seed
        self._random = random.Random(seed * 7 + 1)
        self._files = Files(country, journal)
        self._weights = dict(weights or {})
        moves = self._weights.get("move", MOVES)
        self._processes = Processes(country, journal, self._files, moves=bool(moves))
        self._with_moves, self._restores, self._let_in = moves, restores, let_in
        self.done: list[str] = []

    @property
    def moves(self) -> list[tuple[str, Move]]:
        """Which store was to be active where, and when that was asked."""
        return self._files.moves

    def run(self, seconds: float, writes: int) -> None:
        """So long, and until so many writes were acknowledged, but no longer than five times; then all is put right."""
        began, number, ways = time.monotonic(), 0, self._ways()
        while (spent := time.monotonic() - began) < seconds or (
            self._journal.acknowledged < writes and spent < 5 * seconds
        ):
            way = self._random.choices(ways, [one.weight for one in ways])[0]
            number += 1
            # dice of its own: however long one harm lasts, the next is the same in each run of a seed
            did = way.do(random.Random(f"{self._seed} {number}"))
            if did is not None:
                self.done.append(f"{way.kind}: {did}")
            time.sleep(self._random.uniform(0.1, 0.6))
            self._bury()
        self._country.ask_no_more()
        self._bury()
        self.mend()

    def _bury(self) -> None:
        self.done += [f"point: {one}" for one in self._processes.dead()]
        if self._country.broken:  # it may have ended itself; of one that is not broken that would be a fault
            for site in self._country.sites:
                self._country.start(site)

    def _ways(self) -> list[Way]:
        country, journal = self._country, self._journal
        ways = [
            *self._processes.ways(),
            *Lines(country, journal).ways(),
            *OwnDatabases(country, journal).ways(),
            *self._files.ways(moves=self._with_moves),
            *Sites(country, journal, self._let_in).ways(),
            *(Restores(country, journal).ways() if self._restores else []),
        ]
        return [replace(one, weight=self._weights.get(one.kind, one.weight)) for one in ways]

    def mend(self) -> None:
        """Lines are good, files as wished, clocks right, everything runs."""
        for line in self._country.lines.values():
            line.mend()
        self._country.configure()
        for site in self._country.sites:
            self._country.signal(site, signal.SIGCONT)
            if self._country.days[site]:
                self._country.days[site] = 0.0
                self._country.kill(site)
            self._country.start(site)
