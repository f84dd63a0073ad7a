"""A load balancer for tests: each connection goes to the next worker that answers, and a test may swallow replies."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Sequence


class Balancer:
    """Listens on `port`. `cut(True)`: what workers reply is swallowed. `pause`: seconds before each piece of a request
    is handed on, as on a slow line."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = list(ports)
        self.pause = 0.0
        self.swallow = threading.Event()
        self.taken: list[int] = []
        self._turn = itertools.count()
        self._open: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Hang up everywhere."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # closing it alone wakes nobody who waits on it
        self._socket.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Break every connection off; callers come again, and may get another worker."""
        open_now, self._open = self._open, []
        for one in open_now:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            worker = self._next()
            if worker is None:
                caller.close()
                continue
            self._open += [caller, worker]
            threading.Thread(target=self._pump, args=(caller, worker, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(worker, caller, True), daemon=True).start()

    def _next(self) -> socket.socket | None:
        for _ in self.ports:
            port = self.ports[next(self._turn) % len(self.ports)]
            with contextlib.suppress(OSError):
                worker = socket.create_connection(("127.0.0.1", port), 5)
                worker.settimeout(None)
                self.taken.append(port)
                return worker
        return None

    def _pump(self, source: socket.socket, target: socket.socket, replies: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if not replies and self.pause:
                    time.sleep(self.pause)
                if not (replies and self.swallow.is_set()):
                    target.sendall(piece)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
