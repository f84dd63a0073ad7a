"""The daemon as a whole: signals in, signs of life out, and everything else in loops of their own."""

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

import structlog

from msyncd import __version__
from msyncd.console.desk import Desk
from msyncd.daemon.answering import Answering
from msyncd.daemon.control import ControlServer
from msyncd.daemon.keeping import Keeping
from msyncd.daemon.notify import Notifier
from msyncd.daemon.report import Report
from msyncd.daemon.showing import Showing
from msyncd.daemon.words import in_one_line
from msyncd.flow.here import Clock, utc_now
from msyncd.plugins import Plugins
from msyncd.settings.reload import Reloader
from msyncd.settings.watch import Watcher

TICK_SECONDS: Final = 0.25
END_SECONDS: Final = 60.0
_ENDING: Final = (signal.SIGTERM, signal.SIGINT)


class Daemon:
    """Runs until it is told to stop. `home` is where it keeps what is its own; the caller has locked it."""

    def __init__(
        self,
        reloader: Reloader,
        plugins: Plugins | None,
        *,
        home: Path,
        stop: threading.Event | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._reloader = reloader
        self._stop = stop or threading.Event()
        self._signals, self._signalled = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._log = structlog.get_logger("msyncd.daemon")
        self._notifier = Notifier()
        self.report = Report(home)
        self.keeping = Keeping(reloader, plugins, self.report, self._notifier, clock=clock)
        answering = Answering(self.keeping, self.report)
        self._control = ControlServer(home, answering)
        self._desk = Desk(self.keeping, self.report, answering, reloader.current.state_directory)
        self._showing = Showing(self._desk, self.keeping, self.report)
        self.keeping.console = self._showing.console
        self.keeping.took_in = lambda changed: self._noted("take in the edited configuration", changed)
        self._watcher = Watcher(reloader.files, reloader.read, self.keeping.look)
        self._next_watchdog = 0.0
        self._hung: set[str] = set()

    def run(self) -> None:
        """Returns when SIGTERM or SIGINT came, or `stop` was set, and the batch in hand is finished."""
        started = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self.report.put(version=__version__, started=started, stopped=None, pid=os.getpid())
        with self._handling_signals():
            self._log.info("msyncd starts", version=__version__, configuration=str(self._reloader.current.file))
            self._write_report(now=True)
            self._control.start()
            self._watcher.start()
            self.keeping.look()  # what was edited since it was read is seen now
            self.keeping.loop.start()
            self._showing.start()
            self._noted("start", f"version {__version__}")
            try:
                while not self._stop.is_set():
                    self._listen()
                    self._tick()
            finally:
                self._end()
        os.close(self._signals)
        os.close(self._signalled)

    def _listen(self) -> None:
        """Wait for a signal, for no longer than a tick."""
        ready, _, _ = select.select([self._signals], [], [], TICK_SECONDS)
        for number in os.read(self._signals, 64) if ready else b"":
            if number in _ENDING:
                self._log.info("asked to stop", signal=signal.Signals(number).name)
                self._stop.set()
            else:
                self.keeping.look()

    def _tick(self) -> None:
        self._write_report()
        self._notifier.status(in_one_line(self.report.document()))
        life = self.keeping.life
        loops = [self.keeping.loop, *self._showing.loops, *(life.loops if life is not None else ())]
        hung = {loop.name for loop in loops if not loop.alive and not loop.stopping}
        for name in hung - self._hung:
            self._log.error("a loop gives no sign of life", loop=name)
        self._hung = hung
        due = self._notifier.watchdog_seconds
        if due is not None and not hung and time.monotonic() >= self._next_watchdog:
            self._next_watchdog = time.monotonic() + due
            self._notifier.watchdog()

    def _write_report(self, *, now: bool = False) -> None:
        try:
            self.report.write(now=now)
        except OSError as error:
            if "report" not in self._hung:
                self._log.warning("the report cannot be written", file=str(self.report.path), reason=str(error))

    def _noted(self, did: str, result: str = "done") -> None:
        self._desk.activity.note("msyncd", "this machine", did, result)

    def _end(self) -> None:
        self._notifier.stopping()
        self._noted("stop")
        self._control.stop()
        self._showing.stop()
        self._watcher.stop()
        self.keeping.loop.stop()
        self.keeping.loop.join(END_SECONDS)
        self.keeping.end()
        stopped = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self.report.put(stopped=stopped)
        self._write_report(now=True)
        self._log.info("msyncd has stopped")

    # --- signals ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _handling_signals(self) -> Iterator[None]:
        """Handlers only write to a pipe. Elsewhere than in the main thread, `stop` is the only way."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._note) for number in (*_ENDING, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        try:
            os.write(self._signalled, bytes([number]))
        except OSError:
            return  # full of signals that say the same, or it has ended
