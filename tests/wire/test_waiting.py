"""Waiting costs next to nothing, and ends as soon as there is news."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from msyncd.errors import DatabaseUnavailable, PeerUnreachable
from msyncd.flow.conversation import Waiting
from msyncd.model import START
from msyncd.wire.client import PrimaryClient
from msyncd.wire.codec import MSGPACK, encode
from msyncd.wire.waiting import WaitingRoom
from tests.wire.answers import hello_of, push_of
from tests.wire.conftest import Primary, StartPrimary
from tests.wire.raw import Raw, status_of

WAITING = Waiting(START, 7, seconds=50)


class Log:
    """A change log's end, and how often it was asked for."""

    def __init__(self) -> None:
        self.seq = 0
        self.asked = 0
        self.counted = 0

    def news(self, _site: int, waiting: Waiting) -> bool:
        self.asked += 1
        return self.seq > waiting.cursor.seq

    def count(self) -> int:
        self.counted += 1
        return self.seq


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_two_hundred_idle_waits_are_cheap_and_wake_together(primary: Primary) -> None:
    raw = Raw(primary.url).log_in()
    body = encode(WAITING)
    request = (
        b"POST /sync/v1/wait HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nAuthorization: Bearer %s\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (MSGPACK.encode(), raw.token.encode(), len(body), body)
    )
    sockets = [raw.connect() for _ in range(200)]
    threads = threading.active_count()
    for sock in sockets:
        sock.sendall(request)
    until(lambda: len(primary.api.room) == 200)
    time.sleep(0.6)  # the attendant has asked for all of them once
    assert threading.active_count() - threads < 45  # no thread of its own for each
    asked, cpu = primary.answers.asked, time.process_time()
    time.sleep(2)
    assert primary.answers.asked - asked <= 200  # by the counter alone, but for those that came last
    assert time.process_time() - cpu < 1.0
    primary.answers.serial += 1
    started = time.monotonic()
    primary.api.wake()
    assert [status_of(sock) for sock in sockets] == [200] * 200
    assert time.monotonic() - started < 2
    for sock in sockets:
        sock.close()
    until(lambda: len(primary.api.room) == 0)


def test_a_wake_up_is_quick(primary: Primary, client: PrimaryClient) -> None:
    client.hello(hello_of())
    latencies = []
    for number in range(5):
        timer_at: list[float] = []

        def write(upto: int = number + 1, at: list[float] = timer_at) -> None:
            primary.answers.serial = upto
            at.append(time.monotonic())
            primary.api.wake()

        timer = threading.Timer(0.1, write)
        timer.start()
        assert client.wait(Waiting(START._replace(seq=number), 7, seconds=20)).news
        latencies.append(time.monotonic() - timer_at[0])
        timer.join()
    assert min(latencies) < 0.1, latencies


@pytest.mark.parametrize("counted", [True, False])
def test_a_wake_up_that_never_came_is_noticed(start: StartPrimary, counted: bool) -> None:
    primary = start(counted=counted)
    client = primary.client()
    client.hello(hello_of())
    timer = threading.Timer(0.4, lambda: client_push(primary))
    timer.start()
    started = time.monotonic()
    assert client.wait(WAITING).news
    assert time.monotonic() - started < 5
    timer.join()


def client_push(primary: Primary) -> None:
    primary.answers.push(3, push_of([]))


def test_a_caller_that_left_is_not_asked_for_any_more(primary: Primary, client: PrimaryClient) -> None:
    client.hello(hello_of())
    told: list[str] = []

    def wait() -> None:
        with pytest.raises(PeerUnreachable) as caught:
            client.wait(WAITING)
        told.append(caught.value.what)

    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: len(primary.api.room) == 1)
    client.close()
    thread.join(5)
    assert told == ["this end is stopping"]
    until(lambda: len(primary.api.room) == 0)


def test_news_between_the_question_and_the_wait_are_not_lost() -> None:
    log = Log()

    rooms: list[WaitingRoom] = []

    def news(site: int, waiting: Waiting) -> bool:
        answer = Log.news(log, site, waiting)
        if log.asked == 1:  # it is written, and everybody woken, just after this site was told no
            log.seq = 1
            rooms[0].wake()
        return answer

    async def play() -> bool:
        rooms.append(WaitingRoom(news, log.count, look_seconds=30, again_seconds=100))
        return await rooms[0].wait(2, Waiting(START, 7, seconds=5))

    started = time.monotonic()
    assert asyncio.run(play())
    assert time.monotonic() - started < 3


def test_a_counter_that_fails_leads_to_asking() -> None:
    log = Log()

    def broken() -> int:
        log.seq = 1
        raise DatabaseUnavailable("locked")

    async def play() -> bool:
        room = WaitingRoom(log.news, broken, look_seconds=0.05, again_seconds=100)
        return await room.wait(2, Waiting(START, 7, seconds=5))

    assert asyncio.run(play())


def test_an_error_is_told_to_the_one_that_it_concerns() -> None:
    def news(site: int, _waiting: Waiting) -> bool:
        if site == 3 and len(asked) > 3:
            raise DatabaseUnavailable("locked")
        asked.append(site)
        return False

    asked: list[int] = []

    async def play() -> list[bool | BaseException]:
        room = WaitingRoom(news, lambda: len(asked), look_seconds=0.05, again_seconds=0)
        waits = [room.wait(site, Waiting(START, 7, seconds=0.8)) for site in (2, 3)]
        return await asyncio.gather(*waits, return_exceptions=True)

    first, second = asyncio.run(play())
    assert first is False
    assert isinstance(second, DatabaseUnavailable)


def test_seconds_are_bounded_and_closing_sends_home() -> None:
    log = Log()

    async def play() -> bool:
        room = WaitingRoom(log.news, log.count)
        asyncio.get_running_loop().call_later(0.3, room.close)
        first = await room.wait(2, Waiting(START, 7, seconds=1e9))
        return first or await room.wait(2, WAITING)

    started = time.monotonic()
    assert asyncio.run(play()) is False
    assert time.monotonic() - started < 5
