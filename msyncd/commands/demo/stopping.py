"""How the demo is told to stop: a signal sets a flag, and whoever waits looks at it. Nothing is torn in the middle."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_LOOK_EVERY: Final = 0.05


class StopAskedError(Exception):
    """Ctrl-C, or another signal that ends the demo."""


class Stopping:
    """The flag.

    It is a plain one: the handler runs in the thread that waits, and would wait for ever for the lock of an Event that
    this thread holds.
    """

    def __init__(self) -> None:
        self._asked = False

    def rest(self, seconds: float) -> None:
        """Wait. Raises StopAskedError as soon as somebody asked to stop."""
        until = time.monotonic() + seconds
        while not self._asked:
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(_LOOK_EVERY, left))
        raise StopAskedError

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """While this lasts, Ctrl-C, a closed terminal and `kill` set the flag; asking again changes nothing."""

        def ask(_number: int, _frame: FrameType | None) -> None:
            self._asked = True

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = [(number, signal.signal(number, ask)) for number in numbers]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)
