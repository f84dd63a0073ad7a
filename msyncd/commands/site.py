"""What most commands begin with: the configuration, its plugins, and the site."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msyncd.commands.options import config_path
from msyncd.commands.output import note
from msyncd.commands.running import is_running
from msyncd.errors import ConfigurationInvalid, MsyncdError, Problem

if TYPE_CHECKING:
    from msyncd.flow.looking import Look
    from msyncd.flow.opening import Opened
    from msyncd.plugins import Plugins
    from msyncd.settings import Loaded
    from msyncd.settings.in_force import InForce
    from msyncd.settings.values import PluginEntry, Settings


def in_force_here() -> "InForce":
    """What counts: the files, or what was accepted if they are locked and edited. Raises ConfigurationInvalid."""
    from msyncd.settings.in_force import in_force

    return in_force(config_path())


def loaded_here() -> "Loaded":
    """The configuration in force, with what is worth saying about it. Raises ConfigurationInvalid."""
    now = in_force_here()
    if now.loaded is None:
        raise ConfigurationInvalid(now.problems)
    return now.loaded


def settings_here() -> "Settings":
    """The configuration in force. Raises ConfigurationInvalid."""
    return loaded_here().settings


def plugins_of(settings: "Settings") -> "tuple[Plugins, list[Problem]]":
    """The plugins that load, and the problems of those that do not."""
    return plugins_from(settings.plugins)


def plugins_from(entries: "Sequence[PluginEntry]") -> "tuple[Plugins, list[Problem]]":
    """The same of entries, as a configuration with errors has them too."""
    from msyncd.plugins import Plugins
    from msyncd.rules import BUILTIN

    return Plugins.load(entries, builtin=BUILTIN)


def look_here(settings: "Settings | None" = None) -> "Look":
    """The site as it stands; nothing is changed. Raises ConfigurationInvalid, DatabaseUnavailable."""
    from msyncd.flow.looking import look

    settings = settings or settings_here()
    plugins, _ = plugins_of(settings)
    return look(settings, plugins)


def open_here(settings: "Settings") -> "Opened":
    """The site ready to act on, as the daemon opens it. Without its plugins it must not act.

    Raises ConfigurationInvalid, DatabaseUnavailable.
    """
    from msyncd.flow.opening import open_site
    from msyncd.flow.world import FlowWorld

    plugins, problems = plugins_of(settings)
    problems += plugins.config_checked(None, settings)
    if any(one.severity == "error" for one in problems):
        raise ConfigurationInvalid(tuple(problems))
    opened = open_site(settings, plugins)
    plugins.connect(FlowWorld(lambda: opened.here))
    _accept(settings)
    if opened.behind is not None:
        note(shown(opened.behind))
    return opened


def _accept(settings: "Settings") -> None:
    """What a command acts with was accepted; a running daemon sees to that itself."""
    now = in_force_here()
    if now.loaded is None or now.settings != settings or is_running(settings.state_directory):
        return
    try:
        now.accept()
    except MsyncdError as error:
        note(f"warning: {error}")


def shown(problem: Problem) -> str:
    """FILE:LINE:COLUMN: what is wrong; what to do. In one line, whatever stands in it."""
    warning = "warning: " if problem.severity == "warning" else ""
    text = f"{problem.message}; {problem.hint}" if problem.hint else problem.message
    return f"{problem.file}:{problem.line}:{problem.column}: {warning}{' '.join(text.split())}"


def note_problems(problems: tuple[Problem, ...]) -> None:
    """Problems that do not keep a command from its work."""
    for one in problems:
        note(shown(one))
