"""`msyncd sync`: one cycle now, by the running daemon or without it."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from msyncd.commands.group import Command
from msyncd.commands.options import json_option
from msyncd.commands.output import count, note, print_json
from msyncd.commands.primary import peer_of
from msyncd.commands.progress import Progress, progress
from msyncd.commands.running import ask_sync
from msyncd.commands.site import look_here, note_problems, open_here, settings_here
from msyncd.commands.trusting import trust_of, trust_option

if TYPE_CHECKING:
    from msyncd.settings.values import Settings


@dataclass(frozen=True, slots=True)
class Done:
    """What a cycle did, and by whom it was run."""

    sent: int
    received: int
    refused: int
    by_daemon: bool


@click.command(
    cls=Command, acts=True, examples=["msyncd sync", "msyncd sync --trust primary", "msyncd sync --trust item=primary"]
)
@trust_option
@json_option
def sync(trusted: tuple[str, ...], as_json: bool) -> int:
    """One cycle now, with progress.

    What changed here is sent, then what changed elsewhere is received. A running daemon is asked to do it; otherwise
    this command installs what it needs and does it itself, also where `interval: 0` pauses the daemon.

    Exit status: 0 when nothing is left either way; 1 if the primary refuses, if anything is in quarantine or a record
    type is stopped; 75 if the primary or the database could not be reached.
    """
    settings = settings_here()
    if settings.stands_alone:
        note("this site stands alone: there is nothing to sync with")
        return 0
    peer_of(settings, "sync")
    trust = trust_of(settings, trusted)
    with progress(quiet=as_json) as show:
        done = _by_daemon(settings, trust, show) or _by_itself(settings, trust, show)
    left = _left(settings)
    if as_json:
        print_json({"format": 1, **asdict(done), "left": left})
    else:
        _show(done, left)
    return 1 if left else 0


def _show(done: Done, left: list[str]) -> None:
    refused = f", {done.refused} refused" if done.refused else ""
    click.echo(f"sent {count(done.sent, 'change')}, received {count(done.received, 'change')}{refused}")
    for words in left:
        click.echo(f"left: {words}")
    if any("quarantine" in words for words in left):
        note("see `msyncd quarantine list`")


def _by_daemon(settings: "Settings", trust: dict[str, str], show: Progress) -> Done | None:
    """Ask a running daemon; None if there is none."""
    told = ask_sync(settings.state_directory, trust, show)
    return None if told is None else Done(told["sent"], told["received"], told["refused"], by_daemon=True)


def _by_itself(settings: "Settings", trust: dict[str, str], show: Progress) -> Done:
    """Install what is needed and run a cycle. Raises AlreadyRuns if a daemon, or another sync, is at it."""
    from msyncd.daemon.assemble import primary_client
    from msyncd.daemon.single import only_one
    from msyncd.flow.satellite import Satellite

    with only_one(settings.state_directory):
        opened = open_here(settings)
        note_problems(opened.problems)
        client = primary_client(settings)
        try:
            satellite = Satellite(opened.here, client, trust=trust)
            summary = satellite.cycle(show)
        finally:
            client.close()
    for problem in satellite.link.problems if satellite.link else ():
        note(f"the primary says: {problem}")
    return Done(summary.sent, summary.received, summary.refused, by_daemon=False)


def _left(settings: "Settings") -> list[str]:
    from msyncd.flow.status import left_over

    found = look_here(settings)
    with found.here.database.read() as reader:
        return list(left_over(reader, found.here))
