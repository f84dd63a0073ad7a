"""Seeded runs of the checker: `python -m tests.faults.checker --seeds 1-20 --seconds 20`. A seed replays a run."""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from tests.faults.checker.broken import BROKEN
from tests.faults.checker.clients import Journal, Program
from tests.faults.checker.country import PATIENCE, Country
from tests.faults.checker.nemesis import Nemesis
from tests.faults.checker.points import POINTS
from tests.faults.checker.verdict import Verdict

MOST_LINES = 12
"""Of what is wrong in a run: one cause shows itself in many records."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `wrong` is empty if all was as it must be."""

    seed: int
    kinds: tuple[str, ...]
    acknowledged: int
    refused: int
    faults: tuple[str, ...]
    wrong: tuple[str, ...]
    seconds: float
    logs: str = ""

    def line(self) -> str:
        """For people."""
        said = "clean" if not self.wrong else f"WRONG: {self.wrong[0]}"
        return (
            f"seed {self.seed} ({', '.join(self.kinds)}): {self.acknowledged:,} writes acknowledged, {self.refused}"
            f" refused by the guard, {len(self.faults)} faults ({counted(self.faults)}), {self.seconds:.0f} s: {said}"
        )


def counted(faults: Iterable[str]) -> str:
    """How many of each kind, for people."""
    kinds = Counter(one.partition(":")[0] for one in faults)
    return ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))


def points(faults: Iterable[str]) -> str:
    """At which named points daemons were killed, and how often."""
    met = Counter(one.removeprefix("point: ").rpartition(", ")[0] for one in faults if one.startswith("point: "))
    return "; ".join(f"{one.name}: {met[one.name]}" for one in POINTS)


def one_run(
    seed: int,
    seconds: float,
    kinds: list[str],
    *,
    sites: int = 3,
    broken: str = "",
    weights: Mapping[str, int] | None = None,
    writes: int = 1_000,
    patience: float = PATIENCE,
) -> Outcome:
    """One run, from nothing to its verdict."""
    began = time.monotonic()
    chance = random.Random(seed)
    mixed = tuple(chance.choices(kinds, k=sites))
    late = 0 if broken else chance.randint(0, 1)
    mixed += tuple(chance.choices(kinds, k=late))
    journal, programs = Journal(), list[Program]()

    def let_in(site: int) -> None:
        programs.append(Program(country, site, seed, journal))
        programs[-1].start()

    with tempfile.TemporaryDirectory(prefix="msyncd-checker-", ignore_cleanup_errors=True) as folder:
        country = Country(Path(folder), mixed, broken, late)
        nemesis = Nemesis(country, seed, journal, let_in, weights=weights, restores=not broken)
        try:
            country.begin()
            for site in country.sites:
                let_in(site)
            nemesis.run(seconds, writes)
            for one in programs:
                one.stop()
            for one in programs:
                one.join(60)
            wrong = Verdict(country, journal, nemesis.moves, patience).reach(hurry=bool(broken)).wrong
            logs = country.logs() if wrong else ""
        finally:
            country.end()
    faults = tuple(nemesis.done)
    spent = time.monotonic() - began
    return Outcome(seed, mixed, journal.acknowledged, journal.refused, faults, tuple(wrong), spent, logs)


def broken_run(seed: int, broken: str) -> Outcome:
    """A shorter run of daemons that were broken on purpose, with what it takes to be caught."""
    kind, weights = BROKEN[broken]
    return one_run(seed, 10.0, [kind], broken=broken, weights=weights, writes=0, patience=20.0)


def _end(*_: object) -> None:
    """Whoever ends a soak leaves no daemon, server or mount behind; asked again, it is not disturbed in that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def main() -> int:
    """All of them, also behind one that is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.checker", description=__doc__)
    parser.add_argument("--seeds", default="1-3", help="one, or FIRST-LAST")
    parser.add_argument("--hours", type=float, default=0.0, help="seeds from the first on, for so long")
    parser.add_argument("--seconds", type=float, default=20.0, help="for how long each run does harm")
    parser.add_argument("--kinds", default="sqlite", help="databases to mix: sqlite,postgresql,mariadb")
    parser.add_argument("--sites", type=int, default=3)
    parser.add_argument(
        "--broken", choices=sorted(BROKEN), help="break every daemon on purpose: how often is it caught?"
    )
    parser.add_argument("--no-moves", action="store_true", help="stores stay where they are")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    first, _, last = given.seeds.partition("-")
    end = time.monotonic() + given.hours * 3600
    outcomes = list[Outcome]()
    for seed in count(int(first)):
        if seed > int(last or first) and time.monotonic() >= end:
            break
        if given.broken:
            found = broken_run(seed, given.broken)
        else:
            weights = {"move": 0} if given.no_moves else {}
            found = one_run(seed, given.seconds, given.kinds.split(","), sites=given.sites, weights=weights)
        outcomes.append(replace(found, logs="", wrong=found.wrong[:1]))
        print(found.line(), flush=True)
        if found.wrong and not given.broken:
            print(*(f"  {one}" for one in found.wrong[:MOST_LINES]), "  faults: " + ", ".join(found.faults), sep="\n")
            print(found.logs, flush=True)
    wrong, writes = sum(bool(one.wrong) for one in outcomes), sum(one.acknowledged for one in outcomes)
    faults = [fault for one in outcomes for fault in one.faults]
    print(f"{len(outcomes)} runs, {wrong} of them WRONG, {writes:,} writes acknowledged, {len(faults)} faults")
    print(f"faults: {counted(faults)}", f"killed at points: {points(faults)}", sep="\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
