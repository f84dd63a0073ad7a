"""Dates and times as text: every usual way of writing them, taken to the canonical one. See kinds.py."""

import re
from calendar import isleap
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

LONGEST_HOURS: Final = 838
"""MariaDB's TIME goes to 838:59:59 either way; PostgreSQL's to 24:00:00."""

_MOMENT: Final = re.compile(
    r"(?P<year>\d{4,7})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[T ](?P<clock>\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?) ?(?P<zone>Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?)?(?P<bc> BC)?",
    re.IGNORECASE | re.ASCII,
)
_CLOCK: Final = re.compile(
    r"(?P<hour>\d{2,3}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?", re.ASCII
)
_ZONE: Final = re.compile(r"([+-])(\d\d):?(\d\d)?:?(\d\d)?", re.ASCII)
_ZERO: Final = re.compile(r"0000-00-00(?:[T ]00:00(?::00(?:[.,]0+)?)? ?(?:Z|[+-]00(?::?00)?)?)?", re.IGNORECASE)
_MONTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ENDLESS: Final = frozenset({"infinity", "-infinity"})


def is_zero_date(value: object) -> bool:
    """Whether a value is 4D's and MariaDB's way of saying that there is no date."""
    return isinstance(value, str) and value.startswith("0000-00-00") and _ZERO.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class _Moment:
    """A date with a time of day, `zone` None if it names none. `clock` is canonical."""

    date: str
    clock: str
    zone: timedelta | None
    bc: str

    def in_utc(self) -> "_Moment":
        """The same moment, in UTC if it names a zone."""
        if not self.zone:
            return self
        written = f"{self.date} {self.clock}"
        try:
            moved = datetime.fromisoformat(written).replace(tzinfo=timezone(self.zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError("is beyond the years 1 to 9999 with a zone other than UTC") from None
        text = f"{moved:%H:%M:%S}" + (f".{moved.microsecond:06}" if moved.microsecond else "")
        return replace(self, date=moved.date().isoformat(), clock=text, zone=timedelta())


def as_date(text: str) -> str:
    """A date; one with a time of day must stand at midnight. Raises ValueError with the reason, as all here do."""
    if is_zero_date(text):
        return "0000-00-00"
    if (endless := text.lower()) in _ENDLESS:
        return endless
    moment = _moment(text).in_utc()
    if moment.clock != "00:00:00":
        raise ValueError("has a time of day, where only a date goes")
    return moment.date + moment.bc


def as_timestamp(text: str) -> str:
    """A date and time; a zone is taken to UTC and left out."""
    return _timestamp(text, "")


def as_timestamptz(text: str) -> str:
    """A date and time in UTC; one without a zone is taken to be in UTC."""
    return _timestamp(text, "+00:00")


def as_time(text: str) -> str:
    """A time of day, or a length of time within MariaDB's bounds."""
    sign, positive = ("-", text[1:]) if text.startswith("-") else ("", text)
    clock = _clock(positive, LONGEST_HOURS)
    return sign + clock if clock != "00:00:00" else clock


def _timestamp(text: str, zone: str) -> str:
    if is_zero_date(text):
        return f"0000-00-00 00:00:00{zone}"
    if (endless := text.lower()) in _ENDLESS:
        return endless
    moment = _moment(text).in_utc()
    return f"{moment.date} {moment.clock}{zone}{moment.bc}"


def _moment(text: str) -> _Moment:
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError("is not a date")
    year, month, day = int(found["year"]), int(found["month"]), int(found["day"])
    leap = isleap(1 - year if found["bc"] else year)
    if year == 0 or not 1 <= month <= 12 or not 1 <= day <= _MONTHS[month - 1] + (month == 2 and leap):
        raise ValueError("is a date that no calendar has")
    clock = _clock(found["clock"], 23) if found["clock"] else "00:00:00"
    return _Moment(
        f"{year:04}-{found['month']}-{found['day']}",
        clock,
        _zone(found["zone"]) if found["zone"] else None,
        " BC" if found["bc"] else "",
    )


def _clock(text: str, most_hours: int) -> str:
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError("is not a time")
    hour, minute, second = found["hour"], found["minute"], found["second"] or "00"
    if int(hour) > most_hours or int(minute) > 59 or int(second) > 59:
        raise ValueError("is a time that no clock shows")
    fraction = (found["fraction"] or "").rstrip("0")
    if len(fraction) > 6:
        raise ValueError("has more digits than microseconds")
    hour = hour.lstrip("0").rjust(2, "0")
    return f"{hour}:{minute}:{second}" + (f".{fraction:0<6}" if fraction else "")


def _zone(text: str) -> timedelta:
    found = _ZONE.fullmatch(text)
    if found is None:  # Z
        return timedelta()
    sign, hours, minutes, seconds = found[1], int(found[2]), int(found[3] or 0), int(found[4] or 0)
    if hours > 15 or minutes > 59 or seconds > 59:
        raise ValueError("has a zone that the earth has not")
    ahead = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return -ahead if sign == "-" else ahead
