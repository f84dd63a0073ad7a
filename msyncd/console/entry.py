"""The log-in of the console: name and password, with a back-off for those who guess."""

from collections.abc import Callable
from typing import Final

from msyncd.console.limits import Limits, refused
from msyncd.settings.secrets import hash_password, verify_password
from msyncd.settings.values import Secret, User

LONGEST: Final = 1024
"""Of a name or password; what is longer is not looked at."""


class Entry:
    """Lets people in. The slow hash never runs while a caller has to wait, and runs for unknown names too."""

    def __init__(self, users: Callable[[str], User | None], limits: Limits) -> None:
        self._users, self._limits = users, limits

    def check(self, address: str, name: str, password: str) -> User:
        """The user, if the password is right. Raises LoginRefused, or LoginBackedOff with the seconds to wait."""
        if len(name) > LONGEST or len(password) > LONGEST:
            raise refused(0)
        wait = self._limits.begin(address, name)
        user = self._users(name)
        right = verify(user, password)
        if user is None or not right:
            raise refused(wait)
        self._limits.succeeded(address, name)
        return user


def verify(user: User | None, password: str) -> bool:
    """Whether that is the user's password; for nobody as slow, and never right."""
    if user is None:
        hash_password("nobody")
        return False
    return verify_password(Secret(hash=user.password_hash), password)
