"""The demo told as plain lines: for --once, for files and pipes, and for terminals that move no cursor."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import click

from msyncd.commands.demo.compare import Compared
from msyncd.commands.demo.country import PLACES, Place
from msyncd.commands.demo.standing import SHOWN

if TYPE_CHECKING:
    from msyncd.commands.demo.scene import Scene

_NAME_WIDTH: Final = 22


class Lines:
    """One line for everything that happens; now and then, if asked, one for how each site stands."""

    def __init__(self, *, stand_every: float | None = None) -> None:
        self._every = stand_every
        self._next = time.monotonic() + (stand_every or 0)

    def say(self, text: str) -> None:
        """Something happens."""
        click.echo(text)

    def add(self, text: str) -> None:
        """More about it."""
        click.echo(f"    {text}")

    def refresh(self, scene: "Scene") -> None:
        """Time passes."""
        if self._every is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._every
        for line in stand_lines(scene.table()):
            click.echo(f"    {line}")


class Silence:
    """Nothing is shown: the result is one JSON document."""

    def say(self, text: str) -> None:
        """Not told."""

    def add(self, text: str) -> None:
        """Not told."""

    def refresh(self, scene: "Scene") -> None:
        """Not shown."""


def stand_lines(table: Iterable[tuple[Place, tuple[int, ...], str]]) -> list[str]:
    """How each site stands, in a line each."""
    return [
        f"{place.name}: "
        + ", ".join(f"{count} {what}" for count, what in zip(counts, SHOWN, strict=True))
        + f"; {state}"
        for place, counts, state in table
    ]


def final_table(compared: list[Compared]) -> list[str]:
    """For each record type and site: holds, should hold, equal. Fits 80 columns."""
    by_type: dict[str, dict[Place, Compared]] = {}
    for one in compared:
        by_type.setdefault(one.record_type, {})[one.place] = one
    lines = [
        " " * _NAME_WIDTH + "".join(f"  {place.short:<17}" for place in PLACES),
        "record type".ljust(_NAME_WIDTH) + "  holds should equal" * len(PLACES),
    ]
    unused = []
    for name, row in by_type.items():
        if not any(one.holds or one.should_hold for one in row.values()):
            unused.append(name)
            continue
        lines.append(name.ljust(_NAME_WIDTH) + "".join(_cell(row[place]) for place in PLACES))
    if unused:
        lines += ["", "Nothing was written, and nothing is held, of:", *_folded(unused)]
    return [line.rstrip() for line in lines]


def _cell(one: Compared) -> str:
    return f"  {one.holds:>5} {one.should_hold:>6} {'yes' if one.equal else 'NO':>5}"


def _folded(names: list[str], width: int = 78) -> list[str]:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) + 2 > width:
            lines.append("")
        lines[-1] += f", {name}" if lines[-1] else f"  {name}"
    return lines
