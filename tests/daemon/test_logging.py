"""What stands in the log, and what never does."""

import io
import json
import logging as standard
from collections.abc import Iterator

import pytest
import structlog

from msyncd.daemon import logging
from msyncd.settings.values import LogSettings


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Others log as they did."""
    root = standard.getLogger()
    before = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], level = before
    root.setLevel(level)


def lines(settings: LogSettings, environment: dict[str, str] | None = None) -> io.StringIO:
    """From now on the log stands there."""
    stream = io.StringIO()
    logging.configure(settings, stream=stream, environment=environment or {})
    return stream


def test_secrets_by_their_names_at_any_depth_and_by_their_looks() -> None:
    stream = lines(LogSettings(format="json"))
    structlog.get_logger().info(
        "GET https://sync:hunter2@central.example.org with Authorization: Bearer abcdef0123456789",
        password="hunter2",
        token_key="hunter2",
        headers={"Authorization": "Basic c3luYzpodW50ZXIy", "Host": "central"},
        users=[{"user": "sync", "secret": "hunter2"}],
    )
    text = stream.getvalue()
    assert "hunter2" not in text
    assert "abcdef0123456789" not in text
    assert "c3luYzpodW50ZXIy" not in text
    event = json.loads(text)
    assert event["headers"]["Host"] == "central"
    assert event["users"] == [{"user": "sync", "secret": logging.HIDDEN}]
    assert "central.example.org" in event["event"]


def test_a_secret_in_a_traceback() -> None:
    stream = lines(LogSettings())
    try:
        raise ValueError("postgresql://sync:hunter2@host/db cannot be reached")
    except ValueError:
        structlog.get_logger().exception("it failed")
    assert "hunter2" not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


def test_the_journal_gets_the_priority_of_each_line_and_no_time() -> None:
    stream = lines(LogSettings(), {"JOURNAL_STREAM": "8:1"})
    log = structlog.get_logger()
    log.info("all is well", site=2)
    log.warning("two\nlines")
    try:
        raise KeyError("x")
    except KeyError:
        log.exception("it failed")
    got = stream.getvalue().splitlines()
    assert got[:2] == ["<6>info    all is well site=2", "<4>warning two lines"]
    assert all(line.startswith("<3>") for line in got[2:])
    assert len(got) > 4


def test_what_is_less_important_than_the_level_is_left_out() -> None:
    stream = lines(LogSettings(level="warning"))
    log = structlog.get_logger()
    log.info("not this")
    log.warning("this", words="with spaces")
    assert stream.getvalue().rstrip().endswith('warning this words="with spaces"')
    assert len(stream.getvalue().splitlines()) == 1


def test_what_libraries_log_goes_the_same_way() -> None:
    stream = lines(LogSettings())
    standard.getLogger("uvicorn.error").warning("a request was invalid")
    assert "a request was invalid" in stream.getvalue()
    assert "library=uvicorn.error" in stream.getvalue()
