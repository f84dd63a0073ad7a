"""`msyncd export`: what the other end is owed, as a file to be carried by hand."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from msyncd.commands.group import Command
from msyncd.commands.options import json_option
from msyncd.commands.output import count, note, print_json, size
from msyncd.commands.progress import progress
from msyncd.commands.site import note_problems, open_here, settings_here
from msyncd.errors import WrongUsage
from msyncd.model import PRIMARY

if TYPE_CHECKING:
    from msyncd.settings.values import Settings
    from msyncd.wire.carrying import Written

EXAMPLES = ("msyncd export /media/stick/bumban.msyncd", "msyncd export --site 2 /media/stick/for-bumban.msyncd")


@click.command(cls=Command, acts=True, examples=EXAMPLES)
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--site", metavar="N", type=int, help="On the primary: for which site.")
@click.option("--further", is_flag=True, help="Only what came after the last bundle, which has to be imported first.")
@json_option
def export(file: Path, site: int | None, further: bool, as_json: bool) -> int:
    """Write a bundle, to be carried by hand to the other end.

    It holds what that end is not known to have, and is signed. On a satellite that is all that it has changed since the
    primary's last receipt, and where it stands. On the primary, with --site, all that the site is owed from the place
    that it showed, also its first fill. A bundle that was there is replaced when the new one is whole. The daemon may
    run meanwhile.

    Exit status: 0 when it is written; 1 if the site was never heard of, or the file cannot be written; 2 for a site
    that is not in sync_with; 75 if the database could not be reached.
    """
    from msyncd.wire.carrying import export_file

    settings = settings_here()
    receiver = _receiver(settings, site)
    opened = open_here(settings)
    note_problems(opened.problems)
    with progress(quiet=as_json) as show:
        written = export_file(
            opened.here,
            file,
            site=None if receiver == PRIMARY else receiver,
            further=further,
            show=lambda done, left: show("export", done, left),
        )
    if as_json:
        print_json(_document(file, written))
    else:
        _show(settings, file, written)
    return 0


def _receiver(settings: "Settings", site: int | None) -> int:
    """For whom the bundle is. Raises WrongUsage."""
    if settings.stands_alone:
        raise WrongUsage("this site stands alone: there is nothing to sync with", hint="name the others in sync_with")
    if not settings.is_primary:
        if site not in (None, PRIMARY):
            raise WrongUsage("a satellite's bundle is for the primary", hint="leave --site out")
        return PRIMARY
    if site is None:
        raise WrongUsage("for which site?", hint="say --site N; `msyncd sites list` shows them")
    if site not in {one.sync_id for one in settings.sync_with}:
        raise WrongUsage(f"site {site} is not in sync_with", hint="see `msyncd sites list`")
    return site


def _document(file: Path, written: "Written") -> dict[str, object]:
    done = written.exported
    return {
        "format": 1,
        "file": str(file),
        "for_site": done.receiver,
        "number": done.number,
        "records": done.records,
        "bytes": written.size,
        "joined": done.joined,
        "closed": done.closed,
        "public_key": done.public_key,
    }


def _show(settings: "Settings", file: Path, written: "Written") -> None:
    done = written.exported
    name = next(one.name for one in settings.sync_with if one.sync_id == done.receiver)
    click.echo(f"{count(done.records, 'change')} in {file}, {size(written.size)}, for site {done.receiver}, {name}")
    if not done.closed:
        note("an open transaction in the database holds up what was changed since it began: the next bundle has it")
    if not done.joined:
        mine = settings.this_site.sync_id
        note("this site has not met the primary yet, so the bundle only says who it is")
        note(f"in the primary's sync_with, the entry of site {mine} needs: public_key: {done.public_key}")
