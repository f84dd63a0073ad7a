"""Sites come late, and are cloned."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress

from msyncd.testing.application import connect
from tests.faults.checker.clients import Journal
from tests.faults.checker.country import Country, store_of
from tests.faults.checker.harm.way import Harm, Way


class Sites(Harm):
    """Clones are of SQLite, whose database is a file that anybody may copy. `let_in` is told of a site that came."""

    def __init__(self, country: Country, journal: Journal, let_in: Callable[[int], None]) -> None:
        super().__init__(country, journal)
        self._let_in = let_in

    def ways(self) -> list[Way]:
        """All of them."""
        late = [Way("join", 4, self.join)] if self.country.late else []
        return [Way("clone", 2, self.clone), *late]

    def join(self, _dice: random.Random) -> str | None:
        """A site that was not there at first, with a store of its own."""
        site = self.country.join()
        if site is None:
            return None
        self._let_in(site)
        return str(site)

    def clone(self, dice: random.Random) -> str | None:
        """A copy of a site's database writes on, and is started by another installation: it is to be refused.

        Before the site's first hello it would be the copy that is known.
        """
        site = self.any_on_sqlite(dice, self.country.sites[1:])
        if site is None or not any(one["last_success"] for one in self.country.status(site).get("peers", ())):
            return None
        number = len(list(self.country.folder.glob("clone*")))
        folder = self.country.folder / f"clone{number}"
        folder.mkdir()
        with closing(self.country.connect(site)) as source:
            source.execute("VACUUM INTO ?", (str(folder / "copy.db"),))
        self._write_on(site, f"sqlite:///{folder / 'copy.db'}", f"c-{number}")
        text = self.country.configuration(site).read_text()
        file = self.country.urls[site].removeprefix("sqlite:///")
        (folder / "msyncd.yaml").write_text(text.replace(file, str(folder / "copy.db")))
        shutil.copy(self.country.folder / "types.yaml", folder)
        command = [sys.executable, "-m", "msyncd", "sync", "-c", str(folder / "msyncd.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode == 0:
            self.journal.seen.append(f"a clone of site {site} synced: {done.stdout}")
        return str(site)

    def _write_on(self, site: int, url: str, key: str) -> None:
        """A register that nobody knows of: wherever else it is seen, a clone was heard."""
        own = [store for store, at in self.country.wishes.items() if at == site] or [store_of(site)]
        with closing(connect(url)) as copy, suppress(copy.errors):  # its guard may refuse
            copy.execute("INSERT INTO register VALUES (?, ?, 1)", (key, own[0]))
