"""`--trust [TYPE=]SIDE`: which side stands where both ends hold records at their first sync (P28)."""

from typing import TYPE_CHECKING

import click

from msyncd.errors import WrongUsage

if TYPE_CHECKING:
    from msyncd.settings.values import Settings

EVERY = "*"
SIDES = ("primary", "site")

trust_option = click.option(
    "--trust",
    "trusted",
    metavar="[TYPE=]SIDE",
    multiple=True,
    help="At the first sync, where both ends hold records that differ: which stand, the primary's or this site's"
    " (SIDE is `primary` or `site`), of all record types or of one. May be repeated.",
)


def trust_of(settings: "Settings", trusted: tuple[str, ...]) -> dict[str, str]:
    """Which side stands, by record type; "*" for all. Raises WrongUsage for what is neither."""
    names = {one.name for one in settings.record_types}
    trust = {}
    for one in trusted:
        name, _, side = one.rpartition("=")
        if side not in SIDES:
            raise WrongUsage(f"--trust {one}: {side or 'nothing'} is no side", hint="it is `primary` or `site`")
        if name and name not in names:
            raise WrongUsage(f"--trust {one}: there is no record type {name}", hint="see `msyncd status`")
        trust[name or EVERY] = side
    return trust
