"""A satellite's disk is lost, and an old backup is put in its place."""

import random
import shutil
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from msyncd.testing.application import connect
from tests.faults.checker.clients import Journal
from tests.faults.checker.country import Country
from tests.faults.checker.harm.way import Harm, Way
from tests.faults.checker.losses import note_restored
from tests.faults.checker.points import POINTS
from tests.faults.checker.verdict import contents

SECONDS = 60.0
"""In which a restored site has said hello."""
UNDER_WAY = 1.0
"""Seconds in which what a dead site had on the line is applied by the primary, or never is."""


@dataclass(frozen=True, slots=True)
class Backup:
    """Of a site: a folder with its database and its state directory, copied at the same time."""

    folder: Path
    taken: float


class Restores(Harm):
    """Of satellites on SQLite, whose backup is a file. Programs are away while a disk is exchanged."""

    def __init__(self, country: Country, journal: Journal) -> None:
        super().__init__(country, journal)
        self._backups: dict[int, list[Backup]] = {}

    def ways(self) -> list[Way]:
        """All of them."""
        return [Way("back up", 2, self.back_up), Way("restore", 5, self.restore)]

    def back_up(self, dice: random.Random) -> str | None:
        """No fault. A site is backed up once it has joined."""
        site = self.any_on_sqlite(dice, self.country.sites[1:])
        if site is None or not any(one["last_success"] for one in self.country.status(site).get("peers", ())):
            return None
        backups = self._backups.setdefault(site, [])
        folder = self.country.folder / f"backup{site}-{len(backups)}"
        folder.mkdir()
        with self.country.gates[site].alone():
            with closing(self.country.connect(site)) as source:
                source.execute("VACUUM INTO ?", (str(folder / "copy.db"),))
            _copy_files(self.country.state(site), folder / "state")
            backups.append(Backup(folder, time.monotonic()))
        return None

    def restore(self, dice: random.Random) -> str | None:
        """Any backup, the newest or not: what the disk had and had not sent is noted as lost."""
        if not self._backups:
            return self.back_up(dice)
        site = dice.choice(sorted(self._backups))
        backup = dice.choice(self._backups[site])
        with self.country.gates[site].alone():
            self.country.kill(site)
            self.country.lines[site].mend()
            if dice.random() < 0.5:  # else the primary goes on with all that it remembers
                self.country.kill(1)
                self.country.start(1)
            time.sleep(UNDER_WAY)
            self._put_in_place(site, backup)
            self._note_lost(site, backup)
            points = [one.name for one in POINTS if one.where == "restored"]
            self.country.ask_to_die(site, dice.choice([*points, ""]))
            self._say_hello(site)
        return f"{site}, {time.monotonic() - backup.taken:.0f} s old"

    def _put_in_place(self, site: int, backup: Backup) -> None:
        file = Path(self.country.urls[site].removeprefix("sqlite:///"))
        for suffix in ("", "-wal", "-shm", "-journal"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(backup.folder / "copy.db", file)
        shutil.rmtree(self.country.state(site))
        shutil.copytree(backup.folder / "state", self.country.state(site))

    def _note_lost(self, site: int, backup: Backup) -> None:
        now = time.monotonic()
        with closing(self.country.connect(1)) as primary:
            at_primary = contents(primary)
        with closing(connect(f"sqlite:///{backup.folder / 'copy.db'}")) as copy:
            in_backup = contents(copy)
        note_restored(self.journal, site, at_primary, in_backup, backup.taken, now)

    def _say_hello(self, site: int) -> None:
        """Until then the site's programs wait: what they wrote before it might be a conflict."""
        heard = "SELECT last_contact FROM msyncd_site WHERE sync_id = 1"
        with closing(self.country.connect(site)) as db:
            before = db.execute(heard)
            end = time.monotonic() + SECONDS
            while db.execute(heard) == before:
                self.country.start(site)  # also where it ended at a point
                time.sleep(0.05)
                if time.monotonic() > end:
                    self.journal.seen.append(f"site {site} was restored, and said no hello in {SECONDS:g} s")
                    return


def _copy_files(source: Path, target: Path) -> None:
    """A folder without its sockets."""
    shutil.copytree(source, target, ignore=lambda at, names: [one for one in names if (Path(at) / one).is_socket()])
