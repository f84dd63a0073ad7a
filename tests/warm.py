"""`msyncd` as a process of its own that does not load its modules anew.

Loading them takes half a second of processor time, and the suite starts hundreds of processes. Here one process per
test worker has them loaded and is forked. From there on nothing differs: a number, memory, streams, an environment,
signals and an exit status of its own. What belongs to a Python's own start, tests/commands/test_cli.py tries on one
that starts from nothing.
"""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_FORKING: Final = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(["tests.warmed"])


class Process:
    """One that runs `msyncd` with these words. Its methods are those of `subprocess.Popen`.

    What it says is added to the files `out` and `err`; `environment` is added to that of the tests; `given` it may
    read. It is ended with the tests, if it was not before.
    """

    def __init__(
        self,
        *words: str | Path,
        out: Path,
        err: Path,
        environment: Mapping[str, str] | None = None,
        given: str = "",
    ) -> None:
        around = {**os.environ, **(environment or {})}
        self._process = _FORKING.Process(
            target=_begin, args=([str(one) for one in words], out, err, around, given, Path.cwd()), daemon=True
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: Final = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status, -N if signal N ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """As `returncode`."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Until it ends; its exit status. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired("msyncd", timeout or 0.0)
        return status

    def send_signal(self, number: int) -> None:
        """To this process, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def run(
    *words: str | Path, environment: Mapping[str, str] | None = None, given: str = "", seconds: float = 60
) -> "subprocess.CompletedProcess[str]":
    """Run `msyncd` to its end: exit status, and what stands on which stream. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = Process(*words, out=out, err=err, environment=environment, given=given)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(["msyncd", *map(str, words)], status, out.read_text(), err.read_text())


def _begin(words: list[str], out: Path, err: Path, environment: dict[str, str], given: str, folder: Path) -> None:
    """In the new process."""
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    with tempfile.TemporaryFile() as standard_input:
        standard_input.write(given.encode())
        standard_input.seek(0)
        os.dup2(standard_input.fileno(), 0)
    for number, path in ((1, out), (2, err)):
        with path.open("ab") as file:
            os.dup2(file.fileno(), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # it lasts as long as the process
    sys.argv[:] = ["msyncd", *words]
    sys.exit(importlib.import_module("msyncd.commands").main())
