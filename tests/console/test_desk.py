"""Looking is bounded: many open pages read once, and a long backlog is not counted all the time."""

import threading

import pytest

from msyncd.console.desk import FRESH_SECONDS, SHARE, Desk, Snapshot
from msyncd.flow.status import ConfigurationStatus, SiteStatus, Status

STATUS = Status(
    1, True, "", SiteStatus(1, "", None, 1), ConfigurationStatus("", "", False, None, None, {}, ()), (), (), ()
)


class Counting(Desk):
    """Reads are counted, and take as long as the test says."""

    def __init__(self) -> None:
        self._clock = lambda: self.now
        self._lock = threading.Lock()
        self._snapshot = None
        self.now, self.reads, self.seconds = 1000.0, 0, 0.01

    def _read(self) -> Snapshot:
        self.reads += 1
        return Snapshot(STATUS, {}, {}, (), self.seconds, self.now)


@pytest.mark.parametrize(("seconds", "fresh"), [(0.01, FRESH_SECONDS), (3.0, 3.0 * SHARE)])
def test_a_snapshot_is_kept_for_longer_the_longer_it_took(seconds: float, fresh: float) -> None:
    desk = Counting()
    desk.seconds = seconds
    for _ in range(100):
        desk.snapshot()
    desk.now += fresh - 0.1
    desk.snapshot()
    assert desk.reads == 1
    desk.now += 0.2
    desk.snapshot()
    assert desk.reads == 2


def test_after_something_was_done_it_is_read_anew() -> None:
    desk = Counting()
    desk.snapshot()
    desk.forget()
    desk.snapshot()
    assert desk.reads == 2


def test_a_clock_that_was_set_back_keeps_nothing_for_ever() -> None:
    desk = Counting()
    desk.snapshot()
    desk.now -= 3600
    desk.snapshot()
    assert desk.reads == 2
