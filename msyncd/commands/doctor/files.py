"""The doctor looks at files: who may read and write them, and the room that is left beside them."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msyncd.commands.doctor.finding import Finding, unless
from msyncd.commands.output import size
from msyncd.databases.health import LARGE_WAL, UNWRITABLE_HINT, file_of, unwritable
from msyncd.settings.values import Secret, Settings

_OTHERS: Final = stat.S_IROTH | stat.S_IWOTH
_MAY_CHANGE: Final = stat.S_IWGRP | stat.S_IWOTH
_LITTLE: Final = 2**30
_NEXT_TO_NOTHING: Final = 100 * 2**20


def look_at_files(settings: Settings) -> Iterator[Finding]:
    """Configuration, secrets, plugins, state directory, database file, and the disks on which they are."""
    yield from _configuration(settings)
    yield from _secrets(settings)
    yield from _state_directory(settings.state_directory)
    file = file_of(settings.this_site.database)
    if file is not None:
        yield from _database(file)
    yield from _room(settings.state_directory, "the state directory")
    if file is not None:
        yield from _room(file.parent, "the database")


def _configuration(settings: Settings) -> Iterator[Finding]:
    """Whoever may change the YAML or a plugin decides what msyncd does."""
    plugins = [entry.base / entry.module for entry in settings.plugins if entry.module.endswith((".py", "/"))]
    open_to = [one for one in (*settings.files, *plugins) if _mode(one) & stat.S_IWOTH]
    for one in open_to:
        yield Finding("files", "error", f"everybody may change {one}", f"chmod o-w {one}")
    if not open_to:
        yield Finding("files", "ok", f"only their owners may change {settings.file.name} and what it names")


def _secrets(settings: Settings) -> Iterator[Finding]:
    mine = settings.this_site
    peers = [one for peer in settings.sync_with for one in (peer.password, peer.old_password)]
    logins = [mine.password, mine.old_password, *peers]
    files = dict.fromkeys(one.file for one in logins if isinstance(one, Secret) and one.file is not None)
    key = settings.listen.tls_key
    for one in [*files, *([key] if key is not None else [])]:
        if not os.access(one, os.R_OK):
            hint = "write it there, readable by the user of msyncd alone"
            yield Finding("files", "error", f"{one} cannot be read", hint)
            continue
        yield unless(
            bool(_mode(one) & _OTHERS),
            "files",
            "warning",
            f"{one} is kept from others",
            f"others may read or write {one}, which is secret",
            f"chmod 600 {one}",
        )


def _state_directory(folder: Path) -> Iterator[Finding]:
    if not folder.is_dir():
        yield Finding("files", "ok", f"the state directory {folder} is made at the first start")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        hint = "run msyncd as the service's user, or give the folder to it"
        yield Finding("files", "error", f"the state directory {folder} cannot be written", hint)
        return
    yield unless(
        bool(_mode(folder) & (_OTHERS | stat.S_IXOTH | _MAY_CHANGE)),
        "files",
        "warning",
        f"the state directory {folder} is for its user alone",
        f"others may look into or change {folder}",
        f"chmod 700 {folder}",
    )


def _database(file: Path) -> Iterator[Finding]:
    if not os.access(file, os.F_OK):
        return  # whoever opens it says so
    for one in unwritable(file):
        yield Finding("files", "error", f"{one} cannot be written", UNWRITABLE_HINT)
    wal = file.with_name(f"{file.name}-wal")
    wal_size = wal.stat().st_size if wal.exists() else 0
    yield unless(
        wal_size > LARGE_WAL,
        "database",
        "warning",
        f"{file.name} has {size(file.stat().st_size)}",
        f"{wal.name} has grown to {size(wal_size)}",
        "if it goes on growing, some program never ends a read transaction: find it, and start it again",
    )


def _room(folder: Path, what: str) -> Iterator[Finding]:
    there = next((one for one in (folder, *folder.parents) if one.is_dir()), None)
    if there is None:
        return
    free = shutil.disk_usage(there).free
    yield unless(
        free < _LITTLE,
        "disk",
        "error" if free < _NEXT_TO_NOTHING else "warning",
        f"{size(free)} are free beside {what}",
        f"only {size(free)} are free beside {what}, in {there}",
        "make room: on a full disk nothing is lost, but nothing syncs either",
    )


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0
