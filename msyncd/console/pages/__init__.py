"""The pages of the console, one file each: what is shown, what may be done there, and the role that it needs."""

from msyncd.console.pages import activity, plugins, preferences, quarantine, site, sites, stores
from msyncd.console.pages.page import Page

__all__ = ["PAGES", "Page"]

PAGES: tuple[Page, ...] = (
    *sites.PAGES,
    *site.PAGES,
    *stores.PAGES,
    *quarantine.PAGES,
    *activity.PAGES,
    *plugins.PAGES,
    *preferences.PAGES,
)
"""Every page that needs a log-in."""
