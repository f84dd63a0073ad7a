"""The demo's daemons: real `msyncd run` processes, one beside each database."""

import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Final

import msyncd
from msyncd.commands.demo.country import Place
from msyncd.errors import MsyncdError

COMMAND: Final = ("-m", "msyncd", "run", "-c")
_PATIENCE: Final = 10.0
_TAIL_LINES: Final = 15


class DaemonDied(MsyncdError):
    """A daemon ended that should have gone on; `log` holds its last lines."""

    def __init__(self, place: Place, status: int, log: str) -> None:
        super().__init__(f"the daemon of the {place.name} ended by itself, with exit status {status}")
        self.log = log


class Daemon:
    """`msyncd run` for one site."""

    def __init__(self, place: Place, top: Path) -> None:
        self.place = place
        self.log = place.folder(top) / "msyncd.log"
        self._configuration = place.configuration(top)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, again too. It has a session of its own, so that Ctrl-C is the demo's to answer and not its."""
        environment = _environment()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *COMMAND, str(self._configuration)],
                cwd=self._configuration.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """Its process, if it was started."""
        return self._process.pid if self._process else None

    def expect_alive(self) -> None:
        """Raises DaemonDied if it was started and has ended."""
        if self._process is not None and (status := self._process.poll()) is not None:
            raise DaemonDied(self.place, status, self.tail())

    def kill(self) -> None:
        """As when the power fails: SIGKILL, and nothing is said any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask_to_end(self) -> None:
        """SIGTERM: it finishes the batch in hand and ends."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def see_off(self) -> None:
        """Wait until it has ended; one that does not end is killed."""
        if self._process is None:
            return
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def tail(self) -> str:
        """The last lines of its log."""
        try:
            with self.log.open(encoding="utf-8", errors="replace") as log:
                return "".join(deque(log, maxlen=_TAIL_LINES)).rstrip()
        except OSError:
            return ""


def _environment() -> dict[str, str]:
    """This process's, without what is its own service's. The daemon is to be this very msyncd, installed or not."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NOTIFY_SOCKET", "STATE_DIRECTORY")}
    source = str(Path(msyncd.__file__).resolve().parents[1])
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (source, kept.get("PYTHONPATH"))))
    return kept
