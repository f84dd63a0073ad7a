"""Raises in the middle of a step: at the n-th call that certain modules make to functions of msyncd."""

import contextlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import msyncd

ROOT = str(Path(msyncd.__file__).parent)
_UNSURE = 25
"""How many calls there are differs a little from run to run, so the end is not believed at once."""


class Injected(RuntimeError):
    """What nobody expected."""


class FailAt:
    """Inside, the `number`-th call from one of the `callers` (paths within msyncd) raises.

    In this thread, and in those in which a push is sent; not in those of a server.
    `fired` says whether it did, `where` in which call.
    """

    def __init__(self, number: int, callers: tuple[str, ...]) -> None:
        self.number, self.fired, self.where = number, False, ""
        self._callers = tuple(f"{ROOT}/{one}" for one in callers)
        self._count = 0
        self._thread = threading.current_thread()

    def __enter__(self) -> Self:
        threading.setprofile(self._look)
        sys.setprofile(self._look)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _look(self, frame: FrameType, event: str, _argument: Any) -> None:
        thread, back = threading.current_thread(), frame.f_back
        if thread is not self._thread and not thread.name.startswith("push"):
            return
        if event != "call" or self.fired or back is None or not frame.f_code.co_filename.startswith(ROOT):
            return
        if back.f_code.co_filename.startswith(self._callers) and not frame.f_code.co_name.startswith("<"):
            self._count += 1
            if self._count == self.number:
                self.fired, self.where = True, frame.f_code.co_qualname
                raise Injected(f"call {self.number}: {self.where}")


def fail_everywhere(
    step: Callable[[], object], callers: tuple[str, ...], *, before: Callable[[int], object] = lambda _number: None
) -> list[str]:
    """Run the step with a failure in its first call, its second, and so on, until it gets through; where it failed.

    `before` gives the step something to do each time; it is told how many times it was called before.
    """
    failed: list[str] = []
    number, missed, times = 0, 0, 0
    while missed < _UNSURE:
        number += 1
        before(times)
        times += 1
        with FailAt(number, callers) as fault, contextlib.suppress(Injected):
            step()
        missed = 0 if fault.fired else missed + 1
        failed += [fault.where] if fault.fired else []
        assert number < 500, "the step does not end"
    return failed
