"""A MariaDB server of the tests' own, with its own files: for one that stops it, or in memory for all of them."""

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import pymysql

START_SECONDS: Final = 60.0
_QUIET: Final = ("--skip-log-bin", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M")
_MEMORY: Final = Path("/dev/shm")
_LEAST_MEMORY: Final = 1 << 30
_PREFIX: Final = "msyncd-mariadb-"


class PrivateServer:
    """Started on entering, ended on leaving, or with this process. `options` are the server's.

    On a socket; with a `port` of this machine also there.
    """

    def __init__(self, folder: Path, options: Sequence[str] = (), port: int | None = None) -> None:
        self.options = list(options)
        self._network = ["--bind-address=127.0.0.1", f"--port={port}"] if port else ["--skip-networking"]
        self._data = folder / "data"
        # a server that starts removes every temporary table that lies there, whosever it is
        self._environment = {**os.environ, "TMPDIR": str(folder / "temporary")}
        # a socket's path may have 107 characters
        self._run = Path(tempfile.mkdtemp(prefix="msyncd-db-"))
        atexit.register(shutil.rmtree, self._run, ignore_errors=True)
        self.socket = self._run / "s"
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def can_run() -> bool:
        """Whether the server's programs are here."""
        return _program("mariadbd") is not None and shutil.which("mariadb-install-db") is not None

    def __enter__(self) -> Self:
        self._data.mkdir(parents=True)
        Path(self._environment["TMPDIR"]).mkdir()
        subprocess.run(
            [
                "mariadb-install-db", "--no-defaults", f"--datadir={self._data}",
                "--auth-root-authentication-method=normal", "--skip-test-db", *self._user(),
            ],
            check=True,
            capture_output=True,
            env=self._environment,
        )  # fmt: skip
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        shutil.rmtree(self._run, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        # a run of tests that is killed leaves no server behind
        ends_with_us = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        command = [
            *ends_with_us, str(_program("mariadbd")), "--no-defaults", f"--datadir={self._data}",
            f"--socket={self.socket}", f"--pid-file={self._run / 'pid'}", *self._user(), *_QUIET, *self._network,
            *self.options,
        ]  # fmt: skip
        with (self._data.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment)
        give_up = time.monotonic() + START_SECONDS
        while True:
            try:
                self.run("SELECT 1")
                return
            except pymysql.err.OperationalError:
                assert self._process.poll() is None, (self._data.parent / "log").read_text()
                assert time.monotonic() < give_up, "the server does not answer"
                time.sleep(0.1)

    def kill(self) -> None:
        """End it at whatever instruction it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def run(self, *statements: str, user: str = "root", database: str | None = None) -> list[tuple[object, ...]]:
        """Run statements; what the last one returned."""
        rows: list[tuple[object, ...]] = []
        with closing(
            pymysql.connect(unix_socket=str(self.socket), user=user, password="", database=database, autocommit=True)
        ) as connection:
            for sql in statements:
                with connection.cursor() as cursor:
                    cursor.execute(sql)
                    rows = list(cursor.fetchall())
        return rows

    def url(self, database: str, user: str = "root") -> str:
        """The URL of a database on it."""
        return f"mariadb://{user}@localhost/{database}?unix_socket={quote(str(self.socket))}"

    @staticmethod
    def _user() -> list[str]:
        return ["--user=root"] if os.geteuid() == 0 else []


def in_memory() -> str | None:
    """The URL of a server in memory that ends with this process; None where its programs, or such a folder, lack.

    MariaDB commits each table and trigger by itself: on a disk most of a test's time goes into that. And a transaction
    that a test leaves open holds up nobody else's.
    """
    if not PrivateServer.can_run() or not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < _LEAST_MEMORY:
        return None
    _remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_MEMORY))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    server = PrivateServer(folder, ["--max-connections=500"], port)

    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.kill)  # the last that is registered comes first
    server.__enter__()
    return f"mariadb://root@127.0.0.1:{port}/"


def _remove_leftovers() -> None:
    """What killed runs left in memory."""
    for folder in _MEMORY.glob(f"{_PREFIX}*"):
        process = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if not Path(f"/proc/{process}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
