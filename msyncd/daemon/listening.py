"""The primary's server: it listens where the configuration says, also after an edit, with the newest certificate."""

import time
from collections.abc import Callable
from pathlib import Path

import structlog
from starlette.types import ASGIApp

from msyncd.daemon.assemble import serve
from msyncd.daemon.loop import Loop
from msyncd.daemon.report import Report
from msyncd.daemon.site import Site
from msyncd.settings.values import Listen, Settings
from msyncd.wire.server import Server

LOOK_SECONDS = 5.0
STOP_SECONDS = 20.0


class Listening:
    """`step` makes what listens equal to what the configuration says."""

    def __init__(
        self,
        site: Site,
        report: Report,
        started: Callable[[], None] = lambda: None,
        console: ASGIApp | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._site, self._report, self._started, self._console = site, report, started, console
        self._log = structlog.get_logger("msyncd.daemon")
        self._server: Server | None = None
        self._as: tuple[Listen, bool] | None = None
        self._files: tuple[object, ...] = ()
        self.loop = Loop("server", self.step, failed=self._failed, clock=clock)

    def step(self) -> float:
        """One look."""
        settings = self._site.here.settings
        wanted = settings.listen, settings.allow_plain_http
        if self._server is None or self._as != wanted:
            self.close()  # first: the new one may want the same port
            self._begin(settings)
            self._as = wanted  # at last: whatever failed is begun again
        elif (files := certificate_files(settings.listen)) != self._files:
            self._server.reload_tls()
            self._files = files
            self._log.info("the certificate was read again")
        return LOOK_SECONDS

    def _begin(self, settings: Settings) -> None:
        self._files = certificate_files(settings.listen)
        self._server = server = serve(self._site, settings, self._console)
        server.start()
        self._report.put(listening=server.url, listening_problem=None)
        self._log.info("listening", url=server.url)
        self._started()

    def close(self) -> None:
        """Take no new request, let those under way finish."""
        server, self._server, self._as = self._server, None, None
        if server is not None:
            self._report.put(listening=None)
            if not server.stop(STOP_SECONDS):
                self._log.warning("some requests were broken off; they are sent again")

    def _failed(self, error: Exception, _seconds: float) -> None:
        self._report.put(listening_problem=str(error))


def certificate_files(listen: Listen) -> tuple[object, ...]:
    """Marks that change when certificate or key do."""
    return tuple(_mark(path) for path in (listen.tls_certificate, listen.tls_key) if path is not None)


def _mark(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
