"""`msyncd check-connection`: the way to the primary, step by step; nothing is changed at either end."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from msyncd.commands.group import Command
from msyncd.commands.options import json_option
from msyncd.commands.output import coloured, print_json
from msyncd.commands.primary import peer_of, target_of
from msyncd.commands.site import look_here, settings_here

if TYPE_CHECKING:
    from msyncd.wire.connection_check import Step


@click.command(cls=Command, examples=["msyncd check-connection"])
@json_option
def check_connection(as_json: bool) -> int:
    """Try the line, step by step.

    From here to the primary: name, TCP, TLS, log-in, versions, sync ID and stores, clock; each says what to do if it
    fails. It has no side effects, here or there, and may be run while the daemon syncs.

    Exit status: 0 if every step went well, 1 if one failed, 75 if this site's own database could not be read.
    """
    from msyncd.flow.looking import probe
    from msyncd.wire.connection_check import check_connection as run_steps

    settings = settings_here()
    target = target_of(settings, peer_of(settings, "check-connection"))
    if not as_json:
        click.echo(target.url)  # at once: a step may take its time to fail
    steps = run_steps(target, probe(look_here(settings)))
    ok = all(step.ok for step in steps)
    if as_json:
        print_json({"format": 1, "url": target.url, "ok": ok, "steps": [asdict(step) for step in steps]})
    else:
        for step in steps:
            _show(step)
    return 0 if ok else 1


def _show(step: "Step") -> None:
    state = coloured("ok" if step.ok else "failed", width=6)
    click.echo(f"{state}  {step.name:<8}  {step.detail}")
    if step.hint:
        click.echo(f"{'':18}→ {step.hint}")
