"""What `unlock`, `lock` and `set-code` have in common: by the running daemon, or without one by the same files."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msyncd.commands.running import asked

if TYPE_CHECKING:
    from msyncd.settings.lock import Lock


@dataclass(frozen=True)
class Locked:
    """A configuration that has a code: where its state is, and the code's hash."""

    path: Path
    home: Path
    code_hash: str

    @property
    def lock(self) -> "Lock":
        """Its lock."""
        from msyncd.settings.lock import Lock

        return Lock(self.home)


def locked_here(path: Path) -> Locked | None:
    """The configuration with its code; None if it has none. Raises ConfigurationInvalid, StateUnreadable."""
    from msyncd.settings.accepted import accepted_in
    from msyncd.settings.in_force import home_of, in_force

    home = home_of(path)
    accepted = accepted_in(home)
    if accepted is not None:
        return Locked(path, home, accepted.code_hash) if accepted.code_hash is not None else None
    code_hash = in_force(path).settings.code_hash
    return Locked(path, home, code_hash) if code_hash is not None else None


def need_code(path: Path) -> Locked:
    """The same. Raises MsyncdError if no code is set."""
    from msyncd.daemon.locking import no_code

    found = locked_here(path)
    if found is None:
        raise no_code()
    return found


def give_code(found: Locked, code: str, *, by: str) -> dict[str, Any]:
    """Give the code: {until, applied, left}, as the daemon tells it. Raises WrongCode, TooManyCodes."""
    told = asked(found.home, {"do": "unlock", "code": code, "by": by})
    if told is not None:
        return told
    from msyncd.settings.in_force import in_force

    until = found.lock.give(found.code_hash, code, by=by, untold=True)
    now = in_force(found.path)
    left = [str(one) for one in now.problems if one.severity == "error"]
    return {"until": until, "applied": take_in(found.path), "left": left}


def take_in(path: Path) -> list[str]:
    """Without a daemon: the files as they stand count from now on; what that changes."""
    from msyncd.settings.accepted import load_accepted
    from msyncd.settings.in_force import in_force
    from msyncd.settings.show import differences

    now = in_force(path)
    if now.newest.loaded is None or now.held is not None:
        return []
    before = load_accepted(now.accepted, path, os.environ).loaded if now.accepted is not None else None
    now.accept()
    return list(differences(before.settings, now.settings)) if before is not None else []


def close(found: Locked, *, by: str) -> bool:
    """Accept no more edits without the code; whether they were accepted until now."""
    told = asked(found.home, {"do": "lock", "by": by})
    if told is not None:
        return bool(told["was_unlocked"])
    return found.lock.close()


def reload_by_daemon(home: Path) -> dict[str, Any] | None:
    """The running daemon looks at the files now: {done, digest, held, problems}; None if none runs."""
    return asked(home, {"do": "reload"})
