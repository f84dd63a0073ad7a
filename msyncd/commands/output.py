"""What commands print: a table for people, plain lines where no terminal is, JSON for programs."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click

COLOURS: Final = {
    "ok": "green",
    "late": "yellow",
    "paused": "cyan",
    "never": "yellow",
    "silent": "red",
    "refused": "red",
    "stopped": "red",
    "failing": "red",
    "failed": "red",
}
"""The colour of a state. The word is always there as well."""


def print_json(document: Any) -> None:
    """One JSON document; text in any script stays readable."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    """What JSON does not know: binary values as hexadecimal digits."""
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Sequence[str] = ()) -> None:
    """Rows under headings. On a terminal they fit its width; elsewhere no line is ever wrapped or cut."""
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(headings, cells, numbers)
        return
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    for row in [list(headings), *cells]:
        padded = [
            cell.rjust(width) if heading in numbers else cell.ljust(width)
            for heading, cell, width in zip(headings, row, widths, strict=True)
        ]
        click.echo("  ".join(padded).rstrip())


def _print_rich(headings: Sequence[str], rows: list[list[str]], numbers: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    Console().print(table)


def coloured(word: str, *, width: int = 0) -> str:
    """A state in its colour, where the terminal shows any."""
    text = word.ljust(width)
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain else click.style(text, fg=COLOURS.get(word))


def note(text: str) -> None:
    """A line about what is going on, beside the answer: on standard error."""
    click.echo(text, err=True)


def when(moment: str | None) -> str:
    """A time of the ledger for people: to the second, or a dash."""
    return "-" if moment is None else moment.split(".")[0].removesuffix("Z").removesuffix("+00:00").replace("T", " ")


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 record`, `2 records`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(bytes_: float) -> str:
    """`812 bytes`, `1.2 MB`."""
    for unit in ("bytes", "kB", "MB"):
        if bytes_ < 1000:
            return f"{bytes_:,.0f} {unit}" if unit == "bytes" else f"{bytes_:,.1f} {unit}"
        bytes_ /= 1000
    return f"{bytes_:,.1f} GB"
