"""Plots as SVG, made on the server, coloured by the stylesheet. Each says itself in words too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from msyncd.console.history import DAY, Sample
from msyncd.console.words import count

HEIGHT: Final = 48
_HOUR: Final = 3600
WIDTH: Final = 480


@dataclass(frozen=True, slots=True)
class Slot:
    """What happened in one part of the time: sums of what moved, the last of what stood; None where nobody looked."""

    start: int
    sent: int = 0
    received: int = 0
    to_send: int | None = None
    quarantine: int = 0
    state: str | None = None


def slots(samples: Sequence[Sample], *, now: float, days: float, number: int) -> list[Slot]:
    """The last days in equal parts, oldest first."""
    width = days * DAY / number
    begin = now - days * DAY
    starts = [int(begin + at * width) for at in range(number)]
    made: list[Slot] = [Slot(start) for start in starts]
    before: Sample | None = None
    # a first sample well within these days is the first since the daemon's start: its counters began at 0
    first = 0 if samples and samples[0].at - begin > _HOUR else None
    for one in samples:
        at = int((one.at - begin) // width)
        if 0 <= at < number:
            slot = made[at]
            made[at] = Slot(
                slot.start,
                slot.sent + _grown(before.records_sent if before else first, one.records_sent),
                slot.received + _grown(before.records_received if before else first, one.records_received),
                one.to_send,
                one.quarantine,
                one.state,
            )
        before = one
    return made


def _grown(before: int | None, now: int) -> int:
    """By how much a counter has grown: it begins at 0 when the daemon does. None: where it stood is not known."""
    if before is None:
        return 0
    return now - before if now >= before else now


def moved(parts: Sequence[Slot], *, small: bool = False) -> Markup:
    """Bars: records that were sent, upwards from the line, and received, downwards."""
    most = max((max(one.sent, one.received) for one in parts), default=0)
    sent, received = sum(one.sent for one in parts), sum(one.received for one in parts)
    middle, step = HEIGHT / 2, WIDTH / max(1, len(parts))
    bars = [_line(middle)]
    for at, one in enumerate(parts):
        for value, kind in ((one.sent, "sent"), (one.received, "received")):
            if value and most:
                tall = max(1.5, (middle - 1) * value / most)
                top = middle - tall if kind == "sent" else middle
                bars.append(_rect(kind, at * step + step * 0.1, top, step * 0.8, tall))
    words = f"{count(sent, 'record')} sent and {count(received, 'record')} received; most at once {most:,}"
    return _svg("moved", words, bars, small=small)


def stood(parts: Sequence[Slot]) -> Markup:
    """An area: how many changes were to be sent."""
    values = [one.to_send for one in parts]
    most = max((value for value in values if value is not None), default=0)
    step = WIDTH / max(1, len(parts))
    bars = [_line(HEIGHT - 0.5)]
    for at, value in enumerate(values):
        if value and most:
            tall = max(1.5, (HEIGHT - 2) * value / most)
            bars.append(_rect("waiting", at * step, HEIGHT - tall, step * 1.02, tall))
    return _svg("stood", f"to send: most {most:,}, last {_last(values)}", bars)


def states(parts: Sequence[Slot]) -> Markup:
    """A band in the colours of the states; a gap where the daemon did not run."""
    step = WIDTH / max(1, len(parts))
    bars = [
        _rect(f"state-{one.state}", at * step, 0, step * 1.02, HEIGHT / 4)
        for at, one in enumerate(parts)
        if one.state is not None
    ]
    seen = [one.state for one in parts if one.state is not None]
    runs = [state for at, state in enumerate(seen) if at == 0 or seen[at - 1] != state]
    return _svg("states", f"state: {', then '.join(map(str, runs)) or 'not known'}", bars, height=HEIGHT / 4)


def _last(values: Sequence[int | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{known[-1]:,}" if known else "not known"


def _line(y: float) -> Markup:
    return Markup('<line class="axis" x1="0" y1="{y:.1f}" x2="{x}" y2="{y:.1f}"/>').format(y=y, x=WIDTH)


def _rect(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        kind, x, y, width, height
    )


def _svg(kind: str, words: str, parts: Sequence[Markup], *, small: bool = False, height: float = HEIGHT) -> Markup:
    return Markup(
        '<svg class="plot {kind}{small}" viewBox="0 0 {width} {height:g}" preserveAspectRatio="none" role="img"'
        ' aria-label="{words}"><title>{words}</title>{parts}</svg>'
    ).format(
        kind=kind,
        small=" small" if small else "",
        width=WIDTH,
        height=height,
        words=words,
        parts=Markup("").join(parts),
    )
