"""One daemon for each state directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msyncd.errors import MsyncdError, TryLater

LOCK = "daemon.lock"


class AlreadyRuns(TryLater):
    """Another daemon keeps its state there."""


class StateDirectoryInvalid(MsyncdError):
    """The state directory cannot be used."""

    exit_status = 78


@contextmanager
def only_one(state_directory: Path) -> Iterator[None]:
    """Raises AlreadyRuns while another daemon is inside. The lock ends with the process, however that ends."""
    try:
        state_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(state_directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateDirectoryInvalid(
            f"the state directory {state_directory} cannot be written: {error.strerror}",
            hint="create it for this user, or name another as state_directory",
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRuns(
                f"another msyncd runs with the state directory {state_directory}",
                hint="stop it first, or give this one a state_directory of its own",
            ) from None
        yield
    finally:
        os.close(handle)


def daemon_runs(state_directory: Path) -> bool:
    """Whether a daemon is inside."""
    try:
        handle = os.open(state_directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
