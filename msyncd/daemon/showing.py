"""The console beside the site: where it listens on a port of its own, and how every site stood, kept for its plots.

On the primary the same pages are on the sync port too (see listening.py). It runs whether or not the site does, so that
what keeps the site from beginning can be seen and mended.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from msyncd.console.app import Console
from msyncd.console.desk import Desk
from msyncd.console.history import EVERY_SECONDS
from msyncd.daemon.assemble import is_ready
from msyncd.daemon.listening import certificate_files
from msyncd.daemon.loop import Loop
from msyncd.daemon.report import Report
from msyncd.settings.addresses import host_and_port
from msyncd.settings.values import Listen, Settings
from msyncd.wire.app import build_app
from msyncd.wire.server import Server

if TYPE_CHECKING:
    from msyncd.daemon.keeping import Keeping

LOOK_SECONDS = 5.0
STOP_SECONDS = 5.0


class Showing:
    """`loops` run as long as the daemon; `console` is the application that shows the pages."""

    def __init__(
        self, desk: Desk, keeping: "Keeping", report: Report, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._desk, self._keeping, self._report = desk, keeping, report
        self._log = structlog.get_logger("msyncd.console")
        self.console = Console(desk)
        self._server: Server | None = None
        self._as: tuple[Listen, bool] | None = None
        self._files: tuple[object, ...] = ()
        self.loops = [Loop("console", self.listen, clock=clock), Loop("history", self.sample, clock=clock)]

    def start(self) -> None:
        """Begin."""
        for loop in self.loops:
            loop.start()

    def stop(self) -> None:
        """Take no new visitor, then end."""
        for loop in self.loops:
            loop.stop()
        for loop in self.loops:
            loop.join(STOP_SECONDS)
        self._close()

    def listen(self) -> float:
        """Make what listens equal to what `console.listen` says."""
        settings = self._keeping.in_force
        wanted = listen_of(settings)
        if wanted is None:
            self._close()
        elif self._server is None or self._as != (wanted, settings.allow_plain_http):
            self._close()  # first: the new one may want the same port
            self._files = certificate_files(wanted)
            app = build_app(None, ready=self._ready, rest=self.console)
            server = Server(app, wanted, allow_plain_http=settings.allow_plain_http)
            server.start()
            self._server, self._as = server, (wanted, settings.allow_plain_http)
            self._report.put(console=server.url)
            self._log.info("the console is there", url=server.url)
        elif (files := certificate_files(wanted)) != self._files:
            self._server.reload_tls()
            self._files = files
        return LOOK_SECONDS

    def _close(self) -> None:
        server, self._server, self._as = self._server, None, None
        if server is not None:
            self._report.put(console=None)
            server.stop(STOP_SECONDS)

    def _ready(self) -> bool:
        site = self._desk.site
        return site is not None and is_ready(site)

    def sample(self) -> float:
        """Keep how every peer stands now."""
        if self._desk.site is None:
            return LOOK_SECONDS
        self._desk.sample()
        return EVERY_SECONDS


def listen_of(settings: Settings) -> Listen | None:
    """Where the console is to listen, with the certificate of `listen` if there is one; None if nowhere of its own."""
    address = host_and_port(settings.console_listen) if settings.console_listen is not None else None
    if address is None:
        return None
    return Listen(*address, settings.listen.tls_certificate, settings.listen.tls_key)
