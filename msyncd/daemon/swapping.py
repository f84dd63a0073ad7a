"""Another configuration for a site that runs: checked whole, then swapped in between two batches, as one value."""

from contextlib import suppress

import structlog

from msyncd.daemon.assemble import load_plugins, primary_client
from msyncd.daemon.site import Site
from msyncd.databases import open_database
from msyncd.errors import ConfigurationInvalid, MsyncdError, Problem
from msyncd.flow.here import Here
from msyncd.flow.looking import look
from msyncd.flow.opening import Opened, open_site
from msyncd.flow.world import FlowWorld
from msyncd.plugins import Plugins
from msyncd.settings.values import Settings


def needs_another_site(old: Settings, new: Settings) -> bool:
    """Whether the edit makes another site of it: another sync ID, or nothing to sync with."""
    return old.this_site.sync_id != new.this_site.sync_id or old.stands_alone != new.stands_alone


def swap(site: Site, new: Settings) -> None:
    """Take a configuration in. Raises ConfigurationInvalid or another MsyncdError, and then nothing has changed."""
    old = site.here
    plugins, warnings = load_plugins(new, old.settings)
    moved = _opens_anew(old.settings, new)
    database = open_database(new.this_site.database, zero_dates=new.zero_dates) if moved else old.database
    try:
        found = look(new, plugins, clock=old.clock, database=database)
        before = {one.message for one in site.problems}
        _refuse_errors([one for one in found.problems if one.message not in before])
        with site.boundary.alone():
            opened = _opened(site.here, new, plugins, found.here)
            plugins.connect(FlowWorld(lambda: site.here))
            site.here = opened.here
            site.problems = (*warnings, *opened.problems)
            if site.satellite is not None and _calls_anew(old.settings, new):
                site.call(primary_client(new))
    except BaseException:
        if moved:
            database.close()
        raise
    if moved:
        old.database.close()
    _tell(old, site.here)


def _refuse_errors(problems: list[Problem]) -> None:
    if any(one.severity == "error" for one in problems):
        raise ConfigurationInvalid(tuple(problems))


def _opened(running: Here, new: Settings, plugins: Plugins, looked: Here) -> Opened:
    """The site as it is to be. If that fails halfway, triggers and tables are put back as they were."""
    try:
        return open_site(new, plugins, clock=running.clock, database=looked.database)
    except BaseException:
        if looked.database is running.database:
            # if not even this works, the database is away: what runs will say so, and try later
            with suppress(MsyncdError):
                open_site(running.settings, running.plugins, clock=running.clock, database=running.database)
        raise


def _opens_anew(old: Settings, new: Settings) -> bool:
    return (old.this_site.database, old.zero_dates) != (new.this_site.database, new.zero_dates)


def _calls_anew(old: Settings, new: Settings) -> bool:
    def how(settings: Settings) -> tuple[object, ...]:
        mine = settings.this_site
        return settings.sync_with, mine.user_name, mine.password, settings.allow_plain_http

    return how(old) != how(new)


def _tell(old: Here, now: Here) -> None:
    """Plugins are told after the swap; what one of them raises is its own affair."""
    log = structlog.get_logger("msyncd.daemon")
    told = (
        *old.plugins.stopping(),
        *now.plugins.started(),
        *now.plugins.config_changed(old.settings, now.settings),
    )
    for failed in told:
        log.warning("a plugin failed when the configuration was swapped", reason=failed.reason)
