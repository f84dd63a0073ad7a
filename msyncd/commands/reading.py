"""Reading how this site stands, with or without a running daemon."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msyncd.commands.running import state_directory_of, status_of_daemon
from msyncd.commands.site import plugins_of
from msyncd.errors import ConfigurationInvalid

if TYPE_CHECKING:
    from msyncd.flow.looking import Look
    from msyncd.flow.status import Status


def status_here(config: Path) -> dict[str, Any]:
    """The status as `--json` has it. A running daemon is asked, since it knows what is in force and how its calls went.

    Raises ConfigurationInvalid if the files have errors and no daemon runs with what was in force before.
    """
    from msyncd.settings.loading import attempt

    made = attempt(config, os.environ)
    directory = made.loaded.settings.state_directory if made.loaded else state_directory_of(config)
    told = status_of_daemon(directory)
    if told is not None:
        return told
    if made.loaded is None:
        raise ConfigurationInvalid(made.problems)
    from msyncd.flow.looking import look
    from msyncd.flow.status import as_document, read_status

    plugins, problems = plugins_of(made.loaded.settings)
    found = look(made.loaded.settings, plugins)
    return as_document(read_status(found, problems=(*made.problems, *problems, *found.problems)))


def status_of(found: "Look") -> "Status":
    """How a site stands that was looked at already, by its ledger alone."""
    from msyncd.flow.status import read_status

    return read_status(found)
