"""The scene of the demo: three sites with their databases, daemons and lines, and a note of all that was written."""

import sqlite3
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from msyncd.commands.demo.compare import Compared, compare, held_at
from msyncd.commands.demo.country import CENTRAL, PLACES, SATELLITES, Place, configure, found_country, free_port
from msyncd.commands.demo.daemons import Daemon
from msyncd.commands.demo.database import open_database
from msyncd.commands.demo.expected import Expected
from msyncd.commands.demo.relay import Relay
from msyncd.commands.demo.standing import Aside, Ledger, counts, state_of_primary, state_of_satellite
from msyncd.commands.demo.stopping import Stopping
from msyncd.commands.demo.witness import Witness

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE: Final = 30.0
"""Seconds after which a site that does not hold what it should is said to have failed."""


class Teller(Protocol):
    """Shows what happens: as lines, as a live view, or not at all."""

    def say(self, text: str) -> None:
        """Something happens."""

    def add(self, text: str) -> None:
        """More about what was said last."""

    def refresh(self, scene: "Scene") -> None:
        """Time passes; called some twenty times a second."""


class Scene:
    """The sites. `write` is the application at work; everything else looks, waits, starts and stops."""

    def __init__(self, top: Path, teller: Teller, stopping: Stopping, *, seed: int, pace: float = 0.0) -> None:
        found_country(top)
        port = free_port()
        self.top = top
        self.teller = teller
        self.random = Random(seed)
        self.pace = pace  # seconds between two steps, so that people can follow; a third of it before every write
        self.failures: list[str] = []
        self.relays = {one.sync_id: Relay(port) for one in SATELLITES}
        configure(top, port, {number: f"http://127.0.0.1:{relay.port}" for number, relay in self.relays.items()})
        self.daemons = {one.sync_id: Daemon(one, top) for one in PLACES}
        self.databases = {one.sync_id: open_database(one.database(top)) for one in PLACES}
        self._stopping = stopping
        self._witnesses = {number: Witness(connection) for number, connection in self.databases.items()}
        self._columns = self._witnesses[CENTRAL.sync_id].columns
        self.expected = Expected(PLACES, self._columns)
        self._ledgers = {one.sync_id: Ledger(one.configuration(top)) for one in PLACES}

    def clock(self) -> datetime:
        """The wall clock: people want to see the invoices of today."""
        return datetime.now(UTC)

    def write(
        self, place: Place, do: Callable[Concatenate[sqlite3.Connection, P], R], *args: P.args, **more: P.kwargs
    ) -> R:
        """Let the application write at a site, and note what it wrote; what it raises is raised."""
        self.pause(self.pace / 3)
        try:
            return do(self.databases[place.sync_id], *args, **more)
        finally:
            self.expected.note(self._witnesses[place.sync_id].take())

    def ask(self, place: Place, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the application at a site sees."""
        return self.databases[place.sync_id].execute(query, values).fetchall()

    def pause(self, seconds: float) -> None:
        """Let time pass, and show it. Raises DaemonDied, StopAskedError."""
        until = time.monotonic() + seconds
        while True:
            for one in self.daemons.values():
                one.expect_alive()
            self.teller.refresh(self)
            left = until - time.monotonic()
            self._stopping.rest(max(0.0, min(0.05, left)))
            if left <= 0:
                return

    def compared(self, place: Place) -> list[Compared]:
        """What a site holds beside what it should, for each record type."""
        held = held_at(self.databases[place.sync_id], self._columns)
        return compare(place, held, self.expected.at(place))

    def missing(self, place: Place) -> int:
        """How many records a site still lacks."""
        return sum(one.missing for one in self.compared(place))

    def until_level(self, places: Iterable[Place]) -> float | None:
        """Wait until these sites hold exactly what they should; the seconds that it took, None if it took too long."""
        begun = time.monotonic()
        while not all(one.equal for place in places for one in self.compared(place)):
            if time.monotonic() - begun > PATIENCE:
                return None
            self.pause(0.05)
        return time.monotonic() - begun

    def aside(self, place: Place) -> Aside:
        """What msyncd has kept aside at a site."""
        return self._ledgers[place.sync_id].aside()

    def table(self) -> list[tuple[Place, tuple[int, ...], str]]:
        """For the live view: each site, what it holds, and its state."""
        at_primary = self._ledgers[CENTRAL.sync_id].peers()
        found = [(CENTRAL, counts(self.databases[CENTRAL.sync_id]), state_of_primary(at_primary))]
        for one in SATELLITES:
            state = state_of_satellite(
                cut=self.relays[one.sync_id].is_cut,
                runs=self.daemons[one.sync_id].pid is not None,
                own=self._ledgers[one.sync_id].peers(),
                of_primary=next((peer for peer in at_primary if peer.sync_id == one.sync_id), None),
            )
            found.append((one, counts(self.databases[one.sync_id]), state))
        return found

    def carried(self) -> int:
        """Bytes that went over both lines, both ways."""
        return sum(one.to_primary + one.to_satellite for one in self.relays.values())

    def close(self) -> None:
        """End every daemon, all at once, and let go of lines and databases."""
        for daemon in self.daemons.values():
            daemon.ask_to_end()
        for daemon in self.daemons.values():
            daemon.see_off()
        for relay in self.relays.values():
            relay.cut()
        for ledger in self._ledgers.values():
            ledger.close()
        for connection in self.databases.values():
            connection.close()
