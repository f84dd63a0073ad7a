"""`msyncd plugins`: what is loaded, and how it goes."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from msyncd.commands.group import Command
from msyncd.commands.options import json_option
from msyncd.commands.output import note, print_json, print_table
from msyncd.commands.running import plugin_figures
from msyncd.commands.site import plugins_of, settings_here, shown

if TYPE_CHECKING:
    from msyncd.plugins import PluginReport, Plugins

HEADINGS = ("plugin", "from", "hooks", "calls", "seconds", "failures")


@click.command(cls=Command, examples=["msyncd plugins", "msyncd plugins --json"])
@json_option
def plugins(as_json: bool) -> int:
    """What is loaded, from where, its hooks, time spent, failures.

    Then the commands that plugins add to `msyncd`. The built-in rules are plugins too, and are asked first. Calls, time
    and failures are those of the running daemon; without one they are not known. Exit status: 0, or 78 if a plugin that
    the YAML lists does not load.
    """
    settings = settings_here()
    loaded, problems = plugins_of(settings)
    figures = plugin_figures(settings.state_directory)
    reports = loaded.report()
    loads = {one.name for one in reports}
    reports += [_still_running(name, one) for name, one in figures.items() if name not in loads]
    added, failed = _added(loaded)
    for line in failed:
        note(line)
    if as_json:
        documents = [{**_document(one, figures.get(one.name, {})), "loads": one.name in loads} for one in reports]
        commands = sorted(added)
        print_json(
            {"format": 1, "plugins": documents, "commands": commands, "problems": [asdict(one) for one in problems]}
        )
    else:
        print_table(HEADINGS, [_row(one, figures.get(one.name)) for one in reports], numbers=HEADINGS[3:])
        for name, command in sorted(added.items()):
            click.echo(f"msyncd {name}: {command.get_short_help_str(100)}")
        for name, figure in figures.items():
            if figure.get("last_failure"):
                click.echo(f"{name}: {figure['last_failure']}")
        for problem in problems:
            click.echo(shown(problem))
    return 78 if any(one.severity == "error" for one in problems) else 0


def _still_running(name: str, figure: Mapping[str, Any]) -> "PluginReport":
    """A plugin that the daemon runs as it was loaded, while what the files say of it now does not load."""
    from msyncd.plugins import PluginReport

    told = {one: figure[one] for one in ("calls", "seconds", "failures", "last_failure", "builtin", "settings")}
    origin = f"{figure['origin']}, as it was"
    return PluginReport(name=name, origin=origin, hooks=tuple(figure["hooks"]), **told)


def _added(loaded: "Plugins") -> tuple[Mapping[str, click.Command], list[str]]:
    """The commands that plugins add, and what failed."""
    from msyncd.commands import SECTIONS
    from msyncd.commands.added import commands_of

    group, failed = commands_of(loaded, {name for section in SECTIONS.values() for name in section})
    return group.commands, failed


def _document(one: "PluginReport", figure: dict[str, object]) -> dict[str, object]:
    """A report. Its figures are null where no daemon tells them: this process has not asked the plugin anything."""
    return {
        "name": one.name,
        "origin": one.origin,
        "builtin": one.builtin,
        "hooks": list(one.hooks),
        "settings": dict(one.settings),
        **{name: figure.get(name) for name in ("calls", "seconds", "failures", "last_failure")},
    }


def _row(one: "PluginReport", figure: dict[str, object] | None) -> tuple[object, ...]:
    hooks = " ".join(hook.removeprefix("msyncd_") for hook in one.hooks)
    origin = "built in" if one.builtin else one.origin
    figures = figure or {}
    seconds = figures.get("seconds")
    return (
        one.name,
        origin,
        hooks,
        figures.get("calls", "-"),
        f"{seconds:.1f}" if isinstance(seconds, float) else "-",
        figures.get("failures", "-"),
    )
