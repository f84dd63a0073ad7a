"""The authorisation code: a quarter of an hour for the right one, longer and longer waits for wrong ones."""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from msyncd.errors import MsyncdError
from msyncd.settings.lock import FREE_FAILURES, Lock, TooManyCodes, WrongCode, wait_after
from msyncd.settings.secrets import hash_password

CODE = hash_password("4711")


class Time:
    """A clock that the test holds."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def lock(tmp_path: Path, time: Time) -> Lock:
    return Lock(tmp_path / "state", time)


def wrong(lock: Lock, times: int) -> None:
    for _ in range(times):
        with pytest.raises(WrongCode, match="not the authorisation code"):
            lock.give(CODE, "0815", by="test")


def test_the_right_code_opens_it_for_a_quarter_of_an_hour(lock: Lock, time: Time, tmp_path: Path) -> None:
    assert lock.unlocked_until() is None
    assert lock.give(CODE, "4711", by="test") == "2026-11-23T09:15:00.000Z"
    time.passes(15 * 60 - 1)
    again = Lock(tmp_path / "state", time)
    assert again.unlocked_until() == "2026-11-23T09:15:00.000Z", "another process knows it too"
    time.passes(1)
    assert lock.unlocked_until() is None


def test_a_clock_that_is_set_back_does_not_keep_it_open(lock: Lock, time: Time) -> None:
    lock.give(CODE, "4711", by="test")
    time.passes(-3600)
    assert lock.unlocked_until() is None


def test_it_is_closed_before_its_time(lock: Lock) -> None:
    assert lock.close() is False
    lock.give(CODE, "4711", by="test")
    assert lock.close() is True
    assert lock.unlocked_until() is None


def test_five_wrong_codes_are_free_then_each_waits_longer(lock: Lock, time: Time, tmp_path: Path) -> None:
    wrong(lock, FREE_FAILURES)
    assert lock.wrong == 5
    wrong(lock, 1)
    for seconds in (10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600):
        for _ in range(3):  # nothing is looked at meanwhile, not even the right one, and nothing counts
            with pytest.raises(TooManyCodes, match="has to wait") as refused:
                Lock(tmp_path / "state", time).give(CODE, "4711", by="test")
            assert refused.value.exit_status == 75
        time.passes(seconds - 0.5)
        with pytest.raises(TooManyCodes):
            lock.give(CODE, "4711", by="test")
        time.passes(0.5)
        wrong(lock, 1)
    time.passes(3600)
    lock.give(CODE, "4711", by="test")
    assert lock.wrong == 0
    wrong(lock, FREE_FAILURES)


def test_by_a_clock_that_is_set_back_nobody_waits_longer_than_was_said(lock: Lock, time: Time) -> None:
    wrong(lock, 6)
    time.passes(-86_400)
    with pytest.raises(TooManyCodes, match="has to wait 10 s"):
        lock.give(CODE, "4711", by="test")


def test_waits_are_bounded() -> None:
    assert [wait_after(number).total_seconds() for number in (0, 5, 6, 7, 1000)] == [0, 0, 10, 20, 3600]


def test_guesses_at_the_same_time_are_not_free(lock: Lock) -> None:
    said: list[type] = []

    def guess() -> None:
        try:
            lock.give(CODE, "0815", by="test")
        except MsyncdError as error:
            said.append(type(error))

    threads = [threading.Thread(target=guess) for _ in range(10)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert said.count(WrongCode) == FREE_FAILURES + 1
    assert said.count(TooManyCodes) == 4


def test_wrong_codes_that_no_log_heard_of_are_told_once(lock: Lock, time: Time) -> None:
    for _ in range(2):
        with pytest.raises(WrongCode):
            lock.give(CODE, "0815", by="msyncd unlock", untold=True)
        time.passes(1)
    wrong(lock, 1)
    lock.give(CODE, "4711", by="test")
    assert [(one.at[11:19], one.by) for one in lock.tell()] == [
        ("09:00:00", "msyncd unlock"),
        ("09:00:01", "msyncd unlock"),
    ]
    assert lock.tell() == ()


def test_since_when_an_edit_is_held_back_is_noted_once(lock: Lock, time: Time) -> None:
    assert lock.held_since("a") is None
    assert lock.note_held("a") == "2026-11-23T09:00:00.000Z"
    time.passes(60)
    assert lock.note_held("a") == "2026-11-23T09:00:00.000Z"
    assert lock.note_held("b") == "2026-11-23T09:01:00.000Z"
    assert lock.held_since("a") is None
    lock.give(CODE, "4711", by="test")
    assert lock.held_since("b") == "2026-11-23T09:01:00.000Z"
    lock.note_held(None)
    assert lock.held_since("b") is None


def test_nothing_in_the_file_tells_the_code_and_others_cannot_read_it(lock: Lock, tmp_path: Path) -> None:
    wrong(lock, 1)
    lock.give(CODE, "4711", by="test")
    file = tmp_path / "state" / "lock.json"
    assert "4711" not in file.read_text()
    assert "0815" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["lock.json"]


def test_a_damaged_file_is_an_error_that_says_what_to_do(lock: Lock, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    for text in ("{", "[]", json.dumps({"format": 1})):
        (tmp_path / "state" / "lock.json").write_text(text)
        with pytest.raises(MsyncdError, match=r"lock.json is damaged; take it away"):
            lock.unlocked_until()
