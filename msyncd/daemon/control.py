"""Talking to the running daemon on this machine: a socket in the state directory, one JSON document a line.

A request is one line, such as `{"do": "ping"}`, `{"do": "status"}` or `{"do": "sync", "trust": {}}` (answering.py has
them all); the answer is lines of `{"progress": ...}` and at last one of `{"result": ...}` or
`{"error": {"what", "hint", "exit_status", "try_later"}}`.
"""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog

from msyncd.daemon.complaints import in_words
from msyncd.daemon.single import running_in, unwritable
from msyncd.errors import MsyncdError

SOCKET = "control.sock"
_LONGEST_REQUEST = 65_536

Answer = Callable[[Mapping[str, Any]], Iterator[dict[str, Any]]]


def ask(state_directory: Path, request: Mapping[str, Any]) -> Iterator[dict[str, Any]] | None:
    """The lines of the daemon's answer as they come; None if none runs there. Of several workers one answers.

    If the daemon ends meanwhile, the lines end without a result.
    """
    for home in running_in(state_directory) or [state_directory]:
        if (lines := _asked(home, request)) is not None:
            return lines
    return None


def _asked(home: Path, request: Mapping[str, Any]) -> Iterator[dict[str, Any]] | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(home) as address:
            connection.connect(address)
        connection.sendall(json.dumps(request).encode() + b"\n")
    except OSError:
        connection.close()
        return None
    return _lines(connection)


def _lines(connection: socket.socket) -> Iterator[dict[str, Any]]:
    with connection, connection.makefile("rb") as incoming, suppress(ConnectionError):
        for line in incoming:
            yield json.loads(line)


@contextmanager
def _address(home: Path) -> Iterator[str]:
    """The socket's path, by way of the open folder: a socket's own path may have 107 bytes only."""
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)


def error_document(error: BaseException) -> dict[str, Any]:
    """An error as the one who asked gets it."""
    known = error if isinstance(error, MsyncdError) else None
    return {
        "error": {
            "what": known.what if known else in_words(error),
            "hint": known.hint if known else "the daemon's log has the traceback",
            "exit_status": known.exit_status if known else 1,
            "try_later": bool(known and known.try_later),
        }
    }


class ControlServer:
    """Answers on the socket, each caller in a thread of its own. For the daemon's own user only."""

    def __init__(self, state_directory: Path, answer: Answer) -> None:
        self._directory, self._answer = state_directory, answer
        self._log = structlog.get_logger("msyncd.daemon")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._accept, name="msyncd-control", daemon=True)
        self._open = True

    def start(self) -> None:
        """Listen. An old socket is taken away: its daemon has ended, since this one holds the lock.

        Raises StateDirectoryInvalid.
        """
        before = os.umask(0o177)
        try:
            (self._directory / SOCKET).unlink(missing_ok=True)
            with _address(self._directory) as address:
                self._socket.bind(address)
        except OSError as error:
            raise unwritable(self._directory, error) from error
        finally:
            os.umask(before)
        self._socket.listen(8)
        self._thread.start()

    def stop(self) -> None:
        """Take no more callers."""
        self._open = False
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._thread.ident is not None:
            self._thread.join(5)
        (self._directory / SOCKET).unlink(missing_ok=True)

    def _accept(self) -> None:
        while self._open:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                if self._open:
                    self._log.exception("the control socket does not answer any more")
                return
            threading.Thread(target=self._serve, args=(connection,), name="msyncd-caller", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # whoever asked has gone
            connection.settimeout(10)
            with connection.makefile("rb") as incoming:
                line = incoming.readline(_LONGEST_REQUEST)
            connection.settimeout(60)
            for one in self._answered(line):
                connection.sendall(json.dumps(one, ensure_ascii=False, default=str).encode() + b"\n")

    def _answered(self, line: bytes) -> Iterator[dict[str, Any]]:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise TypeError("a request is an object")
        except (ValueError, TypeError) as error:
            yield error_document(MsyncdError(f"that request cannot be read: {error}"))
            return
        try:
            yield from self._answer(request)
        except MsyncdError as error:
            yield error_document(error)
        except Exception as error:  # noqa: BLE001 - the end of this caller's request: told to it, and logged
            self._log.exception("a request on the control socket failed", request=request.get("do"))
            yield error_document(error)
