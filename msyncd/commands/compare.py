"""`msyncd compare`: digests per record type, here and at the primary; sends again only what differs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from msyncd.commands.group import Command
from msyncd.commands.options import json_option
from msyncd.commands.output import count, note, print_json, print_table
from msyncd.commands.primary import peer_of
from msyncd.commands.progress import Progress, progress
from msyncd.commands.running import ask_compare
from msyncd.commands.site import note_problems, open_here, settings_here
from msyncd.errors import WrongUsage

if TYPE_CHECKING:
    from msyncd.settings.values import Settings


@click.command(
    cls=Command, acts=True, examples=["msyncd compare", "msyncd compare --type item", "msyncd compare --repair"]
)
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Only this record type. May be repeated.")
@click.option("--repair", is_flag=True, help="Send again what differs, from the site whose version stands.")
@json_option
def compare(types: tuple[str, ...], *, repair: bool, as_json: bool) -> int:
    """Find, and repair, what differs from the primary.

    Both ends digest their records and exchange the digests, so that millions of equal records cost a few kilobytes.
    What is on its way between the two is no difference. With --repair each record that differs is sent again: of a
    store by the site where the store is active, all others by the primary.

    Exit status: 0 if nothing differs (any more); 1 if something does; 75 if the primary or the database could not be
    reached.
    """
    settings = settings_here()
    if settings.stands_alone:
        note("this site stands alone: there is nothing to compare with")
        return 0
    if settings.is_primary:
        raise WrongUsage("this is the primary: satellites compare with it", hint="run `msyncd compare` on a satellite")
    peer_of(settings, "compare")
    known = {one.name for one in settings.record_types}
    for name in types:
        if name not in known:
            raise WrongUsage(f"--type {name}: there is no such record type", hint="see `msyncd status`")
    with progress(quiet=as_json) as show:
        found = ask_compare(settings.state_directory, types, show, repair=repair)
        if found is None:
            found = _by_itself(settings, types, show, repair=repair)
    if as_json:
        print_json({"format": 1, "record_types": found})
    else:
        _show(found, repair=repair)
    return 1 if any(one["differences"] for one in found) else 0


def _show(found: Sequence[Mapping[str, Any]], *, repair: bool) -> None:
    rows = [(one["record_type"], f"{one['records']:,}", f"{one['differences']:,}") for one in found]
    print_table(["record type", "records", "different"], rows, numbers=["records", "different"])
    total = sum(one["differences"] for one in found)
    for one in found:
        for key in one["keys"][:10]:
            click.echo(f"{one['record_type']} {', '.join(map(str, key))}")
        if one["moving"]:
            note(f"{one['record_type']}: {count(one['moving'], 'record')} went on changing meanwhile; compare again")
    if not total:
        click.echo(f"{count(sum(one['records'] for one in found), 'record')} compared: no difference")
    elif repair:
        note(f"{count(total, 'record')} could not be repaired; see `msyncd quarantine list` at both ends")
    else:
        note("`msyncd explain TYPE KEY` tells whose version stands; `msyncd compare --repair` sends that again")


def _by_itself(
    settings: "Settings", types: Sequence[str], show: Progress, *, repair: bool
) -> Sequence[Mapping[str, Any]]:
    """Install what is needed, run a cycle, and compare. Raises AlreadyRuns if a daemon is at it."""
    from msyncd.daemon.assemble import primary_client
    from msyncd.daemon.single import only_one
    from msyncd.flow.compare.repair import compare as compared
    from msyncd.flow.compare.repair import told
    from msyncd.flow.satellite import Satellite

    with only_one(settings.state_directory):
        opened = open_here(settings)
        note_problems(opened.problems)
        client = primary_client(settings)
        try:
            satellite = Satellite(opened.here, client)
            satellite.cycle(show)
            results = []
            for found, ended in compared(satellite, satellite.cycle, only=types, repair_too=repair):
                show(found.record_type, found.records, None)
                if ended:
                    results.append(told(found))
            return results
        finally:
            client.close()
