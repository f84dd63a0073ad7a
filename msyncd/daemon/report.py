"""How the daemon goes, in `state_directory/daemon.json`: for `msyncd status` and whoever looks, also after its end."""

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msyncd.daemon.single import running_in

FILE = "daemon.json"
_LEAST_SECONDS = 0.25


class Report:
    """A document of values, written whole when it has changed, at a bounded rate."""

    def __init__(self, state_directory: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = state_directory / FILE
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[str, Any] = {"format": 1, "peers": {}}
        self._dirty = True
        self._written = -_LEAST_SECONDS

    def put(self, **values: Any) -> None:
        """Note values. From any thread."""
        with self._lock:
            self._dirty = self._dirty or any(self._values.get(name, ...) != one for name, one in values.items())
            self._values.update(values)

    def peer(self, sync_id: int, **values: Any) -> None:
        """Note what is known of a peer just now."""
        with self._lock:
            peer = self._values["peers"].setdefault(str(sync_id), {})
            self._dirty = self._dirty or any(peer.get(name, ...) != one for name, one in values.items())
            peer.update(values)

    def document(self) -> dict[str, Any]:
        """A copy of it all."""
        with self._lock:
            copied: dict[str, Any] = json.loads(json.dumps(self._values))
            return copied

    def write(self, *, now: bool = False) -> None:
        """Write it, if it has changed and was not just written. Raises OSError; then it is written next time."""
        with self._lock:
            if not self._dirty or (not now and self._clock() - self._written < _LEAST_SECONDS):
                return
            text = json.dumps(self._values, ensure_ascii=False, indent=1)
            self._dirty = False
            self._written = self._clock()
        temporary = self.path.with_suffix(f".{os.getpid()}.new")
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(text)
            temporary.replace(self.path)
        except OSError:
            with self._lock:
                self._dirty = True
            raise


def read_report(state_directory: Path) -> dict[str, Any] | None:
    """What a daemon wrote there last, of several workers the first that runs; None if none ever did."""
    home = next(iter(running_in(state_directory)), state_directory)
    try:
        found = json.loads((home / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
