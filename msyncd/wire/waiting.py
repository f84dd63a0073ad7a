"""The room where requests wait for news: one task asks for all of them, so that 500 idle sites cost next to nothing.

Wake-ups are not trusted (P26): a cheap counter is looked at five times a second, and everybody is asked again from time
to time whatever the counter says.
"""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import anyio.to_thread

from msyncd.flow.conversation import Waiting

News = Callable[[int, Waiting], bool]
"""Whether there is something for this site beyond where it stands. Quick; called in a thread."""

LONGEST_SECONDS: Final = 55.0
"""Below the minute after which many a router forgets an idle connection."""


@dataclass(eq=False, slots=True)
class _Guest:
    site: int
    waiting: Waiting
    answer: asyncio.Future[bool]


class WaitingRoom:
    """Lets requests wait. `counter` changes whenever there may be news for anybody; None: all are asked each second."""

    def __init__(
        self,
        news: News,
        counter: Callable[[], Hashable] | None = None,
        *,
        look_seconds: float = 0.2,
        again_seconds: float | None = None,
    ) -> None:
        self._news = news
        self._counter = counter
        self._look_seconds = look_seconds if counter else 1.0
        self._again_seconds = (10.0 if counter else 0.0) if again_seconds is None else again_seconds
        self._guests: set[_Guest] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._bell = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._guests)

    def wake(self) -> None:
        """There may be news: ask for everybody now. From any thread; costs nothing if nobody waits."""
        if self._loop is not None and self._guests:
            self._call(self._bell.set)

    def close(self) -> None:
        """Sends everybody home with "no news", now and from now on. From any thread."""
        self._closed = True
        if self._loop is not None:
            self._call(self._send_home)

    async def wait(self, site: int, waiting: Waiting) -> bool:
        """True as soon as there is something for the site, False when the seconds are over."""
        self._loop = asyncio.get_running_loop()
        guest = _Guest(site, waiting, self._loop.create_future())
        self._guests.add(guest)  # before the first question: what happens after it rings the bell
        try:
            if await anyio.to_thread.run_sync(self._news, site, waiting):
                return True
            if self._closed:
                return False
            if self._task is None or self._task.done():
                self._task = self._loop.create_task(self._attend())
            async with asyncio.timeout(min(max(waiting.seconds, 0.0), LONGEST_SECONDS)):
                return await guest.answer
        except TimeoutError:
            return False
        finally:
            self._guests.discard(guest)

    async def _attend(self) -> None:
        """Asks for all who wait, whenever the bell rings, the counter moves, or enough time went by."""
        loop = asyncio.get_running_loop()
        seen: Hashable = None
        asked = loop.time()
        while self._guests:
            rung = self._bell.is_set()
            self._bell.clear()
            counted = await anyio.to_thread.run_sync(self._count)
            if rung or counted != seen or loop.time() - asked >= self._again_seconds:
                seen, asked = counted, loop.time()
                await self._ask(tuple(self._guests))
            try:
                async with asyncio.timeout(self._look_seconds):
                    await self._bell.wait()
            except TimeoutError:
                continue

    def _count(self) -> Hashable:
        try:
            return self._counter() if self._counter else None
        except Exception:  # noqa: BLE001 - whatever is wrong, asking tells it to each request that it concerns
            return object()

    async def _ask(self, guests: Sequence[_Guest]) -> None:
        """One trip to a thread for all of them."""
        answers = await anyio.to_thread.run_sync(self._ask_all, guests)
        for guest, answer in zip(guests, answers, strict=True):
            if guest.answer.done() or guest not in self._guests:
                continue
            if isinstance(answer, Exception):
                guest.answer.set_exception(answer)
            elif answer:
                guest.answer.set_result(True)

    def _ask_all(self, guests: Sequence[_Guest]) -> list[bool | Exception]:
        answers: list[bool | Exception] = []
        for guest in guests:
            try:
                answers.append(self._news(guest.site, guest.waiting))
            except Exception as error:  # noqa: BLE001 - it is this guest's answer, and raised in its request
                answers.append(error)
        return answers

    def _send_home(self) -> None:
        for guest in self._guests:
            if not guest.answer.done():
                guest.answer.set_result(False)

    def _call(self, what: Callable[[], None]) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(what)
        except RuntimeError:  # the server's loop has ended: nobody waits any more
            self._loop = None
