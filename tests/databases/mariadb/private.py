"""A MariaDB server of its own for one test: on a socket, with its own files."""

import os
import shutil
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
_QUIET: Final = ("--skip-networking", "--skip-log-bin", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M")


class PrivateServer:
    """Started on entering, ended on leaving. `options` are the server's."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self.options = list(options)
        self._data = folder / "data"
        # a socket's path may have 107 characters
        self._run = Path(tempfile.mkdtemp(prefix="msyncd-db-"))
        self.socket = self._run / "s"
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def can_run() -> bool:
        """Whether the server's programs are here."""
        return _program("mariadbd") is not None and shutil.which("mariadb-install-db") is not None

    def __enter__(self) -> Self:
        self._data.mkdir(parents=True)
        subprocess.run(
            [
                "mariadb-install-db", "--no-defaults", f"--datadir={self._data}",
                "--auth-root-authentication-method=normal", "--skip-test-db", *self._user(),
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        shutil.rmtree(self._run, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [
            str(_program("mariadbd")), "--no-defaults", f"--datadir={self._data}", f"--socket={self.socket}",
            f"--pid-file={self._run / 'pid'}", *self._user(), *_QUIET, *self.options,
        ]  # fmt: skip
        with (self._data.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
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


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
