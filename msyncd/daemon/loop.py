"""A loop of the daemon: one step, a rest, the next step; a failure is said once, waited out, and tried again."""

import random
import threading
import time
from collections.abc import Callable

import structlog

from msyncd.daemon.backoff import Backoff
from msyncd.daemon.complaints import Complaints

STEP_SECONDS = 120.0
"""A step that says nothing for longer has hung, unless it said beforehand that it would take longer (see `beat`)."""
_CHUNK = 10.0

CALM, URGENT = 1, 2


class Loop:
    """Runs `step` in a thread of its own. It returns how many seconds to rest; `ring` ends a rest early.

    After a failure only an urgent ring does: what cannot be reached is not asked again at each local write.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], float],
        *,
        backoff: Backoff | None = None,
        failed: Callable[[Exception, float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._step, self._clock = step, clock
        self._backoff = backoff or Backoff(random.random)
        self._failed = failed
        self._complaints = Complaints(structlog.get_logger("msyncd.daemon").bind(loop=name), clock)
        self._bell = threading.Condition()
        self._rung = 0
        self._stop = False
        self._until = clock() + STEP_SECONDS
        self._thread = threading.Thread(target=self._run, name=f"msyncd-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def stopping(self) -> bool:
        """Whether it is to end after this step."""
        return self._stop

    @property
    def alive(self) -> bool:
        """Whether its thread runs, or is yet to start, and has given a sign of life as it said that it would."""
        begun = self._thread.ident is not None
        return (self._thread.is_alive() or not begun) and self._clock() < self._until

    def beat(self, seconds: float = STEP_SECONDS) -> None:
        """A sign of life; the next will come within so many seconds."""
        self._until = self._clock() + seconds

    def ring(self, *, urgent: bool = False) -> None:
        """There may be something to do: end the rest. From any thread."""
        with self._bell:
            self._rung = max(self._rung, URGENT if urgent else CALM)
            self._bell.notify_all()

    def stop(self) -> None:
        """Let the step under way be the last. Returns at once."""
        self._stop = True
        self.ring(urgent=True)

    def join(self, seconds: float) -> bool:
        """Wait for its end; False if it has not ended by then."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop:
            self.beat()
            try:
                seconds = self._step()
            except Exception as error:  # noqa: BLE001 - the loop: whatever failed is said, waited out and tried again
                self._rest(self._ill(error), URGENT)
            else:
                self._backoff.succeeded()
                self._complaints.succeeded()
                self._rest(seconds, CALM)

    def _ill(self, error: Exception) -> float:
        seconds = max(self._backoff.failed(), float(getattr(error, "retry_after", None) or 0.0))
        self._complaints.failed(error, seconds)
        if self._failed is not None:
            self._failed(error, seconds)
        return seconds

    def _rest(self, seconds: float, least: int) -> None:
        ends = self._clock() + seconds
        with self._bell:
            while not self._stop and self._rung < least and (left := ends - self._clock()) > 0:
                self.beat(_CHUNK + STEP_SECONDS)
                self._bell.wait(min(left, _CHUNK))
            self._rung = 0
