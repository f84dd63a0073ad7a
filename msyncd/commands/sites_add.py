"""`msyncd sites add`: a further site in the primary's file, and the file that is carried to its server."""

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from msyncd.commands.editing import Edited, confirm, document_here, edited, primary_here, save, show
from msyncd.commands.group import Command
from msyncd.commands.options import config_path, json_option
from msyncd.errors import MsyncdError, WrongUsage

if TYPE_CHECKING:
    from msyncd.settings.editing import Value
    from msyncd.settings.satellite_file import HandOver
    from msyncd.settings.values import Settings

EXAMPLES = (
    "msyncd sites add 4 --name Dorsi --active-stores DOR,DCL",
    "msyncd sites add 4 --write dorsi.yaml --own-password --primary-url https://central.example.org:8443",
)


@click.command(cls=Command, acts=True, examples=EXAMPLES)
@click.argument("site", metavar="N", type=int)
@click.option("--name", metavar="TEXT", help="What people call the site.")
@click.option("--active-stores", "active", metavar="CODES", help="The stores that are edited there: BUM,BUP.")
@click.option("--copies-of", "copies", metavar="CODES", help="The stores of which it keeps copies: CMS,BUM, or all.")
@click.option("--url", metavar="URL", help="Where it answers: for the console's link only.")
@click.option("--user-name", metavar="NAME", help="Its own user name, if not the one of all.")
@click.option("--own-password", is_flag=True, help="Make a password for it alone: its hash here, itself in --write.")
@click.option("--write", "target", metavar="FILE", type=click.Path(path_type=Path), help="Write its YAML there.")
@click.option("--primary-url", metavar="URL", help="With --write: where satellites reach this primary.")
@click.option("--database", metavar="URL", help="With --write: the application's database on that server.")
@click.option("--ca-certificate", metavar="FILE", help="With --write: the private authority's certificate there.")
@click.option("--yes", is_flag=True, help="Do not ask on the terminal.")
@json_option
def add(site: int, target: Path | None, yes: bool, as_json: bool, **given: Any) -> int:
    """Add a satellite to sync_with, in the primary's YAML.

    What that changes is shown as a plan. Comments, order and all other lines of the file stay. With --write the YAML of
    the new satellite is written too, ready to be carried to its server.

    Exit status: 0 done, also if it is held back until the authorisation code is given; 1 if the daemon does not take it
    in; 2 on a satellite, or for what would not be valid.
    """
    from msyncd.settings.editing import AddSite
    from msyncd.settings.secrets import hash_password

    now = primary_here(config_path(), "add the site")
    values = _values(site, given)
    password = secrets.token_urlsafe(24) if given["own_password"] else None
    if password is not None:
        if target is None:
            raise WrongUsage(
                "--own-password without --write", hint="the password stands in that file, and nowhere else"
            )
        values["password_hash"] = hash_password(password)
    hand_over = _hand_over(now.settings, given, password) if target is not None else None
    one = edited(now, document_here(now)[0], [AddSite(values)])
    confirm(one.plan.lines(), f"Add site {site}?", yes=yes or as_json)
    if target is not None and hand_over is not None:
        _write(target, one, site, hand_over)  # before the site counts: without it nobody would know the password
    try:
        saved = save(one)
    except MsyncdError:
        if target is not None:
            target.unlink(missing_ok=True)
        raise
    status = show(one, saved, as_json=as_json, written=None if target is None else str(target))
    if target is not None and not as_json:
        click.echo(_carry(one.settings, target, password is not None))
    return status


def _values(site: int, given: dict[str, Any]) -> "dict[str, Value]":
    values: dict[str, Value | None] = {
        "sync_id": site,
        "name": given["name"],
        "active_stores": _codes(given["active"]),
        "copies_of": "all" if given["copies"] == "all" else _codes(given["copies"]),
        "url": given["url"],
        "user_name": given["user_name"],
    }
    return {key: value for key, value in values.items() if value is not None}


def _codes(text: str | None) -> list[str] | None:
    return None if text is None else [one.strip() for one in text.split(",") if one.strip()]


def _hand_over(settings: "Settings", given: dict[str, Any], password: str | None) -> "HandOver":
    from msyncd.settings.addresses import site_url
    from msyncd.settings.satellite_file import HandOver
    from msyncd.settings.signing_key import made

    written = given["primary_url"]
    if written is None:
        raise WrongUsage("--write without --primary-url", hint="e.g. --primary-url https://central.example.org:8443")
    understood = site_url(written, scheme_required=True)
    if understood.url is None:
        raise WrongUsage(f"--primary-url {understood.message}", hint=understood.hint)
    database = given["database"] or settings.this_site.database
    if given["database"] is None and not database.startswith("sqlite:////"):
        raise WrongUsage("--write without --database", hint="name the application's database on that server")
    return HandOver(understood.url, database, password, given["ca_certificate"], made(settings.state_directory))


def _write(target: Path, one: Edited, site: int, hand_over: "HandOver") -> None:
    """For the one who makes it alone, since a password may stand in it; never over another file."""
    from msyncd.settings.satellite_file import satellite_file

    peer = next(peer for peer in one.settings.sync_with if peer.sync_id == site)
    text = satellite_file(one.settings, peer, hand_over)
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise WrongUsage(f"{target} is there already", hint="nothing was changed; name another file") from None
    except OSError as error:
        raise MsyncdError(f"{target} cannot be written: {error.strerror}", hint="nothing was changed") from error


def _carry(settings: "Settings", target: Path, has_password: bool) -> str:
    from msyncd.settings.satellite_file import record_type_files

    beside = [*record_type_files(settings), *(() if has_password else ("the password, as the file `password`",))]
    with_it = f", and beside it {', '.join(beside)}" if beside else ""
    return f"carry {target} to the new server as /etc/msyncd/msyncd.yaml{with_it}"
