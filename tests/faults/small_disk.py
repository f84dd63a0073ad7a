"""A file system of a few megabytes that is really full when it is full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_STEP = 4096


class CannotMount(Exception):
    """Nobody may mount a file system here; says why."""


@dataclass
class SmallDisk:
    """A mounted folder. `fill` takes its space until so many bytes are left, `free` gives it back."""

    folder: Path
    _ballast: Path = field(init=False)

    def __post_init__(self) -> None:
        self._ballast = self.folder / "ballast"

    def fill(self, *, left: int = 0) -> None:
        """As whatever else writes there would: a log, a backup."""
        with self._ballast.open("ab", buffering=0) as out:
            while (space := os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize - left) >= _STEP:
                out.write(bytes(min(space - space % _STEP, 1 << 20)))

    def free(self) -> None:
        """An admin has seen it."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """A small disk at a folder. Raises CannotMount for want of the right; whatever else fails is a failure."""
    if os.geteuid() != 0:
        raise CannotMount("only root may mount a file system")
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "msyncd-test", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0 and "permission denied" in done.stderr:
        raise CannotMount(f"not even root may mount a file system here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
