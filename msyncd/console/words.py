"""Numbers, times and states as the pages show them."""

from datetime import UTC, datetime
from typing import Final

STATES: Final = {
    "ok": "in step within the last day",
    "late": "a day without success",
    "silent": "three days without success",
    "paused": "the interval is 0",
    "refused": "the other end said no",
    "never": "these two have not met yet",
}
"""A peer's states, each with what it means."""


def parsed(moment: str) -> datetime:
    """A time of the ledger."""
    found = datetime.fromisoformat(moment)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def when(moment: str | None) -> str:
    """A time to the minute, in UTC."""
    return "–" if moment is None else f"{parsed(moment):%Y-%m-%d %H:%M} UTC"


def ago(moment: str | None, now: datetime) -> str:
    """How long ago, roughly."""
    return "never" if moment is None else age((now - parsed(moment)).total_seconds())


def age(seconds: float) -> str:
    """A length of time that has gone by, in the largest unit that fits."""
    if seconds < 60:
        return "just now"
    for name, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return f"{count(int(seconds // size), name)} ago"
    raise AssertionError("a minute is the smallest")


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 record`, `2 records`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def sentence(text: str) -> str:
    """With a capital at its beginning, and the rest as it is."""
    return text[:1].upper() + text[1:]


def number(value: int | None) -> str:
    """A number of records; a dash is not known."""
    return "–" if value is None else f"{value:,}"


def size(value: float) -> str:
    """Bytes, in a unit that leaves few digits."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("GB is the largest")


def speed(bytes_a_second: float | None) -> str:
    """A line's speed, in bits a second as lines are sold."""
    if bytes_a_second is None:
        return "–"
    bits = bytes_a_second * 8
    for unit in ("bit/s", "kbit/s", "Mbit/s", "Gbit/s"):
        if bits < 1000 or unit == "Gbit/s":
            return f"{bits:.0f} {unit}" if bits >= 10 or unit == "bit/s" else f"{bits:.1f} {unit}"
        bits /= 1000
    raise AssertionError("Gbit/s is the largest")


def seconds(value: float) -> str:
    """How long something took."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"
