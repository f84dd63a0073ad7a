"""The authorisation code while the daemon runs: given, taken back, and the edit that awaits it."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from msyncd.errors import MsyncdError
from msyncd.flow.here import Clock
from msyncd.flow.plan import Plan
from msyncd.flow.status import LockStatus
from msyncd.settings.in_force import InForce
from msyncd.settings.lock import Lock
from msyncd.settings.values import Settings

NO_CODE = "no authorisation code is set"


@dataclass(frozen=True)
class Held:
    """An edit that is held back: its digest, since when, and what it would change."""

    digest: str
    since: str
    plan: Plan


@dataclass(frozen=True)
class Unlocked:
    """The code was right. `applied`: what an edit that was held back has changed; `left`: why it is not in force."""

    until: str
    applied: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def no_code() -> MsyncdError:
    """There is nothing to unlock or lock."""
    return MsyncdError(NO_CODE, hint="`msyncd set-code` makes one; until then every edit is taken in")


class Locking:
    """Every method may be called from any thread. `found` gives the newest look at the files."""

    def __init__(self, found: Callable[[], InForce], clock: Clock) -> None:
        self._found, self._clock = found, clock
        self._log = structlog.get_logger("msyncd.daemon")
        self.held: Held | None = None

    def _lock(self) -> Lock:
        return Lock(self._found().home, self._clock)

    def give(self, code: str, *, by: str) -> str:
        """Give the code; until when edits are accepted from now on. Raises WrongCode, TooManyCodes."""
        code_hash = self._found().code_hash
        if code_hash is None:
            raise no_code()
        lock = self._lock()
        try:
            until = lock.give(code_hash, code, by=by)
        except MsyncdError as error:
            self._log.warning("an authorisation code was refused", by=by, reason=str(error), wrong=lock.wrong)
            raise
        self._log.info("the authorisation code was given: edits are accepted", by=by, until=until)
        return until

    def close(self, *, by: str) -> bool:
        """Accept no more edits without the code; whether they were accepted until now."""
        if self._found().code_hash is None:
            raise no_code()
        was = self._lock().close()
        if was:
            self._log.info("locked: edits need the authorisation code again", by=by)
        return was

    def status(self) -> LockStatus:
        """As `msyncd status` tells it."""
        found, held = self._found(), self.held
        until = self._lock().unlocked_until() if found.code_hash is not None else None
        return LockStatus(
            found.code_hash is not None and until is None,
            until,
            None if held is None else {"since": held.since, "plan": held.plan.document()},
        )

    def look(self, plan: Callable[[Settings], Plan]) -> None:
        """After a look at the files: note and say that an edit is held back, or that none is any more."""
        found = self._found()
        if found.code_hash is None and self.held is None:
            return
        if found.held is None:
            if self.held is not None:
                self._log.info("no edit is held back any more")
                self._lock().note_held(None)
            self.held = None
            return
        digest = found.held.digest
        if self.held is None or self.held.digest != digest:
            since = self._lock().note_held(digest) or ""
            self.held = Held(digest, since, plan(found.held))
            self._log.warning(
                "an edit is held back until the authorisation code is given: `msyncd unlock`",
                changes="; ".join(self.held.plan.lines()) or "files only",
            )

    def tell(self) -> None:
        """Wrong codes that were given while no daemon ran."""
        if self._found().code_hash is None:
            return
        for one in self._lock().tell():
            self._log.warning("an authorisation code was refused while no daemon ran", at=one.at, by=one.by)
