"""Running the demo: a temporary folder, the story in it, and nothing left behind."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click

from msyncd.commands.demo import story
from msyncd.commands.demo.business import busy
from msyncd.commands.demo.daemons import DaemonDied
from msyncd.commands.demo.lines import Lines, Silence, final_table, stand_lines
from msyncd.commands.demo.scene import Scene, Teller
from msyncd.commands.demo.stopping import StopAskedError, Stopping
from msyncd.commands.demo.verdict import Verdict, judge
from msyncd.commands.ending import INTERRUPTED
from msyncd.commands.output import print_json

LIVE_PACE = 2.5
STAND_EVERY = 10.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line."""

    once: bool
    as_json: bool
    keep: bool
    seed: int


def run_demo(wanted: Wanted) -> int:
    """The demo from its beginning to its end; the exit status."""
    stopping = Stopping()
    try:
        with stopping.on_signals(), _folder(wanted) as top:
            return _once(top, wanted, stopping) if wanted.once else _until_stopped(top, wanted, stopping)
    except StopAskedError:
        return INTERRUPTED
    except DaemonDied as died:
        click.echo(f"Error: {died}. Its log ends with:\n{died.log}", err=True)
        return died.exit_status


@contextmanager
def _folder(wanted: Wanted) -> Iterator[Path]:
    top = Path(tempfile.mkdtemp(prefix="msyncd-demo-"))
    try:
        yield top
    finally:
        if wanted.keep:
            click.echo(f"The folder is kept: {top}", err=True)
        else:
            shutil.rmtree(top, ignore_errors=True)


@contextmanager
def _scene(top: Path, teller: Teller, stopping: Stopping, wanted: Wanted, pace: float = 0.0) -> Iterator[Scene]:
    scene = Scene(top, teller, stopping, seed=wanted.seed, pace=pace)
    try:
        yield scene
    finally:
        scene.close()


def _once(top: Path, wanted: Wanted, stopping: Stopping) -> int:
    """The story as lines, and how it ended."""
    begun = time.monotonic()
    with _scene(top, Silence() if wanted.as_json else Lines(), stopping, wanted) as scene:
        story.tell(scene, story.STORY)
        verdict = judge(scene, time.monotonic() - begun)
        tails = {} if verdict.good else {daemon.place: daemon.tail() for daemon in scene.daemons.values()}
    if wanted.as_json:
        print_json(verdict.document())
    else:
        _show(verdict)
    for place, log in tails.items():
        if not log:  # it was never started
            continue
        click.echo(f"\nThe log of the {place.name} ends with:\n{log}", err=True)
    return 0 if verdict.good else 1


def _show(verdict: Verdict) -> None:
    click.echo()
    for line in (*final_table(list(verdict.compared)), "", *verdict.words()):
        click.echo(line)


def _until_stopped(top: Path, wanted: Wanted, stopping: Stopping) -> int:
    """The story, and then ordinary business until somebody stops it."""
    begun = time.monotonic()
    with _teller(top) as teller, _scene(top, teller, stopping, wanted, LIVE_PACE) as scene:
        _go_on(scene)
        stand = stand_lines(scene.table())
    for line in stand:  # the live view is gone by now
        click.echo(line)
    click.echo(f"Stopped after {time.monotonic() - begun:.0f} s. The daemons have ended.")
    return 0


def _go_on(scene: Scene) -> None:
    """Returns when somebody asks to stop."""
    with suppress(StopAskedError):
        story.tell(scene, story.STORY)
        scene.teller.say("That was the story. Now the stores go about their business until you press Ctrl-C")
        scene.pace = 0.0
        while True:
            for said in busy(scene):
                scene.teller.say(said)
            scene.pause(scene.random.uniform(0.6, 1.4))


@contextmanager
def _teller(top: Path) -> Iterator[Teller]:
    """A live view where a terminal can show it, else lines."""
    plain = not sys.stdout.isatty() or os.environ.get("TERM") in (None, "", "dumb") or os.environ.get("NO_COLOR")
    if plain:
        yield Lines(stand_every=STAND_EVERY)
        return
    from rich.console import Console

    from msyncd.commands.demo.view import View

    with View(Console(), str(top)) as view:
        yield view
