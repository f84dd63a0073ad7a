"""`msyncd users`: who may log in to the console."""

from typing import TYPE_CHECKING, Any, Final

import click

from msyncd.commands.group import Group
from msyncd.commands.options import config_path, json_option
from msyncd.commands.output import note, print_json, print_table
from msyncd.commands.site import settings_here
from msyncd.errors import MsyncdError, WrongUsage

if TYPE_CHECKING:
    from msyncd.settings.editing import Document
    from msyncd.settings.values import Settings

ROLES: Final = ("look", "operate", "change")
LEAST_CHARACTERS: Final = 8


@click.group(cls=Group, examples=["msyncd users list", "msyncd users add amara --role change"])
def users() -> None:
    """Who may log in to the console.

    They stand in the configuration, under console.users: a name, the hash of a password, a role.
    """


@users.command("list", examples=["msyncd users list", "msyncd users list --json"])
@json_option
def list_(as_json: bool) -> None:
    """Name and role of each."""
    found = [{"name": one.name, "role": one.role} for one in settings_here().console_users]
    if as_json:
        print_json(found)
    elif found:
        print_table(("name", "role"), [(one["name"], one["role"]) for one in found])
    else:
        click.echo("nobody may log in to the console; see `msyncd users add`")


@users.command("add", acts=True, examples=["msyncd users add amara --role change", "msyncd users add ben"])
@click.argument("name", metavar="NAME")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    help="look: see every page (the default); operate: also sync now, retry, discard; change: also edit preferences.",
)
def add(name: str, role: str | None) -> int:
    """Let somebody in, or give somebody another password or role.

    The password is asked for on the terminal, or read from standard input. Only its hash is kept. A running daemon
    takes it in at once; another password ends what that person has open.

    Exit status: 0 if it counts now, 1 if it is held back until `msyncd unlock`.
    """
    from msyncd.commands.asking import ask_new
    from msyncd.settings.secrets import hash_password

    password = ask_new("password")
    if len(password) < LEAST_CHARACTERS:
        raise WrongUsage(f"a password has at least {LEAST_CHARACTERS} characters", hint="nothing was changed")
    document, settings = _read()
    written = _written(settings)
    known = next((one for one in written if one["name"] == name), None)
    entry = {**(known or {"name": name}), "password_hash": hash_password(password)}
    if role is not None or known is None:
        entry["role"] = role or ROLES[0]
    in_force = _save(document, [entry if one is known else one for one in written] + ([] if known else [entry]))
    click.echo(f"{name} {'has a new password' if known else 'may log in'}, with the role {entry.get('role', ROLES[0])}")
    return _told(in_force)


@users.command("remove", acts=True, examples=["msyncd users remove ben"])
@click.argument("name", metavar="NAME")
def remove(name: str) -> int:
    """Let somebody in no longer. What that person has open ends at once.

    Exit status: 0 if it counts now, 1 if there is no such user, or if it is held back until `msyncd unlock`.
    """
    document, settings = _read()
    written = _written(settings)
    rest = [one for one in written if one["name"] != name]
    if len(rest) == len(written):
        raise MsyncdError(f"{name} is not in console.users", hint="see `msyncd users list`")
    in_force = _save(document, rest)
    click.echo(f"{name} may log in no longer")
    return _told(in_force)


def _read() -> "tuple[Document, Settings]":
    from msyncd.errors import ConfigurationInvalid
    from msyncd.settings.editing import read_document

    document = read_document(config_path())
    if document.settings is None:
        raise ConfigurationInvalid(document.problems)
    return document, document.settings


def _written(settings: "Settings") -> list[dict[str, Any]]:
    """The users with the keys that the YAML has, in its order: what does not change is not written anew."""
    found = []
    for at, user in enumerate(settings.console_users):
        inside = f"console.users.{at}."
        keys = [path.removeprefix(inside) for path in settings.places if path.startswith(inside)]
        found.append({key: getattr(user, key) for key in keys})
    return found


def _save(document: "Document", written: list[dict[str, Any]]) -> bool:
    """Save them; whether they count now."""
    from msyncd.commands.running import asked
    from msyncd.settings.editing import Set, Unset, edit, save
    from msyncd.settings.in_force import home_of, in_force

    changed = save(edit(document, [Set("console.users", written) if written else Unset("console.users")]))
    told = asked(home_of(config_path()), {"do": "reload"})
    if told is not None and changed.settings is not None:
        return bool(told["digest"] == changed.settings.digest)
    return in_force(config_path()).held is None


def _told(in_force: bool) -> int:
    if in_force:
        return 0
    note("it does not count yet: an edit is held back until the authorisation code is given; see `msyncd unlock`")
    return 1
