"""The plan of an edit as commands, the daemon and the console show it: looked at with its own plugins and database."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from msyncd.daemon.assemble import load_plugins
from msyncd.databases import open_database
from msyncd.databases.interface import Database
from msyncd.errors import ConfigurationInvalid, MsyncdError
from msyncd.flow.here import Clock, Here, utc_now
from msyncd.flow.looking import look
from msyncd.flow.plan import Plan
from msyncd.flow.planning import ROUTED, make_plan, settings_plan
from msyncd.plugins import Plugins
from msyncd.rules import BUILTIN
from msyncd.settings.values import Settings


def plan_of(
    old: Settings | None,
    new: Settings,
    *,
    clock: Clock = utc_now,
    running: Here | None = None,
    held: bool = False,
) -> Plan:
    """What taking in `new` in place of `old` (None: nothing runs yet) would change; nothing is written.

    `running` is the site that runs: its database is used if `new` names the same. Beside it, and for an edit that is
    `held` back, no plugin of the edit is loaded: that is for the one who takes it in. Where the database cannot be
    reached or a plugin does not load, the plan says so and tells what is known without them.
    """
    try:
        plugins = _builtin() if held or running is not None else load_plugins(new, old)[0]
        with _database(old, new, running) as database:
            plan = make_plan(old, look(new, plugins, clock=clock, database=database))
        return replace(plan, warnings=(*plan.warnings, *_of_plugins(old, new, plan, running, held=held)))
    except ConfigurationInvalid as error:
        return settings_plan(old, new, *(str(one) for one in error.problems if one.severity == "error"))
    except MsyncdError as error:
        return settings_plan(old, new, f"the database was not looked at, so no records are counted: {error.what}")


def _builtin() -> Plugins:
    return Plugins.load((), builtin=BUILTIN)[0]


@contextmanager
def _database(old: Settings | None, new: Settings, running: Here | None) -> Iterator[Database]:
    """The one that is open already, if it is that; else opened for this alone."""
    same = old is not None and old.this_site.database == new.this_site.database and old.zero_dates == new.zero_dates
    if same and running is not None:
        yield running.database
        return
    with closing(open_database(new.this_site.database, zero_dates=new.zero_dates)) as database:
        yield database


def _of_plugins(old: Settings | None, new: Settings, plan: Plan, running: Here | None, *, held: bool) -> Iterator[str]:
    """What plugins that were not looked at may change of the numbers."""
    same = old is not None and _listed(old) == _listed(new)
    if held and not same:
        yield "the plugins are others then: what they do was not looked at"
    elif old is not None and not same and new.is_primary and not new.stands_alone:
        yield "the plugins are others then: what they route, or did, every site is filled with anew"
    elif plan.records and same and running is not None and running.plugins.routed_by_plugins:
        yield ROUTED


def _listed(settings: Settings) -> list[tuple[object, ...]]:
    """The plugins, wherever in the file they stand."""
    return [(one.module, one.settings, one.base) for one in settings.plugins]
