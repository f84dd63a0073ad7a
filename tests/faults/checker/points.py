"""Named points between commit and reply. A daemon that is asked to ends itself there, by SIGKILL.

The nemesis writes a point's name into a file; the daemon that comes to the point renames the file and is gone. Nothing
of this is in msyncd: a function is wrapped where its caller looks it up.
"""

import importlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Literal

Where = Literal["hello", "push", "pull", "hand-over", "restored"]


@dataclass(frozen=True, slots=True)
class Point:
    """Before or after a call that did something. `function` may be of a class: `Primary.push`.

    `where`: what must go on for it to be met.
    """

    name: str
    where: Where
    module: str
    function: str
    on_satellite: bool = False
    before: bool = False


def _satellite(name: str, where: Where, module: str, function: str, *, before: bool = False) -> Point:
    return Point(name, where, f"msyncd.flow.{module}", function, on_satellite=True, before=before)


def _primary(name: str, where: Where, module: str, function: str) -> Point:
    return Point(name, where, f"msyncd.flow.{module}", function)


POINTS = (
    _primary("hello noted, not answered", "hello", "primary", "Primary.hello"),
    _primary("push applied, not committed", "push", "primary", "accept"),
    _primary("push committed, not answered", "push", "primary", "Primary.push"),
    _primary("pull read, not answered", "pull", "primary", "Primary.pull"),
    _primary("hand-over stepped, not committed", "hand-over", "advancing", "stepped"),
    _satellite("hello answered, not noted", "hello", "satellite", "hear_welcome", before=True),
    _satellite("batch noted, not sent", "push", "pushing", "_prepare"),
    _satellite("push answered, not noted", "push", "pushing", "_send"),
    _satellite("push noted", "push", "pushing", "_confirm"),
    _satellite("pull answered, not applied", "pull", "pulling", "take", before=True),
    _satellite("pull applied, not committed", "pull", "pulling", "_receive"),
    _satellite("pull committed, not told", "pull", "pulling", "take"),
    _satellite("generation noted, not told", "restored", "satellite", "Satellite._becomes_another_generation"),
    _satellite("taken back, not committed", "restored", "restoring", "_decide_type"),
)


def plant(asked: Path) -> None:
    """Let this process end at the point whose name the file `asked` holds; it is renamed to `.met` then."""
    for point in POINTS:
        holder: Any = importlib.import_module(point.module)
        *classes, name = point.function.split(".")
        for one in classes:
            holder = getattr(holder, one)
        setattr(holder, name, _ending(getattr(holder, name), point, asked))


def _ending(function: Callable[..., Any], point: Point, asked: Path) -> Callable[..., Any]:
    @wraps(function)
    def wrapped(*given: Any, **named: Any) -> Any:
        if point.before:
            _end(point, asked)
        found = function(*given, **named)
        if not point.before and found is not None and found is not False:  # else it found nothing to do
            _end(point, asked)
        return found

    return wrapped


def _end(point: Point, asked: Path) -> None:
    if asked.exists() and asked.read_text() == point.name:
        asked.rename(asked.with_suffix(".met"))
        os.kill(os.getpid(), signal.SIGKILL)
