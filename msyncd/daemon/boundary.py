"""Between batches: many may work at once, and a new configuration is swapped in while nobody does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Boundary:
    """Work is done inside `shared`; what must not meet any work is done inside `alone`, which goes first."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._working = 0
        self._waiting = 0
        self._alone = False

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for the work to pause: a long cycle then stops at its next batch."""
        return self._waiting > 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """A piece of work; begins when nobody is alone, or waits to be. Not to be nested in one thread."""
        with self._turn:
            self._turn.wait_for(lambda: not self._alone and not self._waiting)
            self._working += 1
        try:
            yield
        finally:
            with self._turn:
                self._working -= 1
                self._turn.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Begins when the work under way has ended; none begins before this ends."""
        with self._turn:
            self._waiting += 1
            try:
                self._turn.wait_for(lambda: not self._alone and not self._working)
                self._alone = True
            finally:
                self._waiting -= 1
        try:
            yield
        finally:
            with self._turn:
                self._alone = False
                self._turn.notify_all()
