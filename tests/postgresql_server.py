"""A PostgreSQL server of a test's own, with its own files: for one that ends it in the middle of work."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg

START_SECONDS: Final = 60.0
_USER: Final = "postgres"
"""As whom it runs for root, whom it refuses."""
_PROGRAMS: Final = Path("/usr/lib/postgresql")
"""Where Debian has them, by version; elsewhere they are found by PATH."""


class PrivateServer:
    """Started on entering, ended on leaving, or with this process. On a port of this machine; anyone here is let in.

    `settings` of its own, as `name=value`.
    """

    def __init__(self, settings: Sequence[str] = ()) -> None:
        self._settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", *settings)
        # not below a test's own folder, which is closed to who runs the server
        self._folder = Path(tempfile.mkdtemp(prefix="msyncd-postgresql-"))
        self._data = self._folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def can_run() -> bool:
        """Whether the server's programs are here, and somebody as whom they run."""
        as_whom = os.geteuid() != 0 or (_exists(_USER) and shutil.which("setpriv") is not None)
        return _program("initdb") is not None and as_whom

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            shutil.chown(self._folder, _USER, _USER)
        initdb = [str(_program("initdb")), "--no-sync", "--auth=trust", f"--username={_USER}", "--encoding=UTF8"]
        subprocess.run(
            [*_as_user(), *initdb, "--locale=C.UTF-8", f"--pgdata={self._data}"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it answers: it first makes good what a kill has left."""
        command = [*_as_user(), str(_program("postgres")), "-D", str(self._data), "-p", str(self.port)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *(word for one in self._settings for word in ("-c", one))], stdout=log, stderr=log, cwd="/"
            )
        give_up = time.monotonic() + START_SECONDS
        while True:
            with suppress(psycopg.OperationalError), psycopg.connect(self.url(), connect_timeout=5):
                return
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < give_up, "the server does not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        """End it at whatever instruction it is, with all its connections: nothing is written any more."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_SECONDS)
            self._process = None

    def log(self) -> str:
        """What it has said."""
        return (self._folder / "log").read_text(errors="replace")

    def url(self, database: str = "postgres") -> str:
        """The URL of a database on it."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"


def _as_user() -> list[str]:
    """Words before a command by which it runs as who may run it, and ends with this process."""
    if os.geteuid() != 0:
        return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    return ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", "--pdeathsig", "KILL"]


def _exists(user: str) -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwnam(user))
    return False


def _program(name: str) -> Path | None:
    found = shutil.which(name)
    if found:
        return Path(found)
    versions = sorted(_PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3].split(".")[0]))
    return versions[-1] if versions else None
