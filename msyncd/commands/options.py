"""The options that every command takes: `-c/--config FILE` before or after any command, and `--json`."""

import os
from pathlib import Path
from typing import Final

import click

DEFAULT_CONFIG: Final = Path("/etc/msyncd/msyncd.yaml")
CONFIG_VARIABLE: Final = "MSYNCD_CONFIG"
_KEY: Final = "msyncd.config"


def _note_config(ctx: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.meta[_KEY] = value  # shared by a command and its groups: the last one given holds


def config_option() -> click.Option:
    """A new `-c/--config`; each command and group has its own."""
    return click.Option(
        ["-c", "--config"],
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        expose_value=False,
        callback=_note_config,
        help=f"The configuration (default: ${CONFIG_VARIABLE}, else {DEFAULT_CONFIG}).",
    )


def config_path() -> Path:
    """The configuration that this command was told to use."""
    given: Path | None = click.get_current_context().meta.get(_KEY)
    return given or Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
"""For every command that lists something."""


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from msyncd import __version__

    click.echo(f"msyncd {__version__}")
    ctx.exit()


VERSION_OPTION: Final[click.Option] = click.Option(
    ["--version"],
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
