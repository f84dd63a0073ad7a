"""Numbers and times as people read them."""

from datetime import UTC, datetime

import pytest

from msyncd.console import words

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (None, "never"),
        ("2026-11-24T11:59:30.123Z", "just now"),
        ("2026-11-24T12:00:10Z", "just now"),  # a clock a little ahead
        ("2026-11-24T11:59:00Z", "1 minute ago"),
        ("2026-11-24T10:30:00Z", "1 hour ago"),
        ("2026-11-21T11:00:00Z", "3 days ago"),
    ],
)
def test_how_long_ago(moment: str | None, said: str) -> None:
    assert words.ago(moment, NOW) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (250_000, "250 kB"), (7.2e9, "7.2 GB")]
)
def test_sizes(value: float, said: str) -> None:
    assert words.size(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(None, "–"), (16_000, "128 kbit/s"), (250_000, "2.0 Mbit/s"), (1.25e8, "1.0 Gbit/s")]
)
def test_speeds_are_said_as_lines_are_sold(value: float | None, said: str) -> None:
    assert words.speed(value) == said


@pytest.mark.parametrize(("value", "said"), [(0.0042, "4 ms"), (2.04, "2.0 s"), (1234.0, "1,234 s")])
def test_times_taken(value: float, said: str) -> None:
    assert words.seconds(value) == said
