"""The authorisation code: who gives it may edit for a while; who guesses has to wait. Kept across restarts.

`state_directory/lock.json` has until when edits are accepted, how many wrong codes were given and until when the next
one has to wait. Whoever reads or writes it, the daemon or a command, does so one at a time.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from msyncd.errors import MsyncdError, TryLater
from msyncd.settings.durable import StateUnreadable, alone, write_private
from msyncd.settings.secrets import verify_password
from msyncd.settings.values import Secret

FILE: Final = "lock.json"
OPEN_FOR: Final = timedelta(minutes=15)
"""So long are edits accepted after the right code."""
FREE_FAILURES: Final = 5
"""So many wrong codes cost nothing."""
FIRST_WAIT: Final = timedelta(seconds=10)
LONGEST_WAIT: Final = timedelta(hours=1)
_MOST_UNTOLD: Final = 100

Clock = Callable[[], datetime]


class WrongCode(MsyncdError):
    """That is not the authorisation code."""


class TooManyCodes(TryLater):
    """Too many wrong codes were given: this one was not even looked at."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A wrong code: when, and by whom it was given."""

    at: str
    by: str


@dataclass(frozen=True, slots=True)
class State:
    """What is kept. Times are RFC 3339 in UTC. `untold` are wrong codes that no log has yet heard of.

    `held` is the digest of the edit that is held back, and since when it is.
    """

    unlocked_until: str | None = None
    wrong: int = 0
    wait_until: str | None = None
    held: tuple[str, str] | None = None
    untold: tuple[Failure, ...] = ()


class Lock:
    """The lock of one state directory. Every method raises MsyncdError if its file cannot be read or written."""

    def __init__(self, state_directory: Path, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self._directory, self._clock = state_directory, clock

    def unlocked_until(self) -> str | None:
        """Until when edits are accepted without another code; None if they are not now."""
        until = self._read().unlocked_until
        # a clock that was set back must not keep it open for longer
        return until if until and timedelta(0) < _moment(until) - self._clock() <= OPEN_FOR else None

    def give(self, code_hash: str, code: str, *, by: str, untold: bool = False) -> str:
        """Give the code: edits are accepted from now on, until the time that is returned.

        `by` is whoever gives it, for the log; `untold`: no log runs, so that the next daemon is to tell of a wrong one.
        Raises WrongCode or TooManyCodes.
        """
        with self._alone():
            state = self._read()
            self._refuse_while_waiting(state)
            # counted before it is looked at: whoever is killed in between has tried
            self._write(self._failed(state, by if untold else None))
            if not verify_password(Secret(hash=code_hash), code):
                left = self._seconds_left(self._read())
                hint = f"the next one has to wait {_words(left)}" if left else "try again"
                raise WrongCode("that is not the authorisation code", hint=hint)
            until = _written(self._clock() + OPEN_FOR)
            self._write(replace(state, unlocked_until=until, wrong=0, wait_until=None))
        return until

    def close(self) -> bool:
        """Accept no more edits without the code; whether they were accepted until now."""
        with self._alone():
            was = self.unlocked_until() is not None
            state = self._read()
            if state.unlocked_until is not None:
                self._write(replace(state, unlocked_until=None))
        return was

    def held_since(self, digest: str) -> str | None:
        """Since when this edit is held back; None if that was not noted."""
        held = self._read().held
        return held[1] if held is not None and held[0] == digest else None

    def note_held(self, digest: str | None) -> str | None:
        """Note that an edit is held back, or that none is; since when this one is."""
        known = self._read().held
        if (known[0] if known else None) == digest:
            return known[1] if known else None
        with self._alone():
            held = None if digest is None else (digest, _written(self._clock()))
            self._write(replace(self._read(), held=held))
        return held[1] if held else None

    def tell(self) -> tuple[Failure, ...]:
        """The wrong codes that no log has heard of; from now on they count as told."""
        untold = self._read().untold
        if untold:
            with self._alone():
                self._write(replace(self._read(), untold=()))
        return untold

    @property
    def wrong(self) -> int:
        """How many wrong codes were given since the last right one."""
        return self._read().wrong

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _failed(self, state: State, untold_by: str | None) -> State:
        wrong = state.wrong + 1
        wait = wait_after(wrong)
        until = _written(self._clock() + wait) if wait else None
        untold = state.untold
        if untold_by is not None:
            untold = (*untold, Failure(_written(self._clock()), untold_by))[-_MOST_UNTOLD:]
        return replace(state, wrong=wrong, wait_until=until, untold=untold)

    def _refuse_while_waiting(self, state: State) -> None:
        left = self._seconds_left(state)
        if left:
            raise TooManyCodes(f"too many wrong codes: the next one has to wait {_words(left)}", hint="wait")

    def _seconds_left(self, state: State) -> float:
        if state.wait_until is None:
            return 0.0
        left = _moment(state.wait_until) - self._clock()
        # by a clock that was set back nobody waits for longer than was said
        return max(0.0, min(left, wait_after(state.wrong)).total_seconds())

    # --- the file -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with alone(self._directory):
                yield
        except OSError as error:
            raise self._unusable(error) from error

    def _read(self) -> State:
        try:
            found: dict[str, Any] = json.loads((self._directory / FILE).read_bytes())
            held = found["held"]
            untold = tuple(Failure(**one) for one in found["untold"])
            return State(found["unlocked_until"], found["wrong"], found["wait_until"], held and tuple(held), untold)
        except (FileNotFoundError, NotADirectoryError):
            return State()
        except OSError as error:
            raise self._unusable(error) from error
        except (ValueError, KeyError, TypeError) as error:
            what = f"{self._directory / FILE} is damaged"
            raise StateUnreadable(what, hint="take it away: then it is locked, and no wrong code is known") from error

    def _write(self, state: State) -> None:
        text = json.dumps({"format": 1, **asdict(state)}, indent=1)
        write_private(self._directory / FILE, text.encode())

    def _unusable(self, error: OSError) -> MsyncdError:
        hint = "run this as the user of msyncd"
        return StateUnreadable(f"{self._directory / FILE} cannot be used: {error.strerror or error}", hint=hint)


def wait_after(wrong: int) -> timedelta:
    """How long the next code has to wait after so many wrong ones."""
    beyond = wrong - FREE_FAILURES
    return timedelta(0) if beyond < 1 else min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(beyond - 1, 20))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _words(seconds: float) -> str:
    whole = max(1, round(seconds))
    return f"{whole} s" if whole < 120 else f"{round(whole / 60)} minutes"
