"""Codes and passwords: asked for on the terminal, unseen; a line of standard input each where that is none."""

import getpass
import sys
import warnings
from typing import NoReturn

import click

from msyncd.errors import WrongUsage


def ask_unseen(what: str) -> str:
    """What is typed, or the next line of standard input. Never shown, never on the command line. Raises WrongUsage."""
    given = _typed(what) if sys.stdin.isatty() else _line(what)
    if not given:
        raise WrongUsage(f"no {what} was given")
    return given


def ask_new(what: str) -> str:
    """A new one: on the terminal typed twice."""
    given = ask_unseen(f"new {what}")
    if sys.stdin.isatty() and _typed(f"new {what} again") != given:
        raise WrongUsage("the two are not the same", hint="nothing was changed; try again")
    return given


def _typed(what: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # rather than showing what is typed
        try:
            return getpass.getpass(f"{what[0].upper()}{what[1:]}: ")
        except getpass.GetPassWarning:
            _cannot_hide()
        except EOFError:
            raise click.Abort from None


def _cannot_hide() -> NoReturn:
    raise WrongUsage("this terminal would show what is typed", hint="give it on standard input")


def _line(what: str) -> str:
    try:
        return sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError:
        raise WrongUsage(f"the {what} on standard input is not UTF-8 text") from None


def by_whom(command: str) -> str:
    """Who gives it, for the log."""
    try:
        return f"{getpass.getuser()} by `msyncd {command}`"
    except (KeyError, OSError):  # a user without a name
        return f"`msyncd {command}`"
