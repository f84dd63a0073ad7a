"""What goes wrong, one thing after the other, chosen by a seed; and the putting right of it all."""

import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress

from tests.faults.checker.clients import Journal, Wrote
from tests.faults.checker.country import Country, store_of
from tests.faults.checker.ownership import Move

HARMLESS = "from msyncd import hookimpl\n\n@hookimpl\ndef msyncd_check(changes):\n    return None\n"
BROKEN_YAML = "this_site: [\n"


class Nemesis:
    """Does harm until it is told to stop. `done` names everything that it did."""

    def __init__(self, country: Country, seed: int, journal: Journal, *, moves: bool = True) -> None:
        self._country, self._journal = country, journal
        self._random = random.Random(seed * 7 + 1)
        self._end = threading.Event()
        self.done: list[str] = []
        self.moves: list[tuple[str, Move]] = []
        satellites = country.sites[1:]
        self._harm: list[tuple[int, Callable[[], str]]] = [
            (6, lambda: self._kill(self._random.choice(country.sites))),
            (3, lambda: self._pause(self._random.choice(country.sites))),
            (4, lambda: self._cut(self._random.choice(satellites))),
            (3, lambda: self._delay(self._random.choice(satellites))),
            (2, lambda: self._swallow(self._random.choice(satellites))),
            (3, lambda: self._break_off(self._random.choice(satellites))),
            (3, lambda: self._again(self._random.choice(satellites))),
            (2, lambda: self._hold(self._random.choice(country.sites))),
            (2, self._swap_copies),
            (2, lambda: self._bad_file(self._random.choice(country.sites))),
            (1, lambda: self._clock(self._random.choice(country.sites))),
            (1, lambda: self._clone(self._random.choice(satellites))),
            (1 if moves else 0, self._move),
        ]

    def run(self, seconds: float, writes: int) -> None:
        """So long, and until so many writes were acknowledged, but no longer than five times; then all is put right."""
        began = time.monotonic()
        while (spent := time.monotonic() - began) < seconds or (
            self._journal.acknowledged < writes and spent < 5 * seconds
        ):
            weights = [weight for weight, _ in self._harm]
            (_, harm) = self._random.choices(self._harm, weights)[0]
            self.done.append(harm())
            time.sleep(self._random.uniform(0.1, 0.6))
        self.mend()

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

    # --- processes ----------------------------------------------------------------------------------------------------

    def _kill(self, site: int) -> str:
        self._country.kill(site)
        time.sleep(self._random.choice([0.0, 0.3]))
        self._country.start(site)
        return f"kill {site}"

    def _pause(self, site: int) -> str:
        self._country.signal(site, signal.SIGSTOP)
        time.sleep(self._random.uniform(0.2, 1.5))
        self._country.signal(site, signal.SIGCONT)
        return f"pause {site}"

    def _clock(self, site: int) -> str:
        self._country.kill(site)
        self._country.days[site] = self._random.choice([-400.0, -2.0, 3.0, 400.0])
        self._country.start(site)
        return f"clock {site} by {self._country.days[site]:g} days"

    def _clone(self, site: int) -> str:
        """The whole of a SQLite site is copied, and the copy started beside it: it is to be refused."""
        known = any(one["last_success"] for one in self._country.status(site).get("peers", ()))
        if (
            self._country.kinds[site - 1] != "sqlite" or not known
        ):  # before its first hello it is the copy that is known
            return self._kill(site)
        folder = self._country.folder / f"clone{site}-{len(self.done)}"
        folder.mkdir()
        file = self._country.urls[site].removeprefix("sqlite:///")
        with closing(self._country.connect(site)) as source:
            source.execute("VACUUM INTO ?", (str(folder / "copy.db"),))
        text = self._country.configuration(site).read_text().replace(file, str(folder / "copy.db"))
        (folder / "msyncd.yaml").write_text(text)
        shutil.copy(self._country.folder / "types.yaml", folder)
        command = [sys.executable, "-m", "msyncd", "sync", "-c", str(folder / "msyncd.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode == 0:
            raise AssertionError(f"a clone of site {site} synced: {done.stdout}")
        return f"clone {site}"

    # --- lines --------------------------------------------------------------------------------------------------------

    def _cut(self, site: int) -> str:
        self._country.lines[site].hang_up()
        return f"cut {site}"

    def _delay(self, site: int) -> str:
        self._country.lines[site].delay = self._random.choice([0.0, 0.05, 0.3])
        return f"delay {site}"

    def _swallow(self, site: int) -> str:
        line = self._country.lines[site]
        line.swallow = True
        time.sleep(self._random.uniform(0.2, 1.0))
        line.swallow = False
        return f"swallow {site}"

    def _break_off(self, site: int) -> str:
        line = self._country.lines[site]
        line.cut_after = self._random.choice([200, 1500, 6000])
        time.sleep(self._random.uniform(0.3, 1.0))
        line.cut_after = None
        return f"break off {site}"

    def _again(self, site: int) -> str:
        line = self._country.lines[site]
        line.again = not line.again
        return f"send again {site}: {line.again}"

    # --- databases, files ---------------------------------------------------------------------------------------------

    def _hold(self, site: int) -> str:
        """Another program holds open what it wrote for a while; then it commits, or takes it back."""
        stores = [store for store, at in self._country.wishes.items() if at == site]
        key, began, commits = f"h-{len(self.done)}", time.monotonic(), self._random.random() < 0.7
        store = self._random.choice(stores) if stores else store_of(site)
        with suppress(Exception), closing(self._country.connect(site)) as other:
            other.begin()
            other.execute("INSERT INTO register VALUES (?, ?, 1)", (key, store))
            time.sleep(self._random.uniform(0.3, 2.0))
            if not commits:
                other.rollback()
                return f"hold {site}"
            sure = False
            try:
                other.commit()
                sure = True
            finally:
                wrote = Wrote(site, store, "register", key, 1, sure, began, time.monotonic())
                self._journal.wrote.append(wrote)
        return f"hold {site}, commit"

    def _swap_copies(self) -> str:
        """A satellite gets copies of another store, or loses them."""
        site = self._random.choice(self._country.sites[1:])
        others = [store for store, at in self._country.wishes.items() if at != site]
        self._country.copies[site] = sorted(self._random.sample(others, self._random.randint(0, len(others))))
        self._country.configure()
        return f"copies of {site}: {self._country.copies[site]}"

    def _bad_file(self, site: int) -> str:
        """A broken YAML, or a plugin that comes and goes, while it runs."""
        name = self._country.configuration(site).name
        good = self._country.configuration(site).read_text()
        if self._random.random() < 0.5:
            self._country.write(name, BROKEN_YAML)
        else:
            self._country.write("harmless.py", HARMLESS)
            self._country.write(name, f"{good}plugins: [{{module: harmless.py}}]\n")
        time.sleep(self._random.uniform(0.4, 1.0))
        self._country.write(name, good)
        return f"bad file {site}"

    def _move(self) -> str:
        """A store is to be active elsewhere."""
        store = self._random.choice(sorted(self._country.wishes))
        site = self._random.choice([one for one in self._country.sites if one != self._country.wishes[store]])
        self._country.wishes[store] = site
        self.moves.append((store, Move(site, time.monotonic())))
        self._country.configure()
        return f"move {store} to {site}"
