"""A site's programs leave its database, and come back: while its disk is exchanged, nobody may have it open."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 90.0
"""More than any statement waits for a lock."""


class Gate:
    """Between one program, which asks `closed` between its transactions, and whoever wants to be alone."""

    def __init__(self) -> None:
        self._asked, self._away, self._open = threading.Event(), threading.Event(), threading.Event()
        self._open.set()

    @property
    def closed(self) -> bool:
        """Whether the program has to close its connection, and `wait`."""
        return self._asked.is_set()

    def wait(self) -> None:
        """The program has closed its connection, and waits until it may come back."""
        self._away.set()
        self._open.wait(SECONDS)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The program is away. Raises TimeoutError if it does not go."""
        self._away.clear()
        self._open.clear()
        self._asked.set()
        try:
            if not self._away.wait(SECONDS):
                raise TimeoutError("a program does not leave its database")
            yield
        finally:
            self._asked.clear()
            self._open.set()
