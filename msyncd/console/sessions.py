"""Who is logged in: sessions in memory, so that a log-out is one and a restart ends them all."""

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from msyncd.settings.values import User

SESSION_SECONDS: Final = 12 * 3600.0
"""A working day; then the password is asked for again, also where a page is left open."""

_MOST: Final = 1000


@dataclass(eq=False, slots=True)
class Session:
    """One log-in. `csrf` stands in every form; `said` is shown once, on the next page.

    `pending` is an edit that was shown as a plan and awaits a word (see pages/preferences.py).
    """

    user: str
    credential: bytes
    ends: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    said: list[tuple[str, str]] = field(default_factory=list)
    pending: object | None = field(default=None, repr=False)

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
        with self._lock:
            self._sessions[_key(token)] = Session(user.name, _credential(user), self._clock() + SESSION_SECONDS)
            while len(self._sessions) > _MOST:
                self._sessions.popitem(last=False)
        return token

    def find(self, token: str, users: Callable[[str], User | None]) -> tuple[Session, User] | None:
        """The session and its user as the configuration has that user now; None if it is over, or was never begun.

        Another password, or a user that was taken out, ends it.
        """
        with self._lock:
            session = self._sessions.get(_key(token))
        if session is None:
            return None
        user = users(session.user)
        if self._clock() >= session.ends or user is None or not _same(_credential(user), session.credential):
            self.end(token)
            return None
        return session, user

    def end(self, token: str) -> None:
        """Log out."""
        with self._lock:
            self._sessions.pop(_key(token), None)


def _key(token: str) -> bytes:
    # the tokens themselves are kept nowhere: who could read this memory dump still could not pose as anybody
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _credential(user: User) -> bytes:
    return hashlib.sha256(user.password_hash.encode("utf-8", "surrogatepass")).digest()


def _same(one: bytes, other: bytes) -> bool:
    return hmac.compare_digest(one, other)
