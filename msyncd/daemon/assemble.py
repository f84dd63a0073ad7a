"""From settings to a site that can run: plugins, database, and on a primary the server."""

import time
from collections.abc import Hashable
from secrets import token_hex

from starlette.types import ASGIApp

from msyncd.daemon.accounts import SettingsAccounts, slow_no
from msyncd.daemon.single import running_in
from msyncd.daemon.site import Doors, Site
from msyncd.databases import open_database, serves_several
from msyncd.databases.interface import Database
from msyncd.errors import ConfigurationInvalid, MsyncdError, Problem
from msyncd.flow.here import Clock, utc_now
from msyncd.flow.ledger import meta
from msyncd.flow.opening import open_site
from msyncd.flow.world import FlowWorld
from msyncd.plugins import Plugins
from msyncd.rules import BUILTIN
from msyncd.settings.secrets import read_secret
from msyncd.settings.values import Settings
from msyncd.wire.api import Observed, SyncApi
from msyncd.wire.app import build_app
from msyncd.wire.client import PrimaryClient
from msyncd.wire.login import Login
from msyncd.wire.server import Server
from msyncd.wire.tokens import Tokens

__all__ = ["Site", "assemble", "load_plugins", "may_be_one_of_several", "primary_client", "serve"]


def load_plugins(settings: Settings, old: Settings | None = None) -> tuple[Plugins, tuple[Problem, ...]]:
    """The plugins, and warnings. `old`: what is in force until now.

    Raises ConfigurationInvalid if a plugin does not load, since a site does not run without it; or if one finds an
    error in the configuration.
    """
    plugins, problems = Plugins.load(settings.plugins, builtin=BUILTIN)
    problems += plugins.config_checked(old, settings)
    if any(one.severity == "error" for one in problems):
        raise ConfigurationInvalid(tuple(problems))
    return plugins, tuple(problems)


def assemble(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    database: Database | None = None,
    plugins: Plugins | None = None,
    old: Settings | None = None,
) -> Site:
    """Open the site; `old` is what is in force until now.

    Raises ConfigurationInvalid, DatabaseUnavailable and what else `open_site` raises.
    """
    warnings: tuple[Problem, ...] = ()
    if plugins is None:
        plugins, warnings = load_plugins(settings, old)
    database = database or open_database(settings.this_site.database, zero_dates=settings.zero_dates)
    before = database.schema_version()
    opened = open_site(settings, plugins, clock=clock, database=database)
    client = None if settings.is_primary else primary_client(settings)
    site = Site(opened.here, (*warnings, *opened.problems), client, schema_version=before)
    plugins.connect(FlowWorld(lambda: site.here))
    return site


def may_be_one_of_several(settings: Settings) -> bool:
    """Whether several daemons may serve this site side by side: a primary on a database that can be shared."""
    return not settings.stands_alone and settings.is_primary and serves_several(settings.this_site.database)


def primary_client(settings: Settings) -> PrimaryClient:
    """The client that calls the primary. The password is read at each hello, so that a changed file is seen."""
    peer = settings.sync_with[0]
    secret = peer.password or settings.this_site.password
    return PrimaryClient(
        peer.url or "",
        peer.user_name or settings.this_site.user_name,
        lambda: read_secret(secret),
        ca_certificate=peer.ca_certificate,
        proxy=peer.proxy,
        allow_plain_http=settings.allow_plain_http,
    )


def token_key(database: Database) -> bytes:
    """The key that signs tokens: made once and kept in the ledger, so that every worker of the primary has the same."""
    with database.read() as reader:
        known = meta.get(reader, "token_key")
    if known is None:
        with database.write() as writer:
            known = meta.get(writer, "token_key")  # another worker may have been first
            if known is None:
                known = token_hex(32)
                meta.put(writer, "token_key", known)
    return bytes.fromhex(known)


def serve(site: Site, settings: Settings, console: ASGIApp | None = None) -> Server:
    """The primary's server on `listen`, not yet started. From now on `site.wake` wakes those who wait on it."""
    assert site.primary is not None
    doors = Doors(site.primary, site.boundary, site.traffic)
    accounts = SettingsAccounts(lambda: site.here.settings)
    login = Login(accounts, time.monotonic, slow_no, lambda: site.behind is not None)
    tokens = Tokens(token_key(site.here.database), time.time)
    api = SyncApi(
        doors, login, tokens, doors.news, counter=lambda: _counted(site), observed=lambda one: _observed(site, one)
    )
    app = build_app(api, ready=lambda: is_ready(site), rest=console)
    server = Server(
        app,
        settings.listen,
        allow_plain_http=settings.allow_plain_http,
        closing=api.close,
        beside=(lambda: len(running_in(settings.state_directory)) > 1) if may_be_one_of_several(settings) else None,
    )
    site.wake = api.wake
    return server


def _counted(site: Site) -> Hashable:
    here = site.here
    return here.database.data_version(), here.facts.number


def _observed(site: Site, one: Observed) -> None:
    if one.site is not None:
        site.traffic.crossed(one.site, sent=one.bytes_out, received=one.bytes_in)
        site.traffic.took(one.site, one.bytes_in, one.reading)


def is_ready(site: Site) -> bool:
    """Whether a satellite would be answered: the database can be read."""
    try:
        with site.here.database.read() as reader:
            return meta.get(reader, "sync_id") is not None
    except MsyncdError:
        return False
