"""Who is calling: user name and password at hello, with a back-off for those who guess.

The password's slow hash never runs while a caller has to wait, and runs for unknown sites too, so that neither load
nor time tells anything.
"""

import hmac
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Protocol

from msyncd.errors import LoginRefused, TryLater

FREE_FAILURES: Final = 5
"""So many wrong passwords from one address cost nothing."""

SITE_FREE_FAILURES: Final = 25
"""So many for one site from anywhere, before new addresses have to wait."""

LONGEST_WAIT: Final = 300.0
FORGET_SECONDS: Final = 3600.0
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Account:
    """What a site logs in with. `version` changes when the password or user name does: its tokens end then."""

    user_name: str
    verify: Callable[[str], bool]
    version: str


class Accounts(Protocol):
    """The primary's list of sites, as the log-in sees it."""

    def account(self, sync_id: int) -> Account | None:
        """None if no such site is known here."""

    def highest(self) -> int:
        """The highest sync ID that a site may have here: no secret, as those that there are might be."""


class LoginBackedOff(LoginRefused):
    """Too many wrong log-ins: the password was not even looked at."""


@dataclass(slots=True)
class Failures:
    """Of one caller: how many, when the last was, until when the next try waits, and did before that."""

    failures: int
    last: float
    until: float
    until_before: float


class BackOff:
    """Failures per caller: some free, then each wait twice as long. Bounded in memory; the oldest are forgotten."""

    def __init__(self, clock: Callable[[], float], free: int, remembered: int = _REMEMBERED) -> None:
        self._clock = clock
        self._free = free
        self._remembered = remembered
        self._records: OrderedDict[Hashable, Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def of(self, caller: Hashable) -> Failures | None:
        """What is known of this caller."""
        return self._records.get(caller)

    def learn(self, caller: Hashable, record: Failures) -> None:
        """What somebody else knows of this caller, by the same clock."""
        self._records[caller] = record

    def seconds_left(self, caller: Hashable) -> float:
        """How long this caller still has to wait."""
        record = self._records.get(caller)
        return max(0.0, record.until - self._clock()) if record else 0.0

    def failed(self, caller: Hashable) -> None:
        """One more failure."""
        now = self._clock()
        record = self._records.pop(caller, None)
        if record is None or now - record.last > FORGET_SECONDS:
            record = Failures(0, now, now, now)
        record.failures += 1
        record.last = now
        record.until_before = record.until
        if (beyond := record.failures - self._free) > 0:
            record.until = now + min(LONGEST_WAIT, 2.0 ** min(beyond - 1, 16))
        self._records[caller] = record
        while len(self._records) > self._remembered:
            self._records.popitem(last=False)

    def takes_back(self, caller: Hashable) -> None:
        """The last failure was none."""
        if record := self._records.get(caller):
            record.failures -= 1
            record.until = record.until_before
            if record.failures <= 0:
                del self._records[caller]

    def succeeded(self, caller: Hashable) -> None:
        """Forgets this caller's failures."""
        self._records.pop(caller, None)


class Login:
    """Checks user names and passwords. `clock` is monotonic, in seconds; `dummy` is a verify that takes as long.

    `outdated` says whether newer accounts are in force elsewhere: then whoever is not let in here is to try again.
    """

    def __init__(
        self,
        accounts: Accounts,
        clock: Callable[[], float],
        dummy: Callable[[str], bool],
        outdated: Callable[[], bool] = lambda: False,
    ) -> None:
        self._accounts = accounts
        self._dummy = dummy
        self._outdated = outdated
        self._from_address = BackOff(clock, FREE_FAILURES)
        self._of_site = BackOff(clock, SITE_FREE_FAILURES)
        self._good: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._lock = threading.Lock()

    def credential(self, sync_id: int) -> str | None:
        """The version of this site's credential, for its tokens."""
        account = self._accounts.account(sync_id)
        return account.version if account else None

    def check(self, address: str, sync_id: int, user_name: str, password: str) -> Account:
        """The account, if the password is right. Raises LoginRefused, TryLater, LoginBackedOff with its seconds."""
        # Those that nobody can have count as one: each would have its free guesses otherwise, and its line in the log.
        counted = sync_id if 0 < sync_id <= self._accounts.highest() else 0
        caller = (address, counted)
        with self._lock:
            self._refuse_while_waiting(caller, sync_id)
            # counted before the slow check: guesses at the same time would all be free otherwise
            self._from_address.failed(caller)
            self._of_site.failed(counted)
        account = self._accounts.account(sync_id)
        right = (account.verify if account else self._dummy)(password)
        named = hmac.compare_digest(user_name.encode(), account.user_name.encode()) if account else False
        with self._lock:
            if account and right and named:
                self._remember(caller)
                return account
            wait = self._from_address.seconds_left(caller)
        if self._outdated():  # of every site, listed or not: which there are is not told
            raise TryLater(
                f"this worker's YAML is older than another's, and has no such log-in for site {sync_id}",
                hint="put the newest file there, on the primary; trying again",
            )
        raise LoginRefused(
            f"user name or password of site {sync_id} is not right",
            hint="compare user_name and password here with this site's entry on the primary",
            retry_after=wait or None,
        )

    def _refuse_while_waiting(self, caller: tuple[str, int], sync_id: int) -> None:
        seconds = self._from_address.seconds_left(caller)
        if caller not in self._good:  # whoever guesses elsewhere must not keep out a site that is known from here
            seconds = max(seconds, self._of_site.seconds_left(caller[1]))
        if seconds > 0:
            raise LoginBackedOff(
                f"too many wrong log-ins for site {sync_id}", hint="wait, then try again", retry_after=seconds
            )

    def _remember(self, caller: tuple[str, int]) -> None:
        self._from_address.succeeded(caller)
        self._of_site.takes_back(caller[1])
        self._good[caller] = None
        self._good.move_to_end(caller)
        while len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)
