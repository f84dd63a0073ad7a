"""A few connections that are lent and given back: none is held between calls, dead ones are replaced."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from msyncd.databases.mariadb.address import Address
from msyncd.databases.mariadb.session import Purpose, Session
from msyncd.errors import DatabaseUnavailable

MOST: Final = 8
"""Connections of one purpose that are open at a time."""
PLACE_SECONDS: Final = 30.0
_IDLE_SECONDS: Final = 240.0
"""A connection that was not used for so long is closed: servers and firewalls forget it sooner or later."""

Begin = Callable[[Session], None]


class Pool:
    """Connections for one purpose. From any thread."""

    def __init__(self, address: Address, purpose: Purpose, most: int = MOST) -> None:
        self._address, self._purpose = address, purpose
        self._places = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Session]] = []
        self._closed = False

    @contextmanager
    def lent(self, begin: Begin = lambda _session: None) -> Iterator[Session]:
        """A connection on which `begin` has just run; given back at the end of the block, or closed if it was lost.

        A connection that died while it lay idle is replaced: nothing had been done on it yet. Raises
        DatabaseUnavailable if none becomes free in time, or the server does not answer.
        """
        if not self._places.acquire(timeout=PLACE_SECONDS):
            raise DatabaseUnavailable(
                "every connection of msyncd is busy", where=str(self._address), hint="trying again"
            )
        try:
            session = self._begun(begin)
            try:
                yield session
            except BaseException:
                session.rollback()
                raise
            finally:
                self._give_back(session)
        finally:
            self._places.release()

    def close(self) -> None:
        """Close what lies idle, and what is given back from now on."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, session in idle:
            session.close()

    def _begun(self, begin: Begin) -> Session:
        while (session := self._take()) is not None:
            try:
                begin(session)
            except DatabaseUnavailable:
                if not session.lost:
                    self._give_back(session)
                    raise
            else:
                return session
        session = Session(self._address, self._purpose)
        try:
            begin(session)
        except BaseException:
            session.close()
            raise
        return session

    def _take(self) -> Session | None:
        now = time.monotonic()
        with self._lock:
            stale = [session for since, session in self._idle if now - since > _IDLE_SECONDS]
            self._idle = [(since, session) for since, session in self._idle if now - since <= _IDLE_SECONDS]
            found = self._idle.pop()[1] if self._idle else None
        for session in stale:
            session.close()
        return found

    def _give_back(self, session: Session) -> None:
        if session.unfinished:
            session.rollback()
        with self._lock:
            if not session.lost and not self._closed:
                self._idle.append((time.monotonic(), session))
                return
        session.close()
