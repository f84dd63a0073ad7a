"""`msyncd doctor`: looks at everything on which syncing depends, and says what to do about it."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from msyncd.commands.group import Command
from msyncd.commands.options import config_path, json_option
from msyncd.commands.output import coloured, count, print_json

if TYPE_CHECKING:
    from msyncd.commands.doctor.finding import Finding
    from msyncd.flow.looking import Look
    from msyncd.plugins import Plugins
    from msyncd.settings.values import Settings


@click.command(cls=Command, examples=["msyncd doctor", "msyncd doctor --bundle support.tar.gz"])
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.tar.gz",
    help="Write what was found, with versions and the end of the log, for somebody who helps. No secrets are in it.",
)
@json_option
def doctor(bundle: Path | None, as_json: bool) -> int:
    """Look at everything, and say what to do.

    The configuration; who may read and change the files; room on the disks; the clock; the database's settings, its
    triggers and tables, long transactions; how syncing goes; the line to the primary or the certificate; the daemon and
    its unit. Nothing is changed.

    Exit status: 0 if there is no error (there may be warnings), 1 if there is one.
    """
    examined = _Examination()
    findings = list(examined.findings())
    errors = sum(one.state == "error" for one in findings)
    if as_json:
        print_json({"format": 1, "ok": not errors, "findings": [asdict(one) for one in findings]})
    else:
        for one in findings:
            _show(one)
        warnings = sum(one.state == "warning" for one in findings)
        click.echo(f"\n{count(errors, 'error')}, {count(warnings, 'warning')}")
    if bundle is not None:
        examined.write(bundle, findings)
        click.echo(f"{bundle} is written; look into it before you send it", err=True)
    return 1 if errors else 0


def _show(one: "Finding") -> None:
    click.echo(f"{coloured(one.state, width=8)} {one.area:<14} {one.what}")
    if one.hint:
        click.echo(f"{'':<24}→ {one.hint}")


class _Examination:
    """One look at everything. What one part cannot see does not keep the others from being looked at."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)
        self._settings: Settings | None = None
        self._plugins: Plugins | None = None
        self._look: Look | None = None
        self._status: dict[str, Any] | None = None

    def findings(self) -> "Iterator[Finding]":
        """Every finding, as it is made."""
        from msyncd.commands.doctor.files import look_at_files
        from msyncd.commands.doctor.machine import look_at_machine

        yield from self._configuration()
        if self._settings is not None and self._plugins is not None:
            yield from look_at_files(self._settings)
            yield from self._database(self._settings, self._plugins)
            yield from look_at_machine(self._settings, self._now)

    def write(self, file: Path, findings: "list[Finding]") -> None:
        """The support bundle. Raises MsyncdError."""
        from msyncd.commands.doctor.bundle import tables, write_bundle
        from msyncd.daemon.report import read_report
        from msyncd.settings.show import show

        settings = self._settings
        documents = {
            "doctor": {"format": 1, "findings": [asdict(one) for one in findings]},
            "configuration": None if settings is None else show(settings),
            "status": self._status,
            "tables": None if self._look is None else tables(self._look),
            "daemon": None if settings is None else read_report(settings.state_directory),
        }
        write_bundle(file, documents, settings, self._now)

    def _configuration(self) -> "Iterator[Finding]":
        from msyncd.commands.doctor.database import of_problem
        from msyncd.commands.doctor.finding import Finding
        from msyncd.commands.site import in_force_here, plugins_of
        from msyncd.errors import ConfigurationInvalid, MsyncdError

        try:
            now = in_force_here()
            self._settings = now.loaded.settings if now.loaded is not None else None
            problems = list(now.problems)
        except ConfigurationInvalid as invalid:
            problems = list(invalid.problems)
        except MsyncdError as error:
            yield Finding("configuration", "error", error.what, error.hint)
            return
        if self._settings is not None:
            self._plugins, failed = plugins_of(self._settings)
            problems += [*failed, *self._plugins.config_checked(None, self._settings)]
        yield from (of_problem("configuration", one) for one in problems)
        if not problems and self._settings is not None:
            yield Finding("configuration", "ok", f"{self._settings.file} is in order")

    def _database(self, settings: "Settings", plugins: "Plugins") -> "Iterator[Finding]":
        from msyncd.commands.doctor.database import look_at_database, look_at_syncing
        from msyncd.commands.doctor.finding import Finding
        from msyncd.commands.doctor.line import look_at_line
        from msyncd.commands.reading import status_here
        from msyncd.errors import MsyncdError
        from msyncd.flow.looking import look

        try:
            self._look = look(settings, plugins)
            yield from look_at_database(self._look)
            if self._look.installed:
                self._status = status_here(config_path())
                yield from look_at_syncing(self._status)
            yield from look_at_line(self._look, self._now)
        except MsyncdError as error:
            yield Finding("database", "error", error.what, error.hint)
