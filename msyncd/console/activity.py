"""Who did what and when: log-ins, actions in the console, commands that act, and edits that were taken in."""

import getpass
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from msyncd.console.book import Book, BookUnavailable

KEPT: Final = 20_000
"""Entries that are kept; the oldest go."""

PAGE: Final = 100
_LONGEST: Final = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done. `place`: an address for the console, `command line`, or `msyncd` for the daemon."""

    id: int
    at: str
    who: str
    place: str
    did: str
    result: str


class Activity:
    """Notes and lists. Nobody is kept from acting because it cannot be noted: the log says so then."""

    def __init__(self, book: Book, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._book, self._clock = book, clock

    def note(self, who: str, place: str, did: str, result: str = "done") -> None:
        """Note what somebody did. Never with a password, a code or a record's contents."""
        at = self._clock().isoformat(timespec="seconds").replace("+00:00", "Z")
        row = (at, _short(who), _short(place), _short(did), _short(result))
        try:
            self._book.write(
                ("INSERT INTO activity (at, who, place, did, result) VALUES (?, ?, ?, ?, ?)", [row]),
                ("DELETE FROM activity WHERE id <= (SELECT max(id) FROM activity) - ?", [(KEPT,)]),
            )
        except BookUnavailable as error:
            log = structlog.get_logger("msyncd.console")
            log.warning("an activity could not be noted", who=who, place=place, did=did, reason=str(error))

    def page(self, before: int | None = None, search: str = "") -> list[Entry]:
        """The newest entries (older than the one with this ID), at most PAGE, those that contain all words."""
        words = search.split()[:8]
        where = " AND ".join(
            ["id < ?", *["who || ' ' || place || ' ' || did || ' ' || result LIKE ? ESCAPE '\\'"] * len(words)]
        )
        parameters = [before if before is not None else 2**62, *(f"%{_escaped(word)}%" for word in words), PAGE]
        sql = f"SELECT id, at, who, place, did, result FROM activity WHERE {where} ORDER BY id DESC LIMIT ?"
        return [Entry(*row) for row in self._book.read(sql, parameters)]


def person() -> str:
    """Who sits at this terminal: the one who called sudo, else the process's user."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user ID without a name
        return f"user {os.getuid()}"


def _short(text: str) -> str:
    tidy = " ".join(text.split())
    return tidy if len(tidy) <= _LONGEST else tidy[: _LONGEST - 1] + "…"


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
