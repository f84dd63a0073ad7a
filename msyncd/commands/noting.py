"""What a command did is noted among the activities, so that the console shows who did it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from msyncd.errors import MsyncdError

PLACE = "command line"


@dataclass(slots=True)
class Ended:
    """How a command ended: its exit status, if it came so far."""

    status: Any = None


@contextmanager
def noted(ctx: click.Context) -> Iterator[Ended]:
    """A command that acts runs inside. It is noted whatever becomes of it, Ctrl-C too."""
    ended, result = Ended(), "broken off"
    try:
        yield ended
        result = f"exit status {ended.status}" if ended.status else "done"
    except MsyncdError as error:
        result = error.what
        raise
    except Exception as error:
        result = type(error).__name__
        raise
    finally:
        _note(typed(ctx), result)


def typed(ctx: click.Context) -> str:
    """The command about as it was typed. Passwords and codes are never among the arguments: they are asked for."""
    words = [ctx.command_path]
    for one in ctx.command.params:
        value = ctx.params.get(one.name or "")
        if not value or value == one.get_default(ctx):
            continue
        values = [str(part) for part in value] if isinstance(value, list | tuple) else [str(value)]
        if isinstance(one, click.Option):
            name = max(one.opts, key=len)
            words += [name] if one.is_flag else [f"{name} {part}" for part in values]
        else:
            words += values
    return " ".join(words)


def _note(did: str, result: str) -> None:
    from msyncd.commands.options import config_path
    from msyncd.console.activity import Activity, person
    from msyncd.console.book import Book
    from msyncd.settings.in_force import home_of

    directory = home_of(config_path())
    if directory.is_dir():
        Activity(Book(directory)).note(person(), PLACE, did, result)
