"""Small files that must survive a crash at any moment: written whole beside the old one, made durable, renamed."""

import ctypes
import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msyncd.errors import MsyncdError

_HERE: Final = -100
"""AT_FDCWD: names are as this process sees them."""
_EXCHANGE: Final = 2
"""RENAME_EXCHANGE, see renameat2(2)."""


class StateUnreadable(MsyncdError):
    """A file of the state directory cannot be read, so that nobody knows what counts."""

    exit_status = 78


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One at a time in a folder, whichever process it is of; the lock ends with the process. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def exchanged(one: Path, other: Path) -> bool:
    """Exchange two files of a folder in one step (renameat2 of Linux); False if this file system cannot do that."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(other))


def write_private(path: Path, content: bytes) -> None:
    """Write a file for the owner of its folder alone, making the folder if there is none. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            folder = path.parent.stat()
            if os.geteuid() == 0:  # root may have called; the daemon's user must be able to read it all the same
                os.fchown(out.fileno(), folder.st_uid, folder.st_gid)
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
