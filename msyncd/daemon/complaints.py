"""What is wrong, said once: again when it changes, when it is over, and else only now and then."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from msyncd.errors import MsyncdError

AGAIN_SECONDS = 600.0


@dataclass(slots=True)
class _Said:
    text: str
    at: float
    unsaid: int = 0


def in_words(error: BaseException) -> str:
    """An error as a person reads it."""
    return str(error) if isinstance(error, MsyncdError) else f"{type(error).__name__}: {error}"


class Complaints:
    """Logs failures of one loop. `clock` is monotonic, in seconds."""

    def __init__(self, log: Any, clock: Callable[[], float], *, again: float = AGAIN_SECONDS) -> None:
        self._log, self._clock, self._again = log, clock, again
        self._said: _Said | None = None

    def failed(self, error: BaseException, seconds: float) -> None:
        """A step failed and is tried again in so many seconds. What nobody expected comes with its traceback."""
        text, now = in_words(error), self._clock()
        said = self._said
        if said is not None and said.text == text and now - said.at < self._again:
            said.unsaid += 1
            return
        more = {"times": said.unsaid + 1} if said is not None and said.text == text and said.unsaid else {}
        self._said = _Said(text, now)
        if isinstance(error, MsyncdError):
            self._log.warning(text, retry_in=round(seconds, 1), **more)
        else:
            self._log.error(f"unexpected: {text}", retry_in=round(seconds, 1), exc_info=error, **more)

    def succeeded(self) -> None:
        """It works again."""
        if self._said is not None:
            self._said = None
            self._log.info("it works again")


class Disagreements:
    """Logs what this site and one peer do not agree on, such as a record type that is stopped: each when it comes."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._said: frozenset[str] = frozenset()

    def now(self, problems: Iterable[str]) -> None:
        """All that the last hello found."""
        found = dict.fromkeys(problems)
        for one in found:
            if one not in self._said:
                self._log.warning(one)
        if self._said and not found:
            self._log.info("both ends agree again")
        self._said = frozenset(found)
