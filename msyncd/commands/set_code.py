"""`msyncd set-code`: the lock gets a code, or another one."""

from pathlib import Path

import click

from msyncd.commands.asking import ask_new, ask_unseen, by_whom
from msyncd.commands.group import Command
from msyncd.commands.locking import close, give_code, locked_here, reload_by_daemon, take_in
from msyncd.commands.options import config_path
from msyncd.errors import MsyncdError


@click.command("set-code", cls=Command, acts=True, examples=["msyncd set-code"])
def set_code() -> None:
    """Set the authorisation code.

    Its hash is written into the YAML as authorisation.code_hash; the code itself is kept nowhere. From then on an edit
    is held back until `msyncd unlock`. If a code is set already, that is asked for first. Codes are asked for on the
    terminal, unseen; where that is none, each is a line of standard input: the present one if there is one, then the
    new one.

    Exit status: 0 done; 1 the present code is wrong, or the file cannot be written; 75 wait, after too many wrong ones.
    """
    from msyncd.settings.editing import Set, edit, read_document, save
    from msyncd.settings.secrets import hash_password

    path = config_path()
    present = locked_here(path)
    if present is not None:
        give_code(present, ask_unseen("present authorisation code"), by=by_whom("set-code"))
    code_hash = hash_password(ask_new("authorisation code"))
    save(edit(read_document(path), [Set("authorisation.code_hash", code_hash)]))
    _taken_in(path)
    locked = locked_here(path)
    if locked is None or locked.code_hash != code_hash:
        raise MsyncdError("the file has the new code, but it was not taken in", hint="see `msyncd status`")
    close(locked, by=by_whom("set-code"))
    click.echo(f"the code is set; {path} is locked")


def _taken_in(path: Path) -> None:
    from msyncd.settings.in_force import home_of

    told = reload_by_daemon(home_of(path))
    if told is None:
        take_in(path)
