"""How long to wait after a failure: longer each time, up to a bound, never all sites at the same moment."""

from collections.abc import Callable


class Backoff:
    """`chance` gives a number from 0 to 1: a waiting time is from half to the whole of what its turn allows."""

    def __init__(self, chance: Callable[[], float], *, least: float = 1.0, most: float = 60.0) -> None:
        self._chance, self._least, self._most = chance, least, most
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failures since the last success."""
        return self._failures

    def failed(self) -> float:
        """One more failure; how many seconds to wait."""
        whole = min(self._most, self._least * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return whole * (0.5 + self._chance() / 2)

    def succeeded(self) -> None:
        """The next failure is the first again."""
        self._failures = 0
