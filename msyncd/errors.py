"""Every error that msyncd raises on purpose: what happened, to what, and what to do (`hint`).

`try_later` says whether waiting can mend it: the loops back off and go on; commands end with exit status 75.
"""

from dataclasses import dataclass
from typing import ClassVar


class MsyncdError(Exception):
    """The base of all expected errors: shown as one line, with its hint, without a traceback."""

    try_later: ClassVar[bool] = False
    exit_status: ClassVar[int] = 1

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration, with its place. Lines and columns are counted from 1."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.message}"
        return f"{text}; {self.hint}" if self.hint else text


class ConfigurationInvalid(MsyncdError):
    """The configuration has errors; `problems` holds all of them, warnings too."""

    exit_status = 78

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class WrongUsage(MsyncdError):
    """The command was called in a way that cannot work."""

    exit_status = 2


class TryLater(MsyncdError):
    """Nothing is wrong that waiting cannot mend: network, a lock, a full disk."""

    try_later = True
    exit_status = 75


class _OfTheDatabase(MsyncdError):
    """`where` is its file or server: it stands before the words here. The other end is told `told`, without it."""

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what, hint=hint)
        self.told = what


class DatabaseUnavailable(_OfTheDatabase, TryLater):
    """The database could not be reached, was locked for too long, or its disk is full."""


class DatabaseDamaged(_OfTheDatabase):
    """The database's file is none of a database, or is damaged: it has to be restored."""


class PeerUnreachable(TryLater):
    """The other end did not answer, or the line broke."""


class Interrupted(TryLater):
    """A cycle stops between two batches: the daemon ends, or swaps its configuration. It goes on where it stopped."""


class HelloAgain(TryLater):
    """What was agreed at the last hello no longer holds."""


class FactsChanged(HelloAgain):
    """The caller acts on older store facts, or on record types as they were before: say hello again, then repeat."""


class SchemaChanged(TryLater):
    """A table of this site was altered since it was looked at; what was read of it by its old columns is not sent."""


class PeerRefused(MsyncdError):
    """The other end said no: log-in, versions, sync ID, clone, protocol."""


class LoginRefused(PeerRefused):
    """User name or password are not what the other end expects. `retry_after` seconds, if it said so."""

    def __init__(self, what: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(what, hint=hint)
        self.retry_after = retry_after


class RestoredBackup(PeerRefused):
    """The other end has seen changes of this database that the database itself does not know: an older copy runs."""


class CloneRefused(PeerRefused):
    """Another database or installation already syncs under this sync ID."""


class MessageInvalid(MsyncdError):
    """A message that cannot be read: malformed, truncated, oversized, of another protocol."""


class BundleRefused(MsyncdError):
    """A bundle that is not for this site, not signed as it should be, or damaged: nothing of it was applied."""


class JoiningUndecided(MsyncdError):
    """Both ends held records before they first met, and they differ: an admin must say which side stands."""


class RecordTypeStopped(MsyncdError):
    """A record type does not sync until a schema problem is corrected."""
