"""Who is logged in: sessions in memory, so that a log-out is one and a restart ends them all.

Where several workers may serve a primary, shared.py keeps them in its database besides.
"""

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from msyncd.console.pending import Pending
from msyncd.settings.values import User

SESSION_SECONDS: Final = 12 * 3600.0
"""A working day; then the password is asked for again, also where a page is left open."""

MOST: Final = 1000


@dataclass(eq=False, slots=True)
class Session:
    """One log-in. `csrf` stands in every form; `said` is shown once, on the next page.

    `pending` is an edit that was shown as a plan and awaits a word. `noted`: what of these two the ledger has, in the
    words of shared.py; None if it has nothing of the session.
    """

    user: str
    credential: bytes
    ends: float
    csrf: str = field(repr=False)
    said: list[tuple[str, str]] = field(default_factory=list)
    pending: Pending | None = field(default=None, repr=False)
    noted: str | None = field(default=None, repr=False)

    def say(self, text: str, kind: str = "good") -> None:
        """Say something on the next page: `good` or `bad` news."""
        self.said.append((kind, text))

    def take_said(self) -> list[tuple[str, str]]:
        """What is to be said now; it is said only once."""
        said, self.said = self.said, []
        return said


class Sessions:
    """Begins, finds and ends sessions. `clock` is monotonic, in seconds. Bounded: the oldest end first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def begin(self, user: User) -> str:
        """A session for somebody whose password was right; the token for the cookie."""
        token = secrets.token_urlsafe(32)
        self._know(token, Session(user.name, _credential(user), self._clock() + SESSION_SECONDS, csrf_of(token)))
        return token

    def _know(self, token: str, session: Session) -> None:
        with self._lock:
            self._sessions[key_of(token)] = session
            while len(self._sessions) > MOST:
                self._sessions.popitem(last=False)

    def find(self, token: str, users: Callable[[str], User | None]) -> tuple[Session, User] | None:
        """The session and its user as the configuration has that user now; None if it is over, or was never begun.

        Another password, or a user that was taken out, ends it.
        """
        with self._lock:
            session = self._sessions.get(key_of(token))
        return self._held_to(token, session, users) if session is not None else None

    def _held_to(
        self, token: str, session: Session, users: Callable[[str], User | None]
    ) -> tuple[Session, User] | None:
        user = users(session.user)
        if self._clock() >= session.ends or user is None or not _same(_credential(user), session.credential):
            self.end(token)
            return None
        return session, user

    def end(self, token: str) -> None:
        """Log out."""
        with self._lock:
            self._sessions.pop(key_of(token), None)

    def keep(self, token: str, session: Session) -> None:
        """A request is over: what it has changed in its session is to be there for the next, wherever that goes."""


def key_of(token: str) -> bytes:
    """By what a session is found.

    The tokens themselves are kept nowhere: who could read the memory, or the database, still could not pose as anybody.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def csrf_of(token: str) -> str:
    """What stands in the forms of a session: known to every worker, and to nobody who has not the cookie."""
    return hashlib.sha256(b"msyncd csrf\0" + token.encode("utf-8", "surrogatepass")).hexdigest()


def _credential(user: User) -> bytes:
    return hashlib.sha256(user.password_hash.encode("utf-8", "surrogatepass")).digest()


def _same(one: bytes, other: bytes) -> bool:
    return hmac.compare_digest(one, other)
