"""How a command ends: its exit status, and an expected error in one line on standard error."""

import errno
import os
import sys
from collections.abc import Callable
from typing import Any, Final

import click

from msyncd.errors import ConfigurationInvalid, MsyncdError

INTERRUPTED: Final = 130
"""As a shell shows a command that Ctrl-C ended."""
PIPE_CLOSED: Final = 141
"""As a shell shows a command whose reader went away."""


class PipeClosedError(Exception):
    """Whoever read the output is gone, as in `msyncd schema | head`."""


def with_pipe(run: Callable[[], Any]) -> Any:
    """Run a command and see its output off. Raises PipeClosedError if nobody reads it."""
    try:
        result = run()
        sys.stdout.flush()  # here, where a closed pipe is understood, and not while the interpreter ends
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be flushed goes nowhere
        raise PipeClosedError from error
    return result


def ended(run: Callable[[], Any], standalone: bool) -> int:
    """Run a command to its end; its exit status. Errors that nobody expected keep their traceback.

    Standalone, as click calls it, the process ends with the status instead.
    """
    status = _status(run)
    if standalone:
        sys.exit(status)
    return status


def _status(run: Callable[[], Any]) -> int:
    try:
        result = run()
    except MsyncdError as error:
        _tell(error)
        return error.exit_status
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(err=True)
        return INTERRUPTED
    except PipeClosedError:
        return PIPE_CLOSED
    return result if isinstance(result, int) else 0


def _tell(error: MsyncdError) -> None:
    """One line, or one for each error of a configuration."""
    if isinstance(error, ConfigurationInvalid):
        for problem in error.problems:
            if problem.severity == "error":
                click.echo(str(problem), err=True)
        click.echo("Error: the configuration is invalid; `msyncd check` tells more", err=True)
        return
    click.echo("Error: " + " ".join(str(error).split()), err=True)
