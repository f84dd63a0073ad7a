"""What a satellite is told that is wrong stands in the primary's log too, where its admin looks; but not each time."""

import pytest
from structlog import get_logger
from structlog.testing import capture_logs

from msyncd.errors import CloneRefused, DatabaseUnavailable, FactsChanged, MessageInvalid, MsyncdError
from msyncd.wire.codec import JSON, encode
from msyncd.wire.told import AGAIN_SECONDS, LONGEST, MOST, Told
from tests.wire.answers import hello_of, push_of
from tests.wire.conftest import Clock, Primary
from tests.wire.raw import BASIC, Raw

PUSH = encode(push_of([("a", "b", 1.0, None)]))
CLONE = CloneRefused("another database already syncs as site 2", hint="run `msyncd sites replace 2`")
FULL = DatabaseUnavailable("store.db: database or disk is full", hint="free some space")


def failing(primary: Primary, error: MsyncdError | None) -> None:
    def fail(_name: str) -> None:
        if error is not None:
            raise error

    primary.answers.before = fail


def said(log: list[dict[str, object]]) -> list[tuple[object, ...]]:
    return [(one["log_level"], one["event"], one["site"]) for one in log]


def test_a_second_machine_with_one_sync_id_is_named_with_its_address(primary: Primary) -> None:
    failing(primary, CLONE)
    with capture_logs() as logged:
        for _ in range(3):
            answer = Raw(primary.url).post("hello", encode(hello_of(), JSON), Content_Type=JSON, Authorization=BASIC)
            assert answer.status_code == 403
    words = "hello refused: another database already syncs as site 2; run `msyncd sites replace 2`"
    assert said(logged) == [("warning", words, 2)]  # type: ignore[arg-type]  # capture_logs's own mapping
    assert logged[0]["address"] == "127.0.0.1"


def test_a_full_disk_of_the_primary_is_said_there_until_it_is_over(primary: Primary) -> None:
    raw = Raw(primary.url).log_in()
    with capture_logs() as logged:
        failing(primary, FULL)
        assert [raw.post("push", PUSH).status_code for _ in range(3)] == [503, 503, 503]
        failing(primary, None)
        assert [raw.post("push", PUSH).status_code for _ in range(2)] == [200, 200]
    assert said(logged) == [  # type: ignore[arg-type]  # capture_logs's own mapping
        ("warning", "push has to wait: store.db: database or disk is full; free some space", 2),
        ("info", "push works again", 2),
    ]


@pytest.mark.parametrize("authorization", ["Bearer forged", BASIC])
def test_who_has_not_logged_in_and_what_mends_itself_is_no_news(primary: Primary, authorization: str) -> None:
    raw = Raw(primary.url).log_in()
    failing(primary, FactsChanged("older facts", hint="say hello"))
    with capture_logs() as logged:
        assert raw.post("push", PUSH).status_code == 409
        assert raw.post("push", PUSH, Authorization=authorization).status_code == 401
    assert logged == []


def test_what_stays_wrong_is_said_again_now_and_then() -> None:
    clock = Clock()
    with capture_logs() as logged:
        told = Told(get_logger("test"), clock)
        for seconds in (0, AGAIN_SECONDS - 1, 1, 1):
            clock.now += seconds
            told.failed(2, "hello", "192.0.2.7", CLONE)
        told.failed(3, "hello", "192.0.2.8", CLONE)
        told.answered(2, "hello")
    assert [(one["log_level"], one["site"]) for one in logged] == [("warning", 2), ("warning", 2), ("warning", 3)]


def test_a_site_that_is_refused_for_ever_other_things_fills_no_disk() -> None:
    clock = Clock()
    with capture_logs() as logged:
        told = Told(get_logger("test"), clock)
        for number in range(1000):
            told.failed(2, "push", "192.0.2.7", MessageInvalid(f"{number}: a column is named twice {'x' * 100_000}"))
            told.answered(2, "push")
        assert len(logged) == MOST
        assert max(len(one["event"]) for one in logged) <= LONGEST
        told.failed(3, "push", "192.0.2.8", CLONE)
        clock.now += AGAIN_SECONDS
        told.failed(2, "push", "192.0.2.7", CLONE)
    assert [one["site"] for one in logged[MOST:]] == [3, 2]
