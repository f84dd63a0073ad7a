"""How the demo is told to stop: a signal sets a flag, and whoever waits looks at it. Nothing is torn in the middle."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopAskedError(Exception):
    """Ctrl-C, or another signal that ends the demo."""


class Stopping:
    """The flag."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def rest(self, seconds: float) -> None:
        """Wait. Raises StopAskedError as soon as somebody asked to stop."""
        if self._asked.wait(seconds):
            raise StopAskedError

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """While this lasts, Ctrl-C, a closed terminal and `kill` set the flag; asking again changes nothing."""

        def ask(_number: int, _frame: FrameType | None) -> None:
            self._asked.set()

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = [(number, signal.signal(number, ask)) for number in numbers]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)
