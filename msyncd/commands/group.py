"""Commands and groups as msyncd has them: listed under headings, imported when called, each with an example."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import click

from msyncd.commands.ending import ended, with_pipe
from msyncd.commands.options import config_option


@dataclass(frozen=True, slots=True)
class Listed:
    """A command that is not imported yet: where it is, and its line in the list."""

    target: str
    summary: str

    def load(self) -> click.Command:
        """Import it."""
        module, _, name = self.target.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


class _WithExamples(click.Command):
    """Takes `-c/--config`, and ends its help with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(config_option())
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, as they are typed."""
        if self.examples:
            with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
                for line in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class Command(_WithExamples):
    """A command. `examples` are lines that work as they stand, given a configuration."""


class Group(_WithExamples, click.Group):
    """A command with sub-commands, such as `msyncd quarantine list`."""

    command_class = Command


class RootGroup(Group):
    """`msyncd` itself: what it lists is imported when it is called, so that it answers at once."""

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, Listed]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections
        self._listed = {name: one for section in sections.values() for name, one in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order in which they are shown."""
        return [*self._listed, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        listed = self._listed.get(cmd_name)
        return listed.load() if listed is not None else super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands under their headings; nothing is imported for it."""
        width = max(map(len, self._listed))
        for heading, commands in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), one.summary) for name, one in commands.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        return with_pipe(partial(super().invoke, ctx))

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run a command. What ends it, an expected error too, becomes an exit status (see ending.py)."""
        run = partial(super().main, *args, standalone_mode=False, **extra)
        return ended(run, standalone_mode)
