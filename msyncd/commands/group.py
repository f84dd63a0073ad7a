"""Commands and groups as msyncd has them: listed under headings, imported when called, each with an example."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from msyncd.commands.ending import ended, with_pipe
from msyncd.commands.options import config_option, config_path


def documentation() -> Path:
    """The folder that messages call docs/: in the package as it is installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_docs"
    return installed if installed.is_dir() else package.parent / "docs"


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
    """A command. `examples` are lines that work as they stand, given a configuration.

    One that `acts`, so that something is different after it, is noted among the activities.
    """

    def __init__(self, *args: Any, acts: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.acts = acts

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        from msyncd.commands.log import logged_to_stderr  # not for a list of commands, which answers at once

        with logged_to_stderr():
            if not self.acts:
                return super().invoke(ctx)
            from msyncd.commands.noting import noted

            with noted(ctx) as ended:
                ended.status = super().invoke(ctx)
            return ended.status


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
        """The command of that name; None if it is none of msyncd's own."""
        listed = self._listed.get(cmd_name)
        return listed.load() if listed is not None else super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called: msyncd's own, else one that a plugin adds."""
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            added = self._added(args)
            if added is not None:
                return args[0], added, args[1:]
        return super().resolve_command(ctx, args)

    def _added(self, args: list[str]) -> click.Command | None:
        from msyncd.commands.added import added_commands, config_in  # only now: plugins take their time

        group, wrong = added_commands(config_in(args[1:]) or config_path(), self._listed)
        for line in wrong:
            click.echo(line, err=True)
        return group.commands.get(args[0])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands under their headings; nothing is imported for it."""
        width = max(map(len, self._listed))
        for heading, commands in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), one.summary) for name, one in commands.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, and where the pages are that messages name."""
        super().format_epilog(ctx, formatter)
        with formatter.section("What messages call docs/"):
            formatter.write(f"{'':>{formatter.current_indent}}{documentation()}\n")

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was named."""
        return with_pipe(partial(super().invoke, ctx))

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run a command. What ends it, an expected error too, becomes an exit status (see ending.py)."""
        run = partial(super().main, *args, standalone_mode=False, **extra)
        return ended(run, standalone_mode)
