"""What crosses the line is counted once, by site, whoever asks."""

from datetime import UTC, datetime

from msyncd.daemon.traffic import BUCKETS, WORTH_BYTES, Traffic
from msyncd.model import CycleSummary

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_bytes_and_records_are_counted_by_site_and_direction() -> None:
    traffic = Traffic(lambda: NOON)
    traffic.crossed(2, sent=10, received=3)
    traffic.crossed(2, sent=5, received=0)
    traffic.crossed(3, sent=1, received=1)
    traffic.batch(2, "sent", 20, 0.2)
    traffic.batch(2, "received", 7, 0.2)
    flows = traffic.flows()
    assert (flows[2].bytes_sent, flows[2].bytes_received, flows[3].bytes_sent) == (15, 3, 1)
    assert (flows[2].records_sent, flows[2].records_received) == (20, 7)
    assert [(one.at, one.way, one.records) for one in flows[2].batches] == [
        ("2026-11-24T12:00:00Z", "sent", 20),
        ("2026-11-24T12:00:00Z", "received", 7),
    ]


def test_a_refusal_that_is_told_twice_is_counted_once() -> None:
    traffic = Traffic()
    traffic.batch(2, "received", 5, 0.1, [4, 5])
    traffic.batch(2, "received", 5, 0.1, [4, 5, 6])
    assert traffic.flows()[2].refused == 3
    assert [one.refused for one in traffic.flows()[2].batches] == [2, 1]


def test_an_empty_answer_is_no_batch() -> None:
    traffic = Traffic()
    traffic.batch(2, "sent", 0, 0.1)
    assert traffic.flows()[2].batches == ()
    assert sum(traffic.flows()[2].seconds) == 0


def test_times_are_counted_with_all_below_them() -> None:
    traffic = Traffic()
    for seconds in (0.05, 0.1, 2.0, 500.0):
        traffic.batch(2, "sent", 1, seconds)
    flow = traffic.flows()[2]
    assert dict(zip((*BUCKETS, float("inf")), flow.seconds, strict=True)) == {
        0.1: 2,
        0.3: 2,
        1.0: 2,
        3.0: 3,
        10.0: 3,
        30.0: 3,
        100.0: 3,
        float("inf"): 4,
    }
    assert flow.seconds_sum == 502.15


def test_only_what_is_large_enough_tells_of_the_lines_speed() -> None:
    traffic = Traffic()
    traffic.took(2, WORTH_BYTES - 1, 0.001)
    traffic.took(2, WORTH_BYTES, 0.0)
    assert traffic.flows() == {}
    traffic.took(2, WORTH_BYTES, 1.0)
    assert traffic.flows()[2].speed == WORTH_BYTES
    traffic.took(2, 2 * WORTH_BYTES, 1.0)
    assert WORTH_BYTES < (traffic.flows()[2].speed or 0) < 2 * WORTH_BYTES


def test_a_line_that_is_down_fills_no_list_of_cycles() -> None:
    traffic = Traffic()
    traffic.cycle(1, CycleSummary(sent=3))
    for _ in range(100):
        traffic.cycle(1, None, "the line is down")
    traffic.cycle(1, CycleSummary(received=2))
    assert [(one.sent, one.received, one.problem) for one in traffic.flows()[1].cycles] == [
        (3, 0, None),
        (0, 0, "the line is down"),
        (0, 2, None),
    ]


def test_the_lists_are_bounded() -> None:
    traffic = Traffic()
    for number in range(1000):
        traffic.batch(2, "sent", number + 1, 0.1)
    assert len(traffic.flows()[2].batches) == 50
    assert traffic.flows()[2].batches[-1].records == 1000
