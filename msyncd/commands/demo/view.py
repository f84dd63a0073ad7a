"""The live view: who holds what, what moves, and what just happened, in a terminal of any size."""

import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from msyncd.commands.demo.country import PLACES, Place
from msyncd.commands.demo.standing import SHOWN

if TYPE_CHECKING:
    from msyncd.commands.demo.scene import Scene

_EVERY: Final = 0.25
_STANDS_OUT: Final = 1.0
_ROOM_FOR_NAMES: Final = 76
_COLOURS: Final = dict(zip((place.short for place in PLACES), ("cyan", "green", "magenta"), strict=True))
_BESIDE_LOG: Final = 5 + len(PLACES) + 2 + 1
"""Lines that the table, the frame of the log and the last line take."""


class View:
    """Draws itself anew a few times a second, in the same thread as everything else."""

    def __init__(self, console: Console, folder: str) -> None:
        self._console = console
        self._folder = folder
        self._happened: deque[tuple[str, str]] = deque(maxlen=200)
        self._next = 0.0
        self._changed: dict[tuple[int, int], tuple[int, float]] = {}
        self._live = Live(console=console, screen=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """Something happens."""
        self._happened.append((datetime.now().astimezone().strftime("%H:%M:%S"), text))

    def add(self, text: str) -> None:
        """More about it."""
        self._happened.append(("", text))

    def refresh(self, scene: "Scene") -> None:
        """Time passes."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY
        self._live.update(self._picture(scene.table(), scene.carried()), refresh=True)

    def _picture(self, table: list[tuple[Place, tuple[int, ...], str]], carried: int) -> RenderableType:
        sites = Table(
            title="msyncd: who holds what",
            title_style="bold",
            title_justify="left",
            expand=True,
            box=None,
            pad_edge=False,
            padding=(0, 1),
        )
        sites.add_column("site", no_wrap=True)
        for heading in SHOWN:
            sites.add_column(heading, justify="right", no_wrap=True)
        sites.add_column("state", no_wrap=True, min_width=20, ratio=1)
        for place, counts, state in table:
            name = place.name if self._console.width >= _ROOM_FOR_NAMES else place.short
            cells = [self._cell(place, number, count) for number, count in enumerate(counts)]
            sites.add_row(Text(name, style=_COLOURS[place.short]), *cells, Text(state, style=_style(state)))
        height = max(3, self._console.height - _BESIDE_LOG + 2)
        log = Panel(self._log(height - 2), title="what happens", title_align="left", border_style="dim", height=height)
        words = f"Ctrl-C ends it   {carried / 1000:,.0f} kB over the lines   {self._folder}"
        footer = Text(words, style="dim", no_wrap=True, overflow="ellipsis")
        return Group(sites, Text(), log, footer)

    def _cell(self, place: Place, number: int, count: int) -> Text:
        """A count; for a moment after it has changed it stands out."""
        now = time.monotonic()
        was, since = self._changed.get((place.sync_id, number), (count, 0.0))
        if count != was:
            since = now
        self._changed[place.sync_id, number] = (count, since)
        return Text(f"{count:,}", style="bold reverse" if now - since < _STANDS_OUT else "")

    def _log(self, height: int) -> Table:
        """The newest that fit, folded to the width, the newest at the bottom."""
        width = max(20, self._console.width - 4 - 9)
        lines: list[tuple[str, Text]] = []
        for moment, text in reversed(self._happened):
            said = Text(text, style="" if moment else "dim")
            folded = list(said.wrap(self._console, width if moment else width - 2))
            if len(lines) + len(folded) > height:
                break
            indent = Text("" if moment else "  ")
            lines[:0] = [(moment if not number else "", indent + line) for number, line in enumerate(folded)]
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=8, style="dim")
        grid.add_column(no_wrap=True)
        for moment, line in lines:
            grid.add_row(moment, line)
        return grid


def _style(state: str) -> str:
    """Green is in step, red is down, yellow moves. The words say it too."""
    if state == "in step":
        return "green"
    return "bold red" if state.startswith(("cut off", "no power")) else "yellow"
