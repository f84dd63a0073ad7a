"""The support bundle: what somebody who helps from afar needs to see, and nothing secret."""

import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msyncd.commands.doctor.machine import UNIT
from msyncd.errors import MsyncdError, WrongUsage
from msyncd.settings.secrets import SecretUnavailable, read_secret
from msyncd.settings.values import Secret, Settings

if TYPE_CHECKING:
    from msyncd.flow.looking import Look

_HIDDEN: Final = "(not shown)"
_SHORTEST: Final = 4
"""Shorter secrets are not looked for: they would stand in half of all words."""
_LOG_LINES: Final = "2000"


def write_bundle(file: Path, documents: Mapping[str, Any], settings: Settings | None, now: datetime) -> None:
    """Write a .tar.gz for its owner alone; each document becomes a JSON file. Raises MsyncdError.

    Secrets that the configuration names are taken out wherever they stand. Nothing of the application's records is in
    it but what error messages quote.
    """
    texts = {f"{name}.json": json.dumps(one, ensure_ascii=False, indent=1) for name, one in documents.items()}
    texts["versions.txt"] = versions()
    texts["log.txt"] = _journal()
    hidden = sorted(_secrets(settings), key=len, reverse=True) if settings is not None else []
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as target, tarfile.open(fileobj=target, mode="w:gz") as bundle:
            for name, text in texts.items():
                for secret in hidden:
                    text = text.replace(secret, _HIDDEN)
                content = text.encode("utf-8", "replace")
                entry = tarfile.TarInfo(f"msyncd-support/{name}")
                entry.size, entry.mtime, entry.mode = len(content), int(now.timestamp()), 0o600
                bundle.addfile(entry, io.BytesIO(content))
    except FileExistsError as error:
        raise WrongUsage(f"{file} is there already", hint="name another file") from error
    except OSError as error:
        raise MsyncdError(f"{file} cannot be written: {error.strerror or error}", hint="name another file") from error


def tables(found: "Look") -> list[dict[str, Any]]:
    """The declared tables as the database describes them: no row of them."""
    types = found.here.types
    return [
        {
            "record_type": name,
            "table": one.name,
            "key": types.types[name].key,
            "columns": [{"name": column.name, "kind": column.kind} for column in one.columns],
            "uniques": one.uniques,
            "references": [[key.columns, key.parent, key.parent_columns, key.on_delete] for key in one.foreign_keys],
            "triggers": one.triggers,
        }
        for name in types.order
        for one in [types.table_of(name)]
    ]


def versions() -> str:
    """This machine, Python, and every package with its version."""
    packages = sorted({f"{one.name} {one.version}" for one in distributions()}, key=str.casefold)
    return "\n".join([platform.platform(), f"Python {sys.version}", *packages, ""])


def _journal() -> str:
    """The last lines of the unit's log; "" where there is no journal, or it may not be read."""
    if not shutil.which("journalctl"):
        return ""
    command = ["journalctl", "--unit", UNIT, "--lines", _LOG_LINES, "--no-pager", "--output", "short-iso"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _secrets(settings: Settings) -> Iterator[str]:
    """Every secret text that the configuration knows."""
    mine = settings.this_site
    peers = [one for peer in settings.sync_with for one in (peer.password, peer.old_password)]
    for secret in (mine.password, mine.old_password, *peers):
        yield from _texts(secret)
    yield from (user.password_hash for user in settings.console_users)
    if settings.code_hash is not None:
        yield settings.code_hash


def _texts(secret: Secret | None) -> Iterator[str]:
    if secret is None:
        return
    if secret.hash is not None:
        yield secret.hash
        return
    try:
        text = read_secret(secret)
    except SecretUnavailable:
        return
    if len(text) >= _SHORTEST:
        yield text
