"""How often somebody may guess a password of the console: some tries are free, then each waits longer.

Who guesses from elsewhere, or other names from here, does not keep out somebody who has been in from here before.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from msyncd.errors import LoginRefused
from msyncd.wire.login import FREE_FAILURES, SITE_FREE_FAILURES, BackOff, LoginBackedOff

_GOOD: Final = 1000

WIDE: Final = ("address", "name")
"""Neither is an address, so that no caller is taken for one of these."""

Caller = tuple[str, str]
"""An address and a name; or the word `address` or `name`, and one of them from or for anywhere."""


class Limits:
    """Counted in memory. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.of_caller = BackOff(clock, FREE_FAILURES)
        self.of_all = BackOff(clock, SITE_FREE_FAILURES)
        self.good: OrderedDict[Caller, None] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, address: str, name: str) -> float:
        """Somebody tries: counted as a failure until `succeeded`; how long the next try would have to wait.

        Guesses at the same time would all be free otherwise. Raises LoginBackedOff while the caller has to wait.
        """
        caller = (address, name)
        with self._lock:
            seconds = self.of_caller.seconds_left(caller)
            if caller not in self.good:
                seconds = max(seconds, *(self.of_all.seconds_left(one) for one in wide_of(address, name)))
            if seconds > 0:
                raise LoginBackedOff("too many wrong log-ins", hint="wait, then try again", retry_after=seconds)
            self.of_caller.failed(caller)
            for one in wide_of(address, name):
                self.of_all.failed(one)
            return self.of_caller.seconds_left(caller)

    def succeeded(self, address: str, name: str) -> None:
        """It was the right password."""
        caller = (address, name)
        with self._lock:
            self.of_caller.succeeded(caller)
            for one in wide_of(address, name):
                self.of_all.takes_back(one)
            self.good[caller] = None
            self.good.move_to_end(caller)
            while len(self.good) > _GOOD:
                self.good.popitem(last=False)


def wide_of(address: str, name: str) -> tuple[Caller, Caller]:
    """As whom a try counts besides: as any name from this address, and as this name from anywhere."""
    return ("address", address), ("name", name)


def refused(wait: float) -> LoginRefused:
    """The same words whatever was wrong."""
    return LoginRefused("name or password is not right", retry_after=wait or None)
