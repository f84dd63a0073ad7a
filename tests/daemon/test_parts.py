"""The small parts of which the loops are made."""

import threading
import time
from typing import Any

import pytest

from msyncd.daemon.backoff import Backoff
from msyncd.daemon.boundary import Boundary
from msyncd.daemon.complaints import Complaints
from msyncd.daemon.loop import Loop
from msyncd.daemon.words import in_one_line
from msyncd.errors import LoginRefused, PeerUnreachable
from tests.daemon.conftest import until


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda text, **more: self.lines.append((level, text, more))


def test_waiting_doubles_up_to_a_bound_and_begins_anew_after_a_success() -> None:
    backoff = Backoff(lambda: 1.0, least=1, most=20)
    assert [backoff.failed() for _ in range(7)] == [1, 2, 4, 8, 16, 20, 20]
    backoff.succeeded()
    assert backoff.failed() == 1


def test_chance_takes_up_to_half_of_the_waiting_so_that_sites_do_not_come_together() -> None:
    assert Backoff(lambda: 0.0, least=8).failed() == 4
    assert Backoff(lambda: 0.5, least=8).failed() == 6


def test_after_a_thousand_failures_the_bound_still_holds() -> None:
    backoff = Backoff(lambda: 1.0, most=60)
    assert [backoff.failed() for _ in range(2000)][-1] == 60


def test_a_complaint_is_said_once_again_when_it_changes_and_when_it_is_over() -> None:
    log, now = Log(), [0.0]
    complaints = Complaints(log, lambda: now[0], again=100)
    for _ in range(5):
        complaints.failed(PeerUnreachable("the line is down"), 1)
    complaints.failed(PeerUnreachable("the name is not known"), 1)
    complaints.succeeded()
    complaints.succeeded()
    assert [(level, text) for level, text, _ in log.lines] == [
        ("warning", "the line is down"),
        ("warning", "the name is not known"),
        ("info", "it works again"),
    ]


def test_a_lasting_complaint_is_repeated_at_a_bounded_rate_with_its_count() -> None:
    log, now = Log(), [0.0]
    complaints = Complaints(log, lambda: now[0], again=100)
    for second in range(0, 250, 10):
        now[0] = float(second)
        complaints.failed(PeerUnreachable("the line is down"), 1)
    assert [more.get("times") for _, _, more in log.lines] == [None, 10, 10]


def test_only_what_nobody_expected_is_logged_with_its_traceback() -> None:
    log = Log()
    complaints = Complaints(log, time.monotonic)
    complaints.failed(ZeroDivisionError("division by zero"), 1)
    complaints.failed(PeerUnreachable("the line is down"), 1)
    assert [(level, "exc_info" in more) for level, _, more in log.lines] == [("error", True), ("warning", False)]


def test_a_swap_waits_for_the_work_and_new_work_for_the_swap() -> None:
    boundary, order, let_go = Boundary(), list[str](), threading.Event()

    def work() -> None:
        with boundary.shared():
            order.append("work begins")
            let_go.wait(10)
            order.append("work ends")

    def swap() -> None:
        with boundary.alone():
            order.append("swap")

    def later() -> None:
        with boundary.shared():
            order.append("later work")

    threads = [threading.Thread(target=work)]
    threads[0].start()
    until(lambda: order)
    threads.append(threading.Thread(target=swap))
    threads[1].start()
    until(lambda: boundary.wanted)
    threads.append(threading.Thread(target=later))
    threads[2].start()
    time.sleep(0.05)
    let_go.set()
    for thread in threads:
        thread.join(10)
    assert order == ["work begins", "work ends", "swap", "later work"]


def test_two_pieces_of_work_run_at_once() -> None:
    boundary, both = Boundary(), threading.Barrier(2, timeout=10)

    def work() -> None:
        with boundary.shared():
            both.wait()

    other = threading.Thread(target=work)
    other.start()
    work()
    other.join(10)
    assert not both.broken


def test_a_swap_that_fails_lets_the_work_go_on() -> None:
    boundary = Boundary()
    with pytest.raises(KeyError), boundary.alone():
        raise KeyError
    with boundary.shared():
        assert not boundary.wanted


def test_a_loop_that_fails_goes_on_and_tells_when_it_tries_again() -> None:
    calls, told = list[float](), list[tuple[str, float]]()

    def step() -> float:
        calls.append(time.monotonic())
        if len(calls) < 4:
            raise PeerUnreachable("the line is down")
        return 3600

    backoff = Backoff(lambda: 1.0, least=0.02)
    loop = Loop("test", step, backoff=backoff, failed=lambda error, seconds: told.append((str(error), seconds)))
    loop.start()
    until(lambda: len(calls) == 4)
    assert told == [("the line is down", 0.02), ("the line is down", 0.04), ("the line is down", 0.08)]
    loop.stop()
    assert loop.join(5)
    assert [loop.alive] == [False]


def test_after_a_failure_only_what_is_urgent_ends_the_waiting() -> None:
    calls = list[float]()

    def step() -> float:
        calls.append(time.monotonic())
        if len(calls) == 1:
            raise PeerUnreachable("the line is down")
        return 3600

    loop = Loop("test", step, backoff=Backoff(lambda: 1.0, least=3600, most=3600))
    loop.start()
    until(lambda: calls)
    for _ in range(5):
        loop.ring()
        time.sleep(0.01)
    assert len(calls) == 1
    loop.ring(urgent=True)
    until(lambda: len(calls) == 2)
    loop.ring()
    until(lambda: len(calls) == 3)
    loop.stop()
    assert loop.join(5)


def test_a_peer_that_says_when_to_come_again_is_heard() -> None:
    told = list[float]()

    def step() -> float:
        raise LoginRefused("too many wrong log-ins", retry_after=17.0)

    loop = Loop("test", step, backoff=Backoff(lambda: 1.0, least=1), failed=lambda _, seconds: told.append(seconds))
    loop.start()
    until(lambda: told)
    loop.stop()
    assert loop.join(5)
    assert told == [17.0]


def test_a_step_that_hangs_is_no_sign_of_life_unless_it_said_so() -> None:
    now, let_go, began = [0.0], threading.Event(), threading.Event()

    def step() -> float:
        began.set()
        let_go.wait(10)
        return 3600

    loop = Loop("test", step, clock=lambda: now[0])
    loop.start()
    assert began.wait(5)
    now[0] = 119.0
    assert loop.alive
    now[0] = 121.0
    assert [loop.alive] == [False]
    loop.beat(400)
    now[0] = 500.0
    assert loop.alive
    let_go.set()
    loop.stop()
    assert loop.join(5)


@pytest.mark.parametrize(
    ("errors", "words"), [(0, ""), (1, "1 problem in the configuration"), (2, "2 problems in the")]
)
def test_how_it_goes_counts_what_is_wrong(errors: int, words: str) -> None:
    problems = [{"severity": "error"}] * errors + [{"severity": "warning"}]
    line = in_one_line({"site": 1, "listening": "here", "problems": problems})
    assert line.startswith(f"primary, listening on here{'; ' if words else ''}{words}")
    assert bool(words) == ("problem" in line)
