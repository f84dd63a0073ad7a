"""Looking at a site without touching it: what status, explain, check and lists begin with. Nothing is written."""

from dataclasses import dataclass, replace
from pathlib import Path

from msyncd import __version__
from msyncd.databases import open_database
from msyncd.databases.interface import Database, Reader
from msyncd.errors import Problem
from msyncd.flow.conversation import PROTOCOL_VERSION, Hello
from msyncd.flow.facts import NO_FACTS, declared_stores, read_facts, satellite_facts, settle
from msyncd.flow.here import Clock, Here, utc_now
from msyncd.flow.ledger import meta, sites
from msyncd.flow.link import spoken_types
from msyncd.flow.types import TypeSet, resolve
from msyncd.flow.world import FlowWorld
from msyncd.model import PRIMARY, Facts
from msyncd.plugins import Plugins
from msyncd.settings.state_directory import installation_id
from msyncd.settings.values import Settings


@dataclass(frozen=True)
class Look:
    """A site as it stands. Not `installed`: `msyncd init` has not been here yet, so there is no ledger to read.

    `was_site` is the sync ID as which this database has synced, if it ever has.
    """

    here: Here
    problems: tuple[Problem, ...]
    installed: bool
    was_site: int | None = None


def look(settings: Settings, plugins: Plugins, *, clock: Clock = utc_now, database: Database | None = None) -> Look:
    """Look at a site's database. Raises DatabaseUnavailable."""
    database = database or open_database(settings.this_site.database, zero_dates=settings.zero_dates)
    types, problems = resolve(settings, database.describe())
    installed = database.installed()
    was_site = None
    with database.read() as reader:
        if installed:
            was = meta.get(reader, "sync_id")
            was_site = None if was is None else int(was)
            types = replace(types, ids=_ids(reader))
        facts = _facts(reader, settings, types, installed=installed)
    here = Here(settings, database, types, plugins, facts, known_installation(settings.state_directory), clock)
    plugins.connect(FlowWorld(lambda: here))
    return Look(here, problems, installed, was_site)


def known_installation(state_directory: Path) -> str:
    """This installation's ID if it has one; "" before its first start. It is not made here (see opening.py)."""
    return installation_id(state_directory) or ""


def _ids(reader: Reader) -> dict[str, int]:
    rows = reader.execute("SELECT name, id FROM msyncd_record_type")
    return {str(name): int(str(number)) for name, number in rows}


def _facts(reader: Reader, settings: Settings, types: TypeSet, *, installed: bool) -> Facts:
    """The facts of the ledger; before there are any, what they would be."""
    facts = read_facts(reader) if installed else NO_FACTS
    if facts.sites:
        return facts
    if not settings.is_primary:
        return satellite_facts(settings)
    return settle(settings, declared_stores(reader, settings, types), NO_FACTS, holds=lambda _store: False).facts


def probe(found: Look) -> Hello:
    """The hello of *check connection*: who this site is and what it speaks. The primary registers nothing for it."""
    here = found.here
    mine = here.settings.this_site
    with here.database.read() as reader:
        return Hello(
            PROTOCOL_VERSION,
            __version__,
            here.site,
            mine.name,
            (meta.get(reader, "database_id") or "") if found.installed else "",
            meta.generation(reader) if found.installed else 1,
            here.installation_id,
            spoken_types(here.types),
            here.facts.number,
            mine.active_stores,
            mine.copies_of,
            heard=sites.known(reader, PRIMARY).heard if found.installed else 0,
            now=here.now(),
            probe=True,
        )
