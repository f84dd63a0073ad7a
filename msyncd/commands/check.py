"""`msyncd check`: every problem of the configuration at once, before anything runs."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import click

from msyncd.commands.group import Command
from msyncd.commands.options import config_path, json_option
from msyncd.commands.output import count, print_json
from msyncd.commands.site import plugins_from, shown
from msyncd.errors import DatabaseDamaged, Problem, TryLater, WrongUsage

if TYPE_CHECKING:
    from msyncd.settings.values import Settings

INVALID = 78


@dataclass
class Findings:
    """What came of looking. `settings` None: the files have errors. `unreachable`: why the database was not seen."""

    problems: list[Problem] = field(default_factory=list)
    settings: "Settings | None" = None
    unreachable: TryLater | None = None

    @property
    def errors(self) -> int:
        """How many of the problems must be corrected."""
        return sum(one.severity == "error" for one in self.problems)

    def sorted(self) -> list[Problem]:
        """Each problem once, by its place."""
        return sorted(dict.fromkeys(self.problems), key=lambda one: (one.file, one.line, one.column, one.message))


@click.command(cls=Command, examples=["msyncd check", "msyncd check -c config/satellite.yaml --json"])
@json_option
def check(as_json: bool) -> int:
    """Validate files, plugins, database and tables.

    Nothing is changed. Every problem is printed, one a line, as FILE:LINE:COLUMN: what is wrong; what to do. Exit
    status: 0 if there is no error (there may be warnings), 78 if there is one, 75 if the files are in order and the
    database could not be reached.
    """
    found = _look_everywhere()
    if as_json:
        _print_document(found)
    else:
        for one in found.sorted():
            click.echo(shown(one))
    if found.errors:
        if not as_json:
            rest = "; the tables are looked at when the files are in order" if found.settings is None else ""
            click.echo(f"{count(found.errors, 'error')}: see docs/configuration.md{rest}", err=True)
            if found.unreachable is not None:
                click.echo(f"the tables could not be looked at: {found.unreachable}", err=True)
        return INVALID
    if found.unreachable is not None:
        raise found.unreachable
    if not as_json and found.settings is not None:
        click.echo(_in_order(found.settings))
    return 0


def _look_everywhere() -> Findings:
    from msyncd.settings.loading import attempt

    found = Findings()
    made = attempt(config_path(), os.environ)
    found.problems += made.problems
    plugins, problems = plugins_from(made.plugins)
    found.problems += problems
    loaded = made.loaded
    if loaded is None:
        return found
    found.settings = loaded.settings
    found.problems += plugins.config_checked(None, loaded.settings)
    from msyncd.flow.checking import check_site
    from msyncd.flow.looking import look

    try:
        found.problems += check_site(look(loaded.settings, plugins))
    except TryLater as unreachable:
        found.unreachable = unreachable
    # a database that msyncd cannot sync, an address that it does not understand, or a file that has to be restored
    except (WrongUsage, DatabaseDamaged) as wrong:
        found.problems.append(_of_the_database(loaded.settings, wrong.what, wrong.hint))
    found.problems += _not_writable(loaded.settings)
    return found


def _not_writable(settings: "Settings") -> "Iterator[Problem]":
    """A warning: whoever checks need not be the user that runs msyncd."""
    from msyncd.databases.health import UNWRITABLE_HINT, file_of, unwritable

    file = file_of(settings.this_site.database)
    if file is not None:
        for one in unwritable(file):
            what = f"{one} cannot be written by this user: so nothing syncs"
            yield _of_the_database(settings, what, UNWRITABLE_HINT, "warning")


def _of_the_database(settings: "Settings", what: str, hint: str, severity: str = "error") -> Problem:
    place = settings.places.get("this_site.database")
    at = (place.file, place.line, place.column) if place else (settings.file.name, 1, 1)
    return Problem(*at, what, hint, severity)


def _print_document(found: Findings) -> None:
    settings = found.settings
    print_json(
        {
            "format": 1,
            "file": str(config_path()),
            "ok": not found.errors and found.unreachable is None,
            "stands_alone": settings.stands_alone if settings is not None else None,
            "database": None if settings is None else "unreachable" if found.unreachable else "ok",
            "problems": [asdict(one) for one in found.sorted()],
        }
    )


def _in_order(settings: "Settings") -> str:
    here, types = settings.this_site, count(len(settings.record_types), "record type")
    what = f"{settings.file.name} is in order: site {here.sync_id}, {here.name}, {types}"
    if settings.stands_alone:
        return f"{what}; it stands alone: there is nothing to sync with"
    return f"{what}, in sync with {count(len(settings.sync_with), 'site')}"
