"""Databases are held and locked by other programs, their servers restarted, their disks full."""

import random
import resource
import time
from contextlib import closing, suppress

from tests.faults.checker import servers
from tests.faults.checker.clients import Wrote
from tests.faults.checker.country import store_of
from tests.faults.checker.harm.way import Harm, Way

LOCK = {
    "sqlite": ("BEGIN EXCLUSIVE",),
    "postgresql": ("BEGIN", "LOCK TABLE register, doc IN ACCESS EXCLUSIVE MODE"),
    "mariadb": ("LOCK TABLES register WRITE, doc WRITE",),
}
LEAST_BYTES = 4096
"""What a file may still grow to where there is no room for more: that of a daemon's small notes."""


class OwnDatabases(Harm):
    """Of the sites."""

    def ways(self) -> list[Way]:
        """All of them. What this country's databases cannot have is not among them."""
        kinds = set(self.country.kinds)
        restarts = [Way("restart server", 3, self.restart)] if any(servers.own(one) for one in kinds) else []
        fills = [Way("full disk", 3, self.full)] if self.country.disks else []
        limits = [Way("no larger file", 1, self.limit)] if "sqlite" in kinds else []
        return [Way("hold", 2, self.hold), Way("lock", 1, self.lock), *restarts, *fills, *limits]

    def hold(self, dice: random.Random) -> str:
        """Another program holds open what it wrote for a while; then it commits, or takes it back."""
        site = self.any_site(dice)
        stores = [store for store, at in self.country.wishes.items() if at == site]
        store = dice.choice(stores) if stores else store_of(site)
        key, began, commits = f"h-{dice.randrange(1 << 40):x}", time.monotonic(), dice.random() < 0.7
        seconds = dice.uniform(0.3, 2.0)
        with suppress(Exception), closing(self.country.connect(site)) as other:
            other.begin()
            other.execute("INSERT INTO register VALUES (?, ?, 1)", (key, store))
            time.sleep(seconds)
            if not commits:
                other.rollback()
                return f"{site}, taken back"
            sure = False
            try:
                other.commit()
                sure = True
            finally:
                wrote = Wrote(site, store, "register", key, 1, sure, began, time.monotonic())
                self.journal.wrote.append(wrote)
        return f"{site}, committed"

    def lock(self, dice: random.Random) -> str | None:
        """Another program locks all of it, and lets go."""
        site = self.any_site(dice)
        with suppress(Exception), closing(self.country.connect(site)) as other:
            for statement in LOCK[self.country.kinds[site - 1]]:
                other.execute(statement)
            time.sleep(dice.uniform(0.5, 3.0))
            return str(site)
        return None

    def restart(self, dice: random.Random) -> str | None:
        """A server is killed, with all its connections, and started again."""
        kind = dice.choice(sorted({one for one in self.country.kinds if servers.own(one)}))
        there = servers.own(kind)
        assert there is not None
        there.server.kill()
        time.sleep(dice.choice([0.0, 0.5, 2.0]))
        there.server.start()
        return kind

    def full(self, dice: random.Random) -> str:
        """The disk of a database of SQLite is full, and somebody frees it."""
        site = dice.choice(sorted(self.country.disks))
        disk = self.country.disks[site]
        disk.fill(left=dice.choice([0, 0, 30_000]))
        try:
            time.sleep(dice.uniform(0.5, 2.0))
        finally:
            disk.free()
        return str(site)

    def limit(self, dice: random.Random) -> str | None:
        """A daemon on SQLite may write nothing behind the first bytes of any file, its log included."""
        site = self.any_on_sqlite(dice, self.country.sites)
        process = None if site is None else self.country.process(site)
        if process is None:
            return None
        _, most = resource.prlimit(process, resource.RLIMIT_FSIZE)
        with suppress(ProcessLookupError):
            resource.prlimit(process, resource.RLIMIT_FSIZE, (LEAST_BYTES, most))
            time.sleep(dice.uniform(0.5, 2.0))
            resource.prlimit(process, resource.RLIMIT_FSIZE, (most, most))
        return str(site)
