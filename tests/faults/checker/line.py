"""A line that fails: it delays, cuts in the middle, swallows, and sends again what it has sent before."""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

_CHUNK = 16_384


class Line:
    """Listens on a port of this machine and carries to another. From any thread: set what is to go wrong.

    `delay` in seconds for each piece; `swallow`: nothing gets through, and nobody is told; `cut_after`: so many bytes
    towards the primary, then the connection breaks; `again`: each request is sent to the primary twice, the second time
    by a connection of its own, whose answer nobody hears.
    """

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self.delay = 0.0
        self.swallow = False
        self.cut_after: int | None = None
        self.again = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="line", daemon=True)
        self._thread.start()
        self._server: asyncio.Server = self._do(asyncio.start_server(self._carry, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def mend(self) -> None:
        """It is a good line again; who is on it now is thrown off."""
        self.delay, self.swallow, self.cut_after, self.again = 0.0, False, None, False
        self.hang_up()

    def hang_up(self) -> None:
        """Break every connection."""
        self._do(self._hang_up())

    def close(self) -> None:
        """For ever."""
        self._server.close()
        self.hang_up()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _hang_up(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _carry(self, up: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            down, on = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            back.transport.abort()
            return
        self._writers |= {back, on}
        try:
            await asyncio.gather(self._pipe(up, on, to_primary=True), self._pipe(down, back, to_primary=False))
        finally:
            self._writers -= {back, on}
            for writer in (back, on):
                writer.transport.abort()

    async def _pipe(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, to_primary: bool) -> None:
        carried = 0
        with suppress(OSError):
            while piece := await source.read(_CHUNK):
                while self.swallow:  # noqa: ASYNC110 - it is set from another thread
                    await asyncio.sleep(0.05)
                if self.delay:
                    await asyncio.sleep(self.delay)
                carried += len(piece)
                if to_primary and self.cut_after is not None and carried > self.cut_after:
                    target.write(piece[: max(1, len(piece) // 2)])
                    await target.drain()
                    break
                if to_primary and self.again:
                    self._loop.create_task(self._send_again(piece))
                target.write(piece)
                await target.drain()
        target.transport.abort()

    async def _send_again(self, piece: bytes) -> None:
        """What was seen on the line, sent by whoever saw it: whole requests are answered, parts are not."""
        with suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._to_port)
            try:
                writer.write(piece)
                await writer.drain()
                async with asyncio.timeout(2):
                    await reader.read(_CHUNK)
            finally:
                writer.transport.abort()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
