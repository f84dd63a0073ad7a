"""Opening a site: tables are looked at, capture is installed, facts are settled. `init` and `run` begin with it."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Final

import msgspec

from msyncd.databases import open_database
from msyncd.databases.interface import Database, Reader, Writer
from msyncd.databases.values import Capture, Installed, Scope
from msyncd.errors import ConfigurationInvalid, DatabaseUnavailable, MsyncdError, Problem
from msyncd.flow.advancing import Settlement, settle_facts
from msyncd.flow.facts import NO_FACTS, declared_stores, read_facts, satellite_facts, settle, write_facts
from msyncd.flow.gained import log_gained
from msyncd.flow.here import Clock, Described, Here, utc_now
from msyncd.flow.ledger import asked, fills, meta, owed, sites
from msyncd.flow.link import spoken_types
from msyncd.flow.types import TypeSet, resolve
from msyncd.flow.wishes import hear
from msyncd.model import PRIMARY, Facts
from msyncd.plugins import Plugins
from msyncd.settings import signing_key
from msyncd.settings.state_directory import INSTALLATION
from msyncd.settings.values import Place, Settings

ROUTED: Final = "routed"
"""Under this name the primary notes the fingerprint of the plugins that route, and what they route."""
SPOKEN: Final = "spoken_types"
"""Under this name the primary notes a digest of the record types as its satellites have heard them."""


@dataclass(frozen=True)
class Opened:
    """A site ready to sync, and what was noticed on the way. `behind`: the YAML's wishes were not heard, and why."""

    here: Here
    problems: tuple[Problem, ...]
    installed: Installed
    behind: Problem | None = None


def open_site(
    settings: Settings,
    plugins: Plugins,
    *,
    clock: Clock = utc_now,
    database: Database | None = None,
    edited: bool = True,
) -> Opened:
    """Install or renew capture, settle the facts (on the primary), and pay what is owed. Idempotent.

    `edited`: the files were read just now, so what they wish is heard. Raises DatabaseUnavailable, and
    ConfigurationInvalid if this database belongs to another sync ID.
    """
    database = database or open_database(settings.this_site.database, zero_dates=settings.zero_dates)
    described = Described(database.schema_version())  # before the look: what is changed meanwhile is looked at again
    types, problems = resolve(settings, database.describe())
    known = NO_FACTS
    if database.installed():
        with database.read() as reader:
            known = read_facts(reader)
            _same_site(reader, settings)
    if known.number == 0 and not known.stores:
        known = NO_FACTS if settings.this_site.sync_id == PRIMARY else satellite_facts(settings)
    captured = tuple(types.types[name] for name in types.order)
    expected = _expected(database, settings, types, known)
    installed = database.install(Capture(settings.this_site.sync_id, captured, expected))
    types = replace(types, ids=installed.ids)
    here = Here(
        settings,
        database,
        types,
        plugins,
        known,
        installation_id(settings.state_directory, settings.file),
        clock,
        signing_key.made(settings.state_directory),
        described,
    )
    with database.write() as writer:
        meta.identity(writer)
        asked.prepare(writer)
        meta.put(writer, "sync_id", str(settings.this_site.sync_id))
        behind = hear(writer, here) if edited else None
        settled = _settle(writer, here)
        here = settled.here
        _pay(writer, here)
        _route_anew(writer, here)
        _look_after_lost(writer, here, installed)
        log_gained(writer, here)
    settled.tell()
    return Opened(here, (*problems, *settled.problems), installed, behind)


def _same_site(reader: Reader, settings: Settings) -> None:
    was = meta.get(reader, "sync_id")
    if was is not None and int(was) != settings.this_site.sync_id:
        raise ConfigurationInvalid((another_site(settings, int(was)),))


def another_site(settings: Settings, was: int) -> Problem:
    """What is wrong with a database that has synced under another sync ID."""
    place = settings.places.get("this_site.sync_id") or Place(settings.file.name, 1, 1)
    what = f"this database has synced as site {was}, not {settings.this_site.sync_id}"
    hint = "correct sync_id; to start anew under another, run `msyncd remove` first"
    return Problem(place.file, place.line, place.column, what, hint)


def _expected(database: Database, settings: Settings, types: TypeSet, known: Facts) -> Facts:
    """The facts for the guard, which may stand before they are settled: till then nobody is to be refused by none."""
    if known is not NO_FACTS:
        return known
    with database.read() as reader:
        return settle(settings, declared_stores(reader, settings, types), NO_FACTS, holds=lambda _store: False).facts


def _settle(writer: Writer, here: Here) -> Settlement:
    if not here.is_primary:
        if here.facts.number == 0:
            write_facts(writer, here.facts)
            here.database.renew_guard(here.facts, writer, here.site)
        return Settlement(here)
    settled = settle_facts(writer, here)
    return replace(settled, here=_renumbered(writer, settled.here))


def _renumbered(writer: Writer, here: Here) -> Here:
    """Where record types are no longer as satellites heard them, the facts' number moves: each then says hello again.

    So also a site to which nothing else happens hears of it within a cycle.
    """
    spoken = sha256(msgspec.json.encode(spoken_types(here.types))).hexdigest()
    was = meta.get(writer, SPOKEN)
    if was == spoken:
        return here
    meta.put(writer, SPOKEN, spoken)
    if was is None:
        return here
    facts = replace(here.facts, number=here.facts.number + 1)
    meta.put(writer, "facts_number", str(facts.number))
    return replace(here, facts=facts)


def _pay(writer: Writer, here: Here) -> None:
    """Filters changed, or a record type syncs again: what was left out before is looked at again (P7)."""
    fingerprint = here.plugins.fingerprint("filter")
    for one in owed.owed(writer):
        type_id = here.types.ids.get(one.record_type)
        if type_id is None or one.because == "schema" or one.fingerprint == fingerprint:
            continue
        if not here.is_primary:
            writer.log_again(type_id, one.since, here.site, None)
        elif not one.is_in_log(writer.log_start()):
            root = here.types.root(one.record_type)
            fills.begin(writer, one.site, because=f"{one.because} changed", now=here.now(), record_type=root)
        else:
            writer.log_again(type_id, one.since, here.site, one.site)
        owed.settled(writer, one.site, one.record_type, one.because)


def _route_anew(writer: Writer, here: Here) -> None:
    """Where plugins that route have changed, every site is filled anew with what they route, or did (P7, P11)."""
    if not here.is_primary:
        return
    fingerprint, was = here.plugins.fingerprint("route"), json.loads(meta.get(writer, ROUTED) or "{}")
    if was.get("fingerprint", "") == fingerprint:
        return
    now = [name for name in here.types.order if here.plugins.routed(here.types.types[name])] if fingerprint else []
    meta.put(writer, ROUTED, json.dumps({"fingerprint": fingerprint, "types": now}))
    roots = {here.types.root(name) for name in {*now, *was.get("types", ())} if name in here.types.types}
    for site, known in sites.known_all(writer).items():
        if site != here.site and known.has_called:
            for root in sorted(roots, key=here.types.order.index):
                fills.begin(writer, site, because="plugins that route changed", now=here.now(), record_type=root)


def _look_after_lost(writer: Writer, here: Here, installed: Installed) -> None:
    """Tables that were rebuilt have lost their triggers: what was written meanwhile is found by filling anew (P5)."""
    for name in installed.lost:
        one = here.types.types[name]
        if here.is_primary:
            for site, known in sites.known_all(writer).items():
                if site != here.site and known.has_called:
                    because = f"table {one.table} was rebuilt"
                    fills.begin(writer, site, because=because, now=here.now(), record_type=here.types.root(name))
        elif one.edited_on == "active_site":
            mine = here.facts.sites[here.site].active_stores if here.site in here.facts.sites else frozenset()
            writer.log_all(here.types.ids[name], one, here.site, Scope(frozenset(mine)))
        elif one.edited_on == "any_site":
            writer.log_all(here.types.ids[name], one, here.site, Scope())
        # in the same transaction: killed before, the next start finds them lost again
        writer.execute("UPDATE msyncd_record_type SET captured = 1 WHERE name = ?", (name,))


def installation_id(state_directory: Path, configuration: Path) -> str:
    """This installation's own ID, made once; it lives outside the database, so that a copied one betrays itself.

    It is noted for which configuration it was made, so that commands find it there (settings/state_directory.py).
    """
    file = state_directory / INSTALLATION
    try:
        return str(json.loads(file.read_text())["id"])
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError) as error:
        raise DatabaseUnavailable(f"{file} cannot be read: {error}", hint="restore it, or its rights") from error
    made = token_hex(16)
    temporary = file.with_suffix(f".{made}.new")  # not by the process's number: a killed one may have left its own
    try:
        state_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with temporary.open("x") as out:
            json.dump({"id": made, "configuration": str(configuration)}, out)
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(temporary, file)
        except FileExistsError:  # another process was first: its ID stands
            return installation_id(state_directory, configuration)
    except OSError as error:
        raise MsyncdError(
            f"the state directory {state_directory} cannot be written: {error}", hint="create it for this user"
        ) from error
    finally:
        with suppress(OSError):  # a folder that cannot be there has nothing to take away
            temporary.unlink()
    return made
