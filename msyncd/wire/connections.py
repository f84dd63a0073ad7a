"""The satellite's end of the line: one HTTP session per thread, whose sockets can be broken off from another thread."""

import socket
import threading
import weakref
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from msyncd.errors import PeerRefused
from msyncd.wire.loopback import is_loopback

_SOCKET_OPTIONS: Final = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    # a line that dropped without a word is noticed after about a minute and a half
    *((socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", 4), 30),),
    *((socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", 5), 10),),
    *((socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", 6), 6),),
]


class UrlInvalid(PeerRefused):
    """The url cannot be that of a primary, or would send the password in the clear."""


def checked_url(url: str, *, allow_plain_http: bool) -> str:
    """The url without its last slash. Raises UrlInvalid."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise UrlInvalid(f"the url of {host or 'the primary'} is not one", hint="e.g. https://central.example.org:8443")
    if parts.username is not None or parts.query or parts.fragment:
        raise UrlInvalid(f"the url of {host} must be scheme, host, port and path only", hint="see user_name, password")
    if parts.scheme == "http" and not allow_plain_http and not is_loopback(host):
        raise UrlInvalid(
            f"plain HTTP to {host} is refused: passwords and patients' data would be readable on the way",
            hint="use https://, or set allow_plain_http: true",
        )
    return url.rstrip("/")


class Lines:
    """The sessions of all threads. `opened` says whether this thread's last call had to open a connection."""

    def __init__(self, ca_certificate: Path | None, proxy: str | None) -> None:
        self._ca_certificate = ca_certificate
        self._proxy = proxy
        self._mine = threading.local()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()
        self._lock = threading.Lock()
        self.closed = False

    @property
    def opened(self) -> bool:
        """Whether a connection was opened by this thread since `opened` was last set to False."""
        return bool(getattr(self._mine, "opened", False))

    @opened.setter
    def opened(self, value: bool) -> None:
        self._mine.opened = value

    def session(self) -> requests.Session:
        """This thread's own."""
        if not hasattr(self._mine, "session"):
            self._mine.session = self._new_session()
        session: requests.Session = self._mine.session
        return session

    def close(self) -> None:
        """Breaks off what is under way, in whatever thread, and lets nothing new begin."""
        with self._lock:
            self.closed = True
            sockets, sessions = list(self._sockets), list(self._sessions)
        for one in sockets:
            try:
                # not SSLSocket.shutdown: that takes the TLS object from under the thread that is reading from it
                socket.socket.shutdown(one, socket.SHUT_RDWR)
            except OSError:
                continue  # it was closed already
        for session in sessions:
            session.close()

    def connected(self, sock: socket.socket) -> None:
        """A connection was made, by this thread."""
        self.opened = True
        with self._lock:
            self._sockets.add(sock)
            if self.closed:  # close() ran while this connection was being made, and has not seen it
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # the environment could set another CA, a proxy, or a password from .netrc
        session.verify = str(self._ca_certificate) if self._ca_certificate else True
        if self._proxy:
            session.proxies = {"http": self._proxy, "https": self._proxy}
        adapter = _Adapter(self)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        with self._lock:
            self._sessions.add(session)
        return session


class _Adapter(HTTPAdapter):
    """Gives its pools connections that tell `Lines` about their sockets."""

    def __init__(self, lines: Lines) -> None:
        self._classes = _pool_classes(lines)
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, socket_options=_SOCKET_OPTIONS)
        self.poolmanager.pool_classes_by_scheme = self._classes

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options, socket_options=_SOCKET_OPTIONS)
        manager.pool_classes_by_scheme = self._classes
        return manager


def _pool_classes(lines: Lines) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            lines.connected(self.sock)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            lines.connected(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
