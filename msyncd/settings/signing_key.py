"""The key with which this installation signs what is carried by hand (P37): made once, in the state directory.

Ed25519 (RFC 8032). The file holds both halves as base64url, so that telling the public one needs no cryptography. Like
the installation's ID it lives outside the database: a copied database cannot sign for the site.
"""

import base64
import json
import os
from pathlib import Path
from typing import Final

from msyncd.errors import DatabaseUnavailable, MsyncdError
from msyncd.settings.durable import sync_folder

SIGNING_KEY: Final = "signing-key.json"
PREFIX: Final = "ed25519:"
KEY_BYTES: Final = 32


def public_key(state_directory: Path) -> str:
    """The public half as it is told to others, `ed25519:…`; "" before it is made. Raises DatabaseUnavailable."""
    known = _read(state_directory / SIGNING_KEY)
    return "" if known is None else known["public_key"]


def private_key(state_directory: Path) -> bytes:
    """The private half, 32 bytes. Raises MsyncdError if there is none, DatabaseUnavailable if it cannot be read."""
    file = state_directory / SIGNING_KEY
    known = _read(file)
    if known is None:
        raise MsyncdError(f"there is no signing key {file}", hint="`msyncd init` makes it")
    return key_bytes(known["private_key"])


def made(state_directory: Path) -> str:
    """The public half of the key, which is made now if there is none yet. Raises DatabaseUnavailable, MsyncdError."""
    return public_key(state_directory) or _make(state_directory / SIGNING_KEY)


def spelled(raw: bytes) -> str:
    """A key's 32 bytes as text."""
    return PREFIX + base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def key_bytes(text: str) -> bytes:
    """The 32 bytes of a key's text. Raises ValueError for what is none."""
    body = text.removeprefix(PREFIX)
    raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    if body == text or len(raw) != KEY_BYTES or spelled(raw) != text:
        raise ValueError(f"{text!r} is no key: {PREFIX} and 43 characters")
    return raw


def _read(file: Path) -> dict[str, str] | None:
    try:
        known = json.loads(file.read_text())
        key_bytes(known["public_key"])
        key_bytes(known["private_key"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatabaseUnavailable(
            f"{file} cannot be read: {type(error).__name__}", hint="restore it, or its rights"
        ) from error
    found: dict[str, str] = known
    return found


def _make(file: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # only once

    key = Ed25519PrivateKey.generate()
    both = {"private_key": spelled(key.private_bytes_raw()), "public_key": spelled(key.public_key().public_bytes_raw())}
    temporary = file.with_suffix(f".{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as out:
            folder = file.parent.stat()
            if os.geteuid() == 0:  # root may have called; the daemon's user must be able to read it all the same
                os.fchown(out.fileno(), folder.st_uid, folder.st_gid)
            json.dump(both, out)
            out.flush()
            os.fsync(out.fileno())
        os.link(temporary, file)  # fails if another process was first: then its key stands
        sync_folder(file.parent)
    except FileExistsError:
        return public_key(file.parent)
    except OSError as error:
        raise MsyncdError(
            f"the state directory {file.parent} cannot be written: {error}", hint="create it for this user"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return both["public_key"]
