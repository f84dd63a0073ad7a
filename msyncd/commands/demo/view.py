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
_COLOURS: Final = dict(zip((place.short for place in PLACES), ("cyan", "green", "magenta"), strict=True))
_BESIDE_LOG: Final = 5 + len(PLACES) + 2 + 1
"""Lines that the table, the frame of the log and the last line take."""


class View:
    """Draws itself anew a few times a second, in the same thread as everything else."""

    def __init__(self, console: Console, footer: str) -> None:
        self._console = console
        self._footer = footer
        self._happened: deque[tuple[str, str]] = deque(maxlen=200)
        self._next = 0.0
        self._before: dict[int, tuple[int, ...]] = {}
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
        table = scene.table()
        picture = self._picture(table, scene.carried())
        self._before = {place.sync_id: counts for place, counts, _ in table}
        self._live.update(picture, refresh=True)

    def _picture(self, table: list[tuple[Place, tuple[int, ...], str]], carried: int) -> RenderableType:
        sites = Table(title="msyncd: who holds what", title_style="bold", expand=True, box=None, padding=(0, 1))
        sites.add_column("site", no_wrap=True)
        for heading in SHOWN:
            sites.add_column(heading, justify="right", no_wrap=True)
        sites.add_column("state", no_wrap=True, min_width=20)
        for place, counts, state in table:
            before = self._before.get(place.sync_id, counts)
            cells = [
                Text(f"{count:,}", style="bold reverse" if count != was else "")
                for count, was in zip(counts, before, strict=True)
            ]
            sites.add_row(Text(place.name, style=_COLOURS[place.short]), *cells, Text(state, style=_style(state)))
        height = max(3, self._console.height - _BESIDE_LOG + 2)
        log = Panel(self._log(height - 2), title="what happens", title_align="left", border_style="dim", height=height)
        footer = Text(
            f"{self._footer}   {carried / 1000:,.0f} kB over the lines", style="dim", no_wrap=True, overflow="ellipsis"
        )
        return Group(sites, Text(), log, footer)

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
