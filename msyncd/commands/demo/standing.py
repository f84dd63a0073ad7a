"""How the sites stand: what they hold, and what msyncd says that it still owes and has kept aside."""

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from msyncd.flow.here import Here
    from msyncd.flow.status import PeerStatus

SHOWN: Final = {"items": "item", "stock": "item_line", "transactions": "transact", "lines": "trans_line"}
"""What the live view counts, and the tables where it is."""


@dataclass(frozen=True, slots=True)
class Aside:
    """What msyncd has kept aside at a site, in records."""

    waiting: int = 0
    quarantine: int = 0


class Ledger:
    """Reads msyncd's ledger at one site, as `msyncd status` does, again and again."""

    def __init__(self, configuration: Path) -> None:
        self._configuration = configuration
        self._here: Here | None = None

    def peers(self) -> "tuple[PeerStatus, ...]":
        """How the site stands with its peers; nothing while its daemon has not begun."""
        from msyncd.flow.status import peers

        here = self._here or self._look()
        if here is None:
            return ()
        with here.database.read() as reader:
            return peers(reader, here, installed=True, heard={}, now=here.clock())

    def aside(self) -> Aside:
        """What is kept aside here, whoever sent it."""
        from msyncd.flow.ledger import aside

        here = self._here or self._look()
        if here is None:
            return Aside()
        with here.database.read() as reader:
            return Aside(aside.count_waiting(reader), aside.count_quarantined(reader))

    def close(self) -> None:
        """Let go of the database."""
        if self._here is not None:
            self._here.database.close()
            self._here = None

    def _look(self) -> "Here | None":
        from msyncd.flow.looking import look
        from msyncd.plugins import Plugins
        from msyncd.rules import BUILTIN
        from msyncd.settings.loading import attempt

        made = attempt(self._configuration, os.environ)
        if made.loaded is None:
            return None
        settings = made.loaded.settings
        plugins, _ = Plugins.load(settings.plugins, builtin=BUILTIN)
        found = look(settings, plugins)
        if not found.installed or not found.here.facts.sites:
            found.here.database.close()
            return None
        self._here = found.here
        return self._here


def counts(connection: sqlite3.Connection) -> tuple[int, ...]:
    """How many records of each shown kind a site holds."""
    query = ", ".join(f"(SELECT count(*) FROM {table})" for table in SHOWN.values())
    found: tuple[int, ...] = connection.execute(f"SELECT {query}").fetchone()
    return found


def state_of_satellite(*, cut: bool, runs: bool, own: "tuple[PeerStatus, ...]", of_primary: "PeerStatus | None") -> str:
    """In one phrase. What a satellite has to send it knows itself; what it has to receive its primary knows."""
    to_send = sum(one.to_send or 0 for one in own)
    to_receive = of_primary.to_send if of_primary else None
    if cut or not runs:
        why = "cut off" if cut else "no power"
        return f"{why}, {to_send} to send" if to_send else why
    if not own or to_receive is None:
        return "being filled"
    if to_send:
        return f"{to_send} to send"
    return f"{to_receive} to receive" if to_receive else "in step"


def state_of_primary(own: "tuple[PeerStatus, ...]") -> str:
    """In one phrase: what it still owes its satellites."""
    if not own:
        return "starting"
    to_send = sum(one.to_send or 0 for one in own)
    return f"{to_send} to send" if to_send else "in step"
