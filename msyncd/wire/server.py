"""The HTTP server: uvicorn in a thread beside the daemon's loops, with TLS whose certificate can be renewed."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from msyncd.errors import MsyncdError, TryLater
from msyncd.settings.values import Listen
from msyncd.wire.loopback import is_loopback

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than a long poll, so that a satellite's connection survives between its requests."""

_START_SECONDS: Final = 20.0


_FIRST_REQUEST_SECONDS: Final = 30.0
_GOODBYE_SECONDS: Final = 0.5


class ListenError(MsyncdError):
    """The daemon may not listen there like this."""


class PortTaken(TryLater):
    """Another process listens there already, or the address is not this machine's."""


class Server:
    """Answers on `listen`. `closing` is called when it stops, so that those who wait go home.

    `beside` is given where several workers listen on one port, between which the kernel distributes the connections; it
    tells whether any does now. Without it, or where none does, a port on which somebody listens is taken.
    """

    def __init__(
        self,
        app: ASGIApp,
        listen: Listen,
        *,
        allow_plain_http: bool = False,
        closing: Callable[[], None] | None = None,
        beside: Callable[[], bool] | None = None,
    ) -> None:
        self._app = app
        self._listen = listen
        self._closing, self._beside = closing, beside
        self._context = self._new_context()
        if self._context is None and not allow_plain_http and not is_loopback(listen.host):
            raise ListenError(
                f"plain HTTP on {listen.host} is refused: passwords and patients' data would be readable on the way",
                hint="give tls_certificate and tls_key, or listen on 127.0.0.1 behind a reverse proxy",
            )
        self._uvicorn: _Uvicorn | None = None
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port that it is bound to."""
        if self._socket is None:
            return self._listen.port
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where it answers."""
        host = f"[{self._listen.host}]" if ":" in self._listen.host else self._listen.host
        return f"{'https' if self._context else 'http'}://{host}:{self.port}"

    def start(self) -> None:
        """Returns when it is bound and answers."""
        if self._beside is not None and not self._beside():
            _bound(self._listen).close()  # somebody else's port is not to be shared by mistake
        self._socket = _bound(self._listen, shared=self._beside is not None)
        context = self._context
        config = uvicorn.Config(
            self._app,
            http=_Protocol,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # a caller could write any address there, and get round the back-off
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            ssl_context_factory=(lambda _config, _default: context) if context else None,
        )
        self._uvicorn = _Uvicorn(config)
        self._thread = threading.Thread(
            target=self._uvicorn.run, args=([self._socket],), name="msyncd-server", daemon=True
        )
        self._thread.start()
        ends = time.monotonic() + _START_SECONDS
        while not self._uvicorn.started:
            if not self._thread.is_alive() or time.monotonic() > ends:
                raise TryLater("the HTTP server did not start", hint="the log says why")
            time.sleep(0.005)

    def stop(self, timeout: float = 20.0) -> bool:
        """Takes no new request, lets those under way finish, and returns; False if some did not within `timeout`."""
        if self._uvicorn is None or self._thread is None:
            return True
        if self._closing is not None:
            self._closing()
        self._uvicorn.config.timeout_graceful_shutdown = max(1, int(timeout))
        self._uvicorn.should_exit = True
        self._thread.join(timeout + 1.0)
        return not (self._thread.is_alive() or self._uvicorn.broke_off)

    def reload_tls(self) -> None:
        """Reads certificate and key again: connections made from now on get them. A bad pair changes nothing."""
        if self._context is None:
            return
        self._new_context()  # a certificate without its key would leave the live context with half of each
        self._load(self._context)

    def _new_context(self) -> ssl.SSLContext | None:
        if self._listen.tls_certificate is None or self._listen.tls_key is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        certificate, key = self._listen.tls_certificate, self._listen.tls_key
        if certificate is None:
            return
        try:
            context.load_cert_chain(certificate, key, password=_no_passphrase)
        except (OSError, ValueError) as error:  # SSLError is an OSError
            raise ListenError(
                f"the certificate {certificate} or its key {key} cannot be used: {error}",
                hint="both as PEM, readable by this user, belonging together, the key without a passphrase",
            ) from error


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # which class it is depends on what is installed
    """Drops a connection that never says what it wants: uvicorn would keep it for ever."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(_FIRST_REQUEST_SECONDS, self._drop_if_silent, transport)

    def _drop_if_silent(self, transport: asyncio.BaseTransport) -> None:
        if getattr(self, "cycle", None) is None and isinstance(transport, asyncio.WriteTransport):
            transport.abort()


class _Uvicorn(uvicorn.Server):
    """Does not wait for the goodbye of idle TLS connections: a satellite that is not reading never sends one."""

    broke_off = False
    """Whether it stopped before every request was answered."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        goodbye = asyncio.ensure_future(self._drop_closed())
        try:
            await super().shutdown(sockets)
        finally:
            goodbye.cancel()
            self.broke_off = bool(self.server_state.tasks)

    async def _drop_closed(self) -> None:
        while True:
            await asyncio.sleep(_GOODBYE_SECONDS)
            for connection in list(self.server_state.connections):
                transport = connection.transport
                if transport.is_closing() and not transport.get_write_buffer_size():
                    transport.abort()


def _no_passphrase() -> str:
    """Asked for when a key is encrypted: without it, OpenSSL would ask on the terminal and wait for ever."""
    raise ValueError("the key has a passphrase")


def _bound(listen: Listen, *, shared: bool = False) -> socket.socket:
    """A socket that listens, or says why not: before uvicorn, which would end the process."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.create_server(address, family=family, backlog=2048, reuse_port=shared)
        # inherited by its connections. asyncio sets it only where the protocol is named, which it is not here; without
        # it a reply's head and body wait for each other by 40 ms
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return bound
    except OSError as error:
        raise PortTaken(
            f"cannot listen on {listen.host}:{listen.port}: {error.strerror or error}",
            hint="is another msyncd running? is the address one of this machine's?",
        ) from error
