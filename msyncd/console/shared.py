"""Log-ins that hold at every worker of a primary: kept in its database, found by one read for each request.

While the database is away each worker goes by what it knows: sessions that it has seen, and those that begin there,
which are noted as soon as the database is back. So is a log-out; until then the other workers cannot hear of it.
"""

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from msyncd.console.limits import WIDE, Caller, Limits, wide_of
from msyncd.console.pending import opened, sealed
from msyncd.console.sessions import MOST, Session, Sessions, csrf_of, key_of
from msyncd.databases.interface import Database, Reader, Writer
from msyncd.errors import TryLater
from msyncd.settings.values import User
from msyncd.wire.login import FORGET_SECONDS, BackOff, Failures

AWAY_SECONDS: Final = 5.0
"""A database that did not answer is not asked for so long: pages that need nothing of it come at once."""

SILENT_SECONDS: Final = 60.0
"""Nor is it said more often."""

GOOD_SECONDS: Final = 30 * 86_400.0
MOST_CALLERS: Final = 10_000


class Shared:
    """The database, while it is there; `clock` is monotonic."""

    def __init__(self, ledger: Callable[[], Database | None], clock: Callable[[], float]) -> None:
        self._ledger, self._asks = ledger, clock
        self._away_until = self._silent_until = 0.0

    def now(self) -> Database | None:
        """None where one process serves the site, before that has begun, and while the database is away."""
        return self._ledger() if self._asks() >= self._away_until else None

    def is_away(self, error: TryLater) -> None:
        """It did not answer."""
        now = self._asks()
        self._away_until = now + AWAY_SECONDS
        if now < self._silent_until:
            return
        self._silent_until = now + SILENT_SECONDS
        log = structlog.get_logger("msyncd.console")
        log.warning("log-ins hold at this worker alone while the database is away", reason=str(error))


class SharedSessions(Sessions):
    """As Sessions. By `wall`, the seconds since 1970, all workers tell when a session ends."""

    def __init__(self, clock: Callable[[], float], shared: Shared, *, wall: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._shared, self._wall = shared, wall
        self._ended: OrderedDict[bytes, None] = OrderedDict()

    def begin(self, user: User) -> str:
        """A session for somebody whose password was right; the token for the cookie."""
        token = super().begin(user)
        self._settle(token)
        return token

    def find(self, token: str, users: Callable[[str], User | None]) -> tuple[Session, User] | None:
        """The session and its user as the configuration has that user now; None if it is over, or was never begun."""
        self._settle(token)
        with self._lock:
            known, ended = self._sessions.get(key_of(token)), key_of(token) in self._ended
        if ended:
            return None
        database = self._shared.now()
        if database is not None and (known is None or known.noted is not None):
            try:
                self._look_up(database, token)
            except TryLater as error:
                self._shared.is_away(error)
        return super().find(token, users)

    def end(self, token: str) -> None:
        """Log out, everywhere."""
        super().end(token)
        with self._lock:
            self._ended[key_of(token)] = None
            while len(self._ended) > MOST:
                self._ended.popitem(last=False)
        self._settle(token)

    def keep(self, token: str, session: Session) -> None:
        """Note what a request said, or left to be confirmed; most change nothing, and write nothing."""
        database = self._shared.now()
        if database is None or session.noted in (None, state := _state(session)):
            return
        try:
            with database.write() as writer:
                writer.execute(
                    "UPDATE msyncd_console_session SET said = ?, pending = ? WHERE id = ?",
                    (json.dumps(session.said), _pending(session, token), key_of(token).hex()),
                )
        except TryLater as error:
            self._shared.is_away(error)
            return
        session.noted = state

    def _look_up(self, database: Database, token: str) -> None:
        """Know the session as the ledger has it: begun, changed or ended at another worker perhaps."""
        with database.read() as reader:
            found = reader.execute(
                "SELECT name, credential, ends, said, pending FROM msyncd_console_session WHERE id = ?",
                (key_of(token).hex(),),
            )
        if not found:
            super().end(token)
            return
        name, credential, ends, said, pending = found[0]
        session = Session(
            str(name),
            bytes.fromhex(str(credential)),
            self._clock() + int(str(ends)) - self._wall(),
            csrf_of(token),
            [(str(kind), str(text)) for kind, text in json.loads(str(said))],
            opened(bytes(pending), token) if isinstance(pending, bytes | memoryview) else None,
        )
        session.noted = _state(session)
        self._know(token, session)

    def _settle(self, token: str) -> None:
        """Note what could not be noted when it happened: that this session has begun, and whatever has ended."""
        with self._lock:
            session, ended = self._sessions.get(key_of(token)), list(self._ended)
        begins = session if session is not None and session.noted is None else None
        state = _state(begins) if begins is not None else None
        database = self._shared.now()
        if database is None or not (begins or ended):
            return
        try:
            with database.write() as writer:
                for one in ended:
                    writer.execute("DELETE FROM msyncd_console_session WHERE id = ?", (one.hex(),))
                if begins is not None:
                    self._note(writer, token, begins)
        except TryLater as error:
            self._shared.is_away(error)
            return
        if begins is not None:
            begins.noted = state
        with self._lock:
            for one in ended:
                self._ended.pop(one, None)

    def _note(self, writer: Writer, token: str, session: Session) -> None:
        """Note a session; those that are over go, and so do the oldest, if there are too many."""
        now = self._wall()
        writer.execute("DELETE FROM msyncd_console_session WHERE ends <= ?", (int(now),))
        writer.put(
            "msyncd_console_session",
            {"id": key_of(token).hex()},
            {
                "name": session.user,
                "credential": session.credential.hex(),
                "ends": int(now + session.ends - self._clock()),
                "said": json.dumps(session.said),
                "pending": _pending(session, token),
            },
        )
        _trim(writer, "msyncd_console_session", "id", "ends", MOST)


def _pending(session: Session, token: str) -> bytes | None:
    return sealed(session.pending, token) if session.pending is not None else None


def _state(session: Session) -> str:
    """What of a session may change."""
    return json.dumps([session.said, session.pending and session.pending.key])


class SharedLimits(Limits):
    """As Limits, for all workers together; each by itself while the database is away."""

    def __init__(self, clock: Callable[[], float], shared: Shared, *, wall: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._shared, self._wall = shared, wall

    def begin(self, address: str, name: str) -> float:
        """See Limits."""
        database = self._shared.now()
        if database is not None:
            try:
                with database.write() as writer:
                    limits = self._told(writer, address, name)
                    wait = limits.begin(address, name)
                    self._tell(writer, limits, address, name)
                    return wait
            except TryLater as error:
                self._shared.is_away(error)
        return super().begin(address, name)

    def succeeded(self, address: str, name: str) -> None:
        """See Limits. Here too: while the database is away, who was in is remembered."""
        super().succeeded(address, name)
        database = self._shared.now()
        if database is None:
            return
        try:
            with database.write() as writer:
                limits = self._told(writer, address, name)
                limits.succeeded(address, name)
                self._tell(writer, limits, address, name)
        except TryLater as error:
            self._shared.is_away(error)

    def _told(self, reader: Reader, address: str, name: str) -> Limits:
        """Limits by the wall's clock, with what the ledger knows of these."""
        limits = Limits(self._wall)
        for caller, (failures, last, until, before, good) in _known(reader, address, name):
            if failures:
                _counter(limits, caller).learn(caller, Failures(failures, last / 1000, until / 1000, before / 1000))
            if self._wall() - good / 1000 < GOOD_SECONDS:
                limits.good[caller] = None
        return limits

    def _tell(self, writer: Writer, limits: Limits, address: str, name: str) -> None:
        now = self._wall()
        for caller in ((address, name), *wide_of(address, name)):
            found = _counter(limits, caller).of(caller) or Failures(0, now, 0, 0)
            writer.put(
                "msyncd_console_caller",
                {"caller": _digest(caller)},
                {
                    "failures": found.failures,
                    "last_at": int(found.last * 1000),
                    "waits_until": int(found.until * 1000),
                    "waited_until": int(found.until_before * 1000),
                    "good_at": int(now * 1000) if caller in limits.good else 0,
                },
            )
        writer.execute(
            "DELETE FROM msyncd_console_caller WHERE last_at < ? AND good_at < ?",
            (int((now - FORGET_SECONDS) * 1000), int((now - GOOD_SECONDS) * 1000)),
        )
        _trim(writer, "msyncd_console_caller", "caller", "last_at", MOST_CALLERS)


def _counter(limits: Limits, caller: Caller) -> BackOff:
    return limits.of_all if caller[0] in WIDE else limits.of_caller


def _known(reader: Reader, address: str, name: str) -> Iterable[tuple[Caller, tuple[int, ...]]]:
    sql = "SELECT failures, last_at, waits_until, waited_until, good_at FROM msyncd_console_caller WHERE caller = ?"
    for caller in ((address, name), *wide_of(address, name)):
        for row in reader.execute(sql, (_digest(caller),)):
            yield caller, tuple(int(str(one)) for one in row)


def _digest(caller: Caller) -> str:
    """Names that were tried may be passwords in the wrong field: none is kept as it was typed."""
    return hashlib.sha256(json.dumps(caller).encode()).hexdigest()


def _trim(writer: Writer, table: str, key: str, by: str, most: int) -> None:
    """Only so many rows stay, the oldest go."""
    beyond = writer.execute(f"SELECT {key} FROM {table} ORDER BY {by} DESC LIMIT 1000 OFFSET ?", (most,))
    for (one,) in beyond:
        writer.execute(f"DELETE FROM {table} WHERE {key} = ?", (one,))
