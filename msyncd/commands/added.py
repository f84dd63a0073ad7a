"""Commands that plugins of the YAML add to `msyncd` (the hook msyncd_commands).

They are looked for only when a command is called that msyncd itself does not have: help and completion stay quick, and
no plugin, nor a configuration with errors, stands in the way of msyncd's own commands.
"""

from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from msyncd.commands.group import Group
from msyncd.commands.options import config_option
from msyncd.errors import ConfigurationInvalid
from msyncd.settings.durable import StateUnreadable

if TYPE_CHECKING:
    from msyncd.flow.here import Here
    from msyncd.plugins import Plugins
    from msyncd.settings.values import Settings


class AddedCommands(Group):
    """What plugins are given as `group`. A name that is taken already is the fault of the plugin that asks for it."""

    def __init__(self, taken: Container[str]) -> None:
        super().__init__("msyncd")
        self._taken = taken

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Take a command in. Raises ValueError if the name is taken."""
        name = name or cmd.name
        if name in self._taken or name in self.commands:
            raise ValueError(f"there is a command {name} already")
        super().add_command(cmd, name)


def _give_config(command: click.Command) -> None:
    """Each command and sub-command takes `-c/--config`, as msyncd's own do."""
    if not any("--config" in one.opts for one in command.params):
        command.params.append(config_option())
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _give_config(inner)


def added_commands(config: Path, taken: Container[str]) -> tuple[AddedCommands, list[str]]:
    """The commands of the plugins that load, and what is wrong with the others, a line each. It never raises."""
    from msyncd.commands.site import plugins_of, shown
    from msyncd.settings.in_force import in_force

    if not config.exists():
        return AddedCommands(taken), []
    try:
        settings = in_force(config).settings  # a plugin of an edit that is held back is not loaded
    except (ConfigurationInvalid, StateUnreadable):
        return AddedCommands(taken), [f"{config} has errors, so commands of plugins are not known; see `msyncd check`"]
    plugins, problems = plugins_of(settings)
    group, failed = commands_of(plugins, taken)
    connect(plugins, settings)
    return group, [*(shown(one) for one in problems if one.severity == "error"), *failed]


def commands_of(plugins: "Plugins", taken: Container[str]) -> tuple[AddedCommands, list[str]]:
    """The commands that loaded plugins add, and what failed."""
    group = AddedCommands(taken)
    failed = plugins.commands(group)
    for command in group.commands.values():
        _give_config(command)
    return group, [one.reason for one in failed]


def connect(plugins: "Plugins", settings: "Settings") -> None:
    """Lend plugins the site, as `context` has it. The database is opened when it is first asked for."""
    from msyncd.flow.looking import look
    from msyncd.flow.world import FlowWorld

    found: list[Here] = []

    def here() -> "Here":
        if not found:
            found.append(look(settings, plugins).here)
        return found[0]

    plugins.connect(FlowWorld(here))


def config_in(words: Sequence[str]) -> Path | None:
    """The FILE of a `-c` behind a command that is not known yet; the last one holds."""
    found = list(_configs(words))
    return Path(found[-1]) if found else None


def _configs(words: Sequence[str]) -> Iterator[str]:
    for at, word in enumerate(words):
        if word == "--":
            return
        if word in ("-c", "--config") and at + 1 < len(words):
            yield words[at + 1]
        elif word.startswith("--config="):
            yield word.removeprefix("--config=")
        elif word.startswith("-c") and len(word) > 2:
            yield word.removeprefix("-c")
