"""Progress of a cycle: a bar on a terminal, a line now and then elsewhere, on standard error either way."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from msyncd.commands.output import count, note


class Progress(Protocol):
    """Called with what goes on (see WORDS), or the record type that is compared; how many records so far and left."""

    def __call__(self, direction: str, done: int, left: int | None) -> None: ...


WORDS: Final = {"push": "sent", "pull": "received", "export": "written", "import": "applied"}
_EVERY_SECONDS: Final = 5.0


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Progress]:
    """Shows what it is called with, until the block ends."""
    if quiet:
        yield _nothing
    elif sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield _Lines()


def _nothing(direction: str, done: int, left: int | None) -> None:
    """Nobody looks."""


class _Lines:
    """A line at the start of each direction and every few seconds: fit for a log. The end is told by the summary."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}

    def __call__(self, direction: str, done: int, left: int | None) -> None:
        now = self._clock()
        if now - self._last.get(direction, -_EVERY_SECONDS) < _EVERY_SECONDS:
            return
        self._last[direction] = now
        rest = f", {left:,} left" if left else ""
        note(f"{WORDS.get(direction, direction)} {count(done, 'record')}{rest}")


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def show(direction: str, done: int, left: int | None) -> None:
            if direction not in tasks:
                tasks[direction] = bars.add_task(WORDS.get(direction, direction), total=None)
            bars.update(tasks[direction], completed=done, total=None if left is None else done + left)

        yield show
        for task in bars.tasks:
            bars.update(task.id, total=task.completed)  # it went to the end, also where that was not known before
