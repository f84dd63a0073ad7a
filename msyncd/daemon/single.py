"""One daemon for each state directory; of the workers of one primary each has a folder of its own in it.

The first has the state directory itself, so that commands find it where they find any daemon.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msyncd.errors import MsyncdError, TryLater

LOCK = "daemon.lock"
MOST_WORKERS = 64


class AlreadyRuns(TryLater):
    """Another daemon keeps its state there."""


class StateDirectoryInvalid(MsyncdError):
    """The state directory cannot be used."""

    exit_status = 78


@contextmanager
def only_one(state_directory: Path, *, workers: bool = False) -> Iterator[Path]:
    """Where this process keeps what is its own: its lock, its socket, its report. The lock ends with the process.

    `workers`: several may share the state directory. Raises AlreadyRuns while another daemon is inside.
    """
    homes = [state_directory]
    if workers:
        homes += [state_directory / f"worker-{number}" for number in range(2, MOST_WORKERS + 1)]
    for home in homes:
        handle = _opened(home)
        try:
            if _locked(handle, fcntl.LOCK_EX):
                yield home
                return
        finally:
            os.close(handle)
    raise AlreadyRuns(
        f"another msyncd runs with the state directory {state_directory}",
        hint="stop it first, or give this one a state_directory of its own",
    )


def running_in(state_directory: Path) -> list[Path]:
    """Where the daemons that run with a state directory keep what is their own, the first first."""
    folders = sorted(state_directory.glob("worker-*"), key=lambda one: (len(one.name), one.name))
    return [one for one in (state_directory, *folders) if _is_locked(one)]


def daemon_runs(state_directory: Path) -> bool:
    """Whether a daemon is inside."""
    return bool(running_in(state_directory))


def _opened(home: Path) -> int:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unwritable(home, error) from error


def unwritable(home: Path, error: OSError) -> StateDirectoryInvalid:
    """What to say of a state directory in which nothing can be made."""
    return StateDirectoryInvalid(
        f"the state directory {home} cannot be written: {error.strerror}",
        hint="create it for this user, or name another as state_directory",
    )


def _locked(handle: int, how: int) -> bool:
    """Take the lock if it is free; whether it was."""
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_locked(home: Path) -> bool:
    try:
        handle = os.open(home / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _locked(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)
