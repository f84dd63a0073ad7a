"""What has crossed the line since the start, site by site: for the figures and the console. In memory only."""

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from typing import Final, Literal

from msyncd.model import CycleSummary

Way = Literal["sent", "received"]

BUCKETS: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Upper bounds, in seconds, by which the times of batches are counted. The aim is 2 s on the wire."""

WORTH_BYTES: Final = 16_384
"""Less than this says nothing about a line's speed: it is all latency."""

_NEWEST_WEIGHS: Final = 0.3
_KEPT: Final = 50


@dataclass(frozen=True, slots=True)
class BatchDone:
    """One batch that went over the line: `seconds` from the request to the answer, as this end saw it."""

    at: str
    way: Way
    records: int
    refused: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CycleDone:
    """One cycle of this satellite: what it moved, or why it failed."""

    at: str
    sent: int = 0
    received: int = 0
    refused: int = 0
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """All that crossed the line with one site. Bytes are those of bodies, compressed; `speed` in bytes a second.

    `seconds` are the batches' times counted by BUCKETS, each with all below it, the last for any time at all.
    """

    bytes_sent: int = 0
    bytes_received: int = 0
    records_sent: int = 0
    records_received: int = 0
    refused: int = 0
    seconds: tuple[int, ...] = (0,) * (len(BUCKETS) + 1)
    seconds_sum: float = 0.0
    speed: float | None = None
    batches: tuple[BatchDone, ...] = ()
    cycles: tuple[CycleDone, ...] = ()


@dataclass(slots=True)
class _Counted:
    bytes: dict[Way, int] = field(default_factory=lambda: {"sent": 0, "received": 0})
    records: dict[Way, int] = field(default_factory=lambda: {"sent": 0, "received": 0})
    refused: int = 0
    last_refusal: int = 0
    times: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0
    speed: float | None = None
    batches: deque[BatchDone] = field(default_factory=lambda: deque(maxlen=_KEPT))
    cycles: deque[CycleDone] = field(default_factory=lambda: deque(maxlen=_KEPT))


class Traffic:
    """Counts. From any thread; a few microseconds a batch."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sites: dict[int, _Counted] = {}

    def crossed(self, site: int, *, sent: int, received: int) -> None:
        """Bytes of one request and its answer, as this end sent and received them."""
        with self._lock:
            one = self._sites.setdefault(site, _Counted())
            one.bytes["sent"] += sent
            one.bytes["received"] += received

    def took(self, site: int, size: int, seconds: float) -> None:
        """So many bytes took so long on the line alone; small ones are not looked at."""
        if size < WORTH_BYTES or seconds <= 0:
            return
        with self._lock:
            one = self._sites.setdefault(site, _Counted())
            now = size / seconds
            one.speed = now if one.speed is None else (1 - _NEWEST_WEIGHS) * one.speed + _NEWEST_WEIGHS * now

    def batch(self, site: int, way: Way, records: int, seconds: float, refusals: Iterable[int] = ()) -> int:
        """A batch was answered. `refusals` are numbers that only grow: one that is told twice is counted once.

        How many of them were new.
        """
        with self._lock:
            one = self._sites.setdefault(site, _Counted())
            fresh = {number for number in refusals if number > one.last_refusal}
            one.last_refusal = max(fresh, default=one.last_refusal)
            one.refused += len(fresh)
            if not records and not fresh:
                return 0
            one.records[way] += records
            one.times[bisect_left(BUCKETS, seconds)] += 1
            one.seconds += seconds
            one.batches.append(BatchDone(self._now(), way, records, len(fresh), seconds))
            return len(fresh)

    def cycle(self, site: int, summary: CycleSummary | None, problem: str | None = None) -> None:
        """A cycle ended. One that fails like the one before takes its place: a line that is down fills no list."""
        done = CycleDone(self._now(), problem=problem)
        if summary is not None:
            done = CycleDone(done.at, summary.sent, summary.received, summary.refused)
        with self._lock:
            cycles = self._sites.setdefault(site, _Counted()).cycles
            if problem is not None and cycles and cycles[-1].problem == problem:
                cycles.pop()
            cycles.append(done)

    def _now(self) -> str:
        return self._clock().isoformat(timespec="seconds").replace("+00:00", "Z")

    def flows(self) -> Mapping[int, Flow]:
        """How it stands now, by sync ID."""
        with self._lock:
            return {
                site: Flow(
                    one.bytes["sent"],
                    one.bytes["received"],
                    one.records["sent"],
                    one.records["received"],
                    one.refused,
                    tuple(accumulate(one.times)),
                    one.seconds,
                    one.speed,
                    tuple(one.batches),
                    tuple(one.cycles),
                )
                for site, one in self._sites.items()
            }
