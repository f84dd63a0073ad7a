"""How each site stood over the last 30 days, for the plots: every five minutes, after two days every hour."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Final

from msyncd.console.book import Book
from msyncd.daemon.traffic import Flow
from msyncd.flow.status import PeerStatus

EVERY_SECONDS: Final = 300
DAY: Final = 86_400
FINE_DAYS: Final = 2
KEPT_DAYS: Final = 30
_HOUR: Final = 3600

_COLUMNS: Final = (
    "site, at, state, to_send, to_receive, waiting, quarantine,"
    " records_sent, records_received, bytes_sent, bytes_received"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A site at one moment. `at` in seconds since 1970. Records and bytes count from the daemon's start."""

    site: int
    at: int
    state: str
    to_send: int | None
    to_receive: int | None
    waiting: int
    quarantine: int
    records_sent: int = 0
    records_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0


def sample(peer: PeerStatus, flow: Flow, at: int) -> Sample:
    """How a peer stands now."""
    return Sample(
        peer.sync_id,
        at,
        peer.state,
        peer.to_send,
        peer.to_receive,
        peer.waiting,
        peer.quarantine,
        flow.records_sent,
        flow.records_received,
        flow.bytes_sent,
        flow.bytes_received,
    )


class History:
    """Keeps samples and gives them back. `clock` gives seconds since 1970."""

    def __init__(self, book: Book, clock: Callable[[], float]) -> None:
        self._book, self._clock = book, clock
        self._thinned = 0

    def keep(self, samples: Iterable[Sample]) -> None:
        """Keep samples of one moment, thin out what is older. Raises BookUnavailable."""
        now = int(self._clock())
        marks = ", ".join("?" * 11)
        statements = [(f"INSERT OR REPLACE INTO history ({_COLUMNS}) VALUES ({marks})", [*map(astuple, samples)])]
        if now - self._thinned >= _HOUR:
            statements += [
                ("DELETE FROM history WHERE at < ?", [(now - KEPT_DAYS * DAY,)]),
                (_THIN, [(now - FINE_DAYS * DAY,)]),
            ]
        self._book.write(*statements)
        if len(statements) > 1:
            self._thinned = now

    def of(self, site: int, days: float = 1.0) -> list[Sample]:
        """One site's samples, oldest first, and the last one before these days if there is any."""
        return self.all(days, site).get(site, [])

    def all(self, days: float = 1.0, site: int | None = None) -> Mapping[int, list[Sample]]:
        """Every site's (or one's), likewise."""
        since = int(self._clock() - days * DAY) - EVERY_SECONDS
        where, parameters = ("", ()) if site is None else (" AND site = ?", (site,))
        found: dict[int, list[Sample]] = {}
        for row in self._book.read(
            f"SELECT {_COLUMNS} FROM history WHERE at >= ?{where} ORDER BY site, at", (since, *parameters)
        ):
            found.setdefault(int(row[0]), []).append(Sample(*row))
        return found


# the last sample of each hour stays: the counters in it hold what came before
_THIN: Final = """
DELETE FROM history WHERE at < ? AND EXISTS (
    SELECT 1 FROM history AS later
    WHERE later.site = history.site AND later.at > history.at AND later.at < (history.at / 3600 + 1) * 3600
)
"""
