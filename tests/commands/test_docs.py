"""docs/commands.md and the commands do not drift apart."""

import re
from collections.abc import Iterator

import click

from msyncd.commands import cli
from tests.commands.support import ROOT

TEXT = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
SECTIONS = {
    part[1]: part[2]
    for part in re.finditer(r"^####? `(msyncd [^`]+)`\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
}
EVERYWHERE = {"--config", "--help"}


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")


COMMANDS = dict(_commands(cli, "msyncd"))


def test_every_command_is_documented_and_nothing_else() -> None:
    assert set(SECTIONS) == set(COMMANDS)


def test_every_option_is_documented_and_nothing_else() -> None:
    for path, command in COMMANDS.items():
        has = {name for option in command.params for name in option.opts if name.startswith("--")} - EVERYWHERE
        told = set(re.findall(r"`(--[a-z-]+)", SECTIONS[path]))
        assert told == has, path


def test_every_command_has_an_example() -> None:
    for path, command in COMMANDS.items():
        if not isinstance(command, click.Group):
            blocks = re.findall(r"^```\n(.*?)^```$", SECTIONS[path], re.MULTILINE | re.DOTALL)
            assert any(f"{path}" in block for block in blocks), path


def test_every_exit_status_is_documented() -> None:
    told = set(re.findall(r"^\| ([\d, ]+) \|", TEXT, re.MULTILINE))
    assert told == {"0", "1", "2", "75", "78", "130, 141"}
