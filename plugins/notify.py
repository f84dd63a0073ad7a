"""Tell people: a message by mail, chat or SMS when changes are refused, or when a site has failed for a while.

    plugins:
      - module: notify
        settings:
          urls: ["mailto://user:password@example.org"]     # see https://github.com/caronc/apprise for all kinds
          least_minutes: 60

It needs the extra `notify`. At most one message goes out in `least_minutes`; what happens in between is counted and
told in the next. A message that cannot be sent is logged, and stops nothing.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from msyncd import hookimpl
from msyncd.hookspecs import Context
from msyncd.model import CycleSummary, Refusal


class Settings(BaseModel):
    """Where messages go, and how often at most."""

    urls: tuple[str, ...] = Field(min_length=1)
    least_minutes: float = Field(60.0, ge=0)


class _Told:
    """What is still to be told, and when something was told last. Hooks come from several threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waiting: list[str] = []
        self.last: float | None = None
        self.failing = ""


_told = _Told()


@hookimpl
def msyncd_refused(refusals: Sequence[Refusal], context: Context) -> None:
    """Changes were refused, or put in quarantine: say which, and why."""
    _tell(context, [f"{one.record_type} {', '.join(map(str, one.key))}: {one.reason}" for one in refusals])


@hookimpl
def msyncd_cycle_finished(cycle: CycleSummary, context: Context) -> None:
    """On a satellite: a problem is told once, not with each cycle; what was kept back meanwhile goes along."""
    problem = cycle.problem or ""
    news = [problem] if problem and problem != _told.failing else []
    _told.failing = problem
    _tell(context, news)


def _tell(context: Context, news: list[str]) -> None:
    """Send what is new with what waited, unless a message went out just now."""
    with _told.lock:
        _told.waiting += news
        now = time.monotonic()
        soon = _told.last is not None and now - _told.last < context.settings.least_minutes * 60
        if soon or not _told.waiting:
            return
        told, _told.waiting, _told.last = _told.waiting, [], now
    threading.Thread(target=_send, args=(context, told), name="notify", daemon=True).start()


def _send(context: Context, told: list[str]) -> None:
    """In a thread of its own: a mail server may take its time, and syncing does not wait for it."""
    import apprise  # only here: it is an extra, and takes half a second

    messenger: Any = apprise.Apprise()
    for url in context.settings.urls:
        messenger.add(url)
    title = f"msyncd, site {context.site}: {len(told)} to look at"
    if not messenger.notify(title=title, body="\n".join(told[:50])):
        context.log.warning("a message could not be sent", messages=len(told))
