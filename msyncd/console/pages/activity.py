"""`/activity`: who did what and when."""

from starlette.responses import Response

from msyncd.console import activity
from msyncd.console.pages.page import Page
from msyncd.console.visit import Visit


def show(visit: Visit) -> Response:
    """The newest first, narrowed by `q`, older than `before`."""
    before = visit.asked("before")
    entries = visit.desk.activity.page(int(before) if before.isdecimal() else None, visit.asked("q"))
    more = entries[-1].id if len(entries) == activity.PAGE else None
    return visit.page("activity.html", here="activity", entries=entries, q=visit.asked("q"), more=more, before=before)


PAGES = (Page("/activity", show),)
