"""The plan of an edit as commands, the daemon and the console show it: looked at with its own plugins and database."""

from contextlib import closing, nullcontext

from msyncd.daemon.assemble import load_plugins
from msyncd.databases import open_database
from msyncd.databases.interface import Database
from msyncd.errors import ConfigurationInvalid, TryLater
from msyncd.flow.here import Clock, utc_now
from msyncd.flow.looking import look
from msyncd.flow.plan import Plan
from msyncd.flow.planning import make_plan, settings_plan
from msyncd.settings.values import Settings


def plan_of(old: Settings | None, new: Settings, *, clock: Clock = utc_now, running: Database | None = None) -> Plan:
    """What taking in `new` in place of `old` (None: nothing runs yet) would change; nothing is written.

    `running` is the database that is open already; it is used if it is the one that `new` names. Where the database
    cannot be reached or a plugin does not load, the plan says so and tells what is known without them.
    """
    same = running is not None and old is not None and old.this_site.database == new.this_site.database
    try:
        plugins, _ = load_plugins(new)
        database = running if same and running is not None else open_database(new.this_site.database)
        with nullcontext(database) if database is running else closing(database):
            return make_plan(old, look(new, plugins, clock=clock, database=database))
    except ConfigurationInvalid as error:
        return settings_plan(old, new, *(str(one) for one in error.problems if one.severity == "error"))
    except TryLater as error:
        return settings_plan(old, new, f"the database was not looked at, so no records are counted: {error.what}")
