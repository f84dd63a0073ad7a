"""`msyncd users`: who may log in to the console."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from msyncd.commands.editing import document_here, edited, save, show
from msyncd.commands.group import Group
from msyncd.commands.options import config_path, json_option
from msyncd.commands.output import print_json, print_table
from msyncd.commands.site import settings_here
from msyncd.errors import MsyncdError, WrongUsage

if TYPE_CHECKING:
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
@json_option
def add(name: str, role: str | None, as_json: bool) -> int:
    """Let somebody in, or give somebody another password or role.

    The password is asked for on the terminal, or read from standard input. Only its hash is kept. A running daemon
    takes it in at once; another password ends what that person has open.

    Exit status: 0 done, also if it is held back until the authorisation code is given; 1 if the daemon does not take it
    in.
    """
    from msyncd.commands.asking import ask_new
    from msyncd.settings.secrets import hash_password

    password = ask_new("password")
    if len(password) < LEAST_CHARACTERS:
        raise WrongUsage(f"a password has at least {LEAST_CHARACTERS} characters", hint="nothing was changed")

    def change(written: list[dict[str, Any]]) -> list[dict[str, Any]]:
        known = next((one for one in written if one["name"] == name), None)
        entry = {**(known or {"name": name}), "password_hash": hash_password(password)}
        if role is not None or known is None:
            entry["role"] = role or ROLES[0]
        return [*written, entry] if known is None else [entry if one is known else one for one in written]

    return _change(change, as_json=as_json)


@users.command("remove", acts=True, examples=["msyncd users remove ben"])
@click.argument("name", metavar="NAME")
@json_option
def remove(name: str, as_json: bool) -> int:
    """Let somebody in no longer. What that person has open ends at once.

    Exit status: 0 done, also if it is held back until the authorisation code is given; 1 if there is no such user, or
    the daemon does not take it in.
    """

    def change(written: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rest = [one for one in written if one["name"] != name]
        if len(rest) == len(written):
            raise MsyncdError(f"{name} is not in console.users", hint="see `msyncd users list`")
        return rest

    return _change(change, as_json=as_json)


def _change(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], *, as_json: bool) -> int:
    """Edit the list, and say what became of it."""
    from msyncd.settings.editing import Set, Unset
    from msyncd.settings.in_force import in_force

    now = in_force(config_path())
    document, settings = document_here(now)
    users = change(_written(settings))
    edits = [Set("console.users", users) if users else Unset("console.users")]
    one = edited(now, document, edits)
    return show(one, save(one), as_json=as_json)


def _written(settings: "Settings") -> list[dict[str, Any]]:
    """The users with the keys that the YAML has, in its order: what does not change is not written anew."""
    found = []
    for at, user in enumerate(settings.console_users):
        inside = f"console.users.{at}."
        keys = [path.removeprefix(inside) for path in settings.places if path.startswith(inside)]
        found.append({key: getattr(user, key) for key in keys})
    return found
