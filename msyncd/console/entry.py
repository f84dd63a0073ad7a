"""The log-in of the console: name and password, with the wire's back-off for those who guess."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

from msyncd.errors import LoginRefused
from msyncd.settings.secrets import hash_password, verify_password
from msyncd.settings.values import Secret, User
from msyncd.wire.login import FREE_FAILURES, SITE_FREE_FAILURES, BackOff, LoginBackedOff

LONGEST: Final = 1024
"""Of a name or password; what is longer is not looked at."""

_GOOD: Final = 1000


class Entry:
    """Lets people in. The slow hash never runs while a caller has to wait, and runs for unknown names too.

    Who guesses from elsewhere, or other names from here, does not keep out somebody who has been in from here before.
    """

    def __init__(self, users: Callable[[str], User | None], clock: Callable[[], float]) -> None:
        self._users = users
        self._of_caller = BackOff(clock, FREE_FAILURES)
        self._of_all = BackOff(clock, SITE_FREE_FAILURES)
        self._good: OrderedDict[Hashable, None] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, address: str, name: str, password: str) -> User:
        """The user, if the password is right. Raises LoginRefused, or LoginBackedOff with the seconds to wait."""
        if len(name) > LONGEST or len(password) > LONGEST:
            raise LoginRefused("name or password is not right")
        caller, wide = (address, name), (("address", address), ("name", name))
        with self._lock:
            self._refuse_while_waiting(caller, wide)
            # counted before the slow check: guesses at the same time would all be free otherwise
            self._of_caller.failed(caller)
            for one in wide:
                self._of_all.failed(one)
        user = self._users(name)
        right = verify(user, password)
        with self._lock:
            if user is not None and right:
                self._remember(caller, wide)
                return user
            wait = self._of_caller.seconds_left(caller)
        raise LoginRefused("name or password is not right", retry_after=wait or None)

    def _refuse_while_waiting(self, caller: Hashable, wide: tuple[Hashable, ...]) -> None:
        seconds = self._of_caller.seconds_left(caller)
        if caller not in self._good:
            seconds = max(seconds, *(self._of_all.seconds_left(one) for one in wide))
        if seconds > 0:
            raise LoginBackedOff("too many wrong log-ins", hint="wait, then try again", retry_after=seconds)

    def _remember(self, caller: Hashable, wide: tuple[Hashable, ...]) -> None:
        self._of_caller.succeeded(caller)
        for one in wide:
            self._of_all.takes_back(one)
        self._good[caller] = None
        self._good.move_to_end(caller)
        while len(self._good) > _GOOD:
            self._good.popitem(last=False)


def verify(user: User | None, password: str) -> bool:
    """Whether that is the user's password; for nobody as slow, and never right."""
    if user is None:
        hash_password("nobody")
        return False
    return verify_password(Secret(hash=user.password_hash), password)
