"""The line between a satellite and the primary: it carries bytes, counts them, and can be cut and let back."""

import contextlib
import socket
import threading
from typing import Final

_CHUNK: Final = 65536


class Relay:
    """Listens on a port of this machine and carries every connection to another. While it is cut it answers nobody."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = _listening(0)
        self.port: Final[int] = self._listener.getsockname()[1]
        self.to_primary = 0
        self.to_satellite = 0
        self._serve(self._listener)

    @property
    def is_cut(self) -> bool:
        """Whether the line is down."""
        return self._listener is None

    def cut(self) -> None:
        """The line goes down: who is on it is thrown off, and nobody gets on."""
        with self._lock:
            listener, self._listener = self._listener, None
            ends, self._open = self._open, set()
        for one in (listener, *ends):
            if one is not None:
                with contextlib.suppress(OSError):  # wakes the thread that reads from it
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def let_back(self) -> None:
        """The line is up again, at the same address."""
        if self._listener is None:
            self._listener = _listening(self.port)
            self._serve(self._listener)

    def _serve(self, listener: socket.socket) -> None:
        threading.Thread(target=self._accept, args=(listener,), name="relay", daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                satellite, _ = listener.accept()
            except OSError:  # it was cut
                return
            try:
                primary = socket.create_connection(("127.0.0.1", self._to_port), timeout=5)
            except OSError:  # the primary is not there: the satellite sees the line drop
                satellite.close()
                continue
            primary.settimeout(None)
            with self._lock:
                if self._listener is not listener:
                    satellite.close()
                    primary.close()
                    return
                self._open |= {satellite, primary}
            for source, target, up in ((satellite, primary, True), (primary, satellite, False)):
                threading.Thread(target=self._carry, args=(source, target, up), name="relay", daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if up:
                    self.to_primary += len(chunk)
                else:
                    self.to_satellite += len(chunk)
                target.sendall(chunk)
        with self._lock:
            self._open -= {source, target}
        for one in (source, target):  # one end hung up: so does the other
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener
