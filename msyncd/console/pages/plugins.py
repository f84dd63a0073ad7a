"""`/plugins`: what is loaded, from where, its hooks, time spent, failures."""

from starlette.responses import Response

from msyncd.console.pages.page import Page
from msyncd.console.visit import Visit


def show(visit: Visit) -> Response:
    """The plugins in the order in which they are asked, the built-in rules first."""
    reports = visit.desk.running_site().here.plugins.report()
    stopped = [one for one in visit.desk.snapshot().status.record_types if one.state != "ok"]
    log = visit.desk.snapshot().status.change_log
    return visit.page("plugins.html", here="plugins", reports=reports, stopped=stopped, log=log)


PAGES = (Page("/plugins", show),)
