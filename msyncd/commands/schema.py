"""`msyncd schema`: what the YAML may hold, for editors that check and complete it."""

import click

from msyncd.commands.group import Command
from msyncd.commands.output import print_json


@click.command(cls=Command, examples=["msyncd schema > /etc/msyncd/msyncd.schema.json"])
def schema() -> None:
    """The JSON Schema of the YAML, for editors.

    An editor that knows the YAML language server uses it by the line
    `# yaml-language-server: $schema=msyncd.schema.json` at the top of the file.
    """
    from msyncd.settings.json_schema import json_schema

    print_json(json_schema())
