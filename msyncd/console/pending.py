"""An edit of the preferences that was shown as a plan and awaits a word; and how it is kept where others could read it.

It may hold a password that somebody has typed. Sealed, it is opened only by the token of its session, which nobody has
but the browser: the ledger knows no more than the token's digest.
"""

import base64
import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from msyncd.console.filling import Meant
from msyncd.settings.editing import AddSite, Edit, RemoveSite, Set, SetSite, Unset, UnsetSite

_EDITS: Final[dict[str, type[Any]]] = {
    one.__name__: one for one in (Set, Unset, AddSite, RemoveSite, SetSite, UnsetSite)
}


@dataclass(frozen=True)
class Pending:
    """What somebody is about to save: shown as a plan, not yet confirmed. `digest` is that of the file as it was."""

    key: str
    what: str
    digest: str
    meant: Meant = field(repr=False)


def sealed(pending: Pending, token: str) -> bytes:
    """For the ledger."""
    edits = [(type(one).__name__, asdict(one)) for one in pending.meant.edits]
    secret = pending.meant.secret and (str(pending.meant.secret[0]), pending.meant.secret[1])
    plain = msgspec.msgpack.encode((pending.key, pending.what, pending.digest, edits, secret))
    return bytes(_lock_of(token).encrypt(plain))


def opened(seal: bytes, token: str) -> Pending | None:
    """As it was sealed; None if it was not with this token, or by another version of msyncd."""
    from cryptography.fernet import InvalidToken

    try:
        key, what, digest, edits, secret = msgspec.msgpack.decode(_lock_of(token).decrypt(seal))
        meant: tuple[Edit, ...] = tuple(_EDITS[name](**values) for name, values in edits)
    except (InvalidToken, ValueError, KeyError, TypeError, msgspec.MsgspecError):
        return None
    return Pending(key, what, digest, Meant(meant, (Path(secret[0]), secret[1]) if secret else None))


def _lock_of(token: str) -> Any:
    from cryptography.fernet import Fernet  # only where there is something to seal

    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"msyncd pending\0" + token.encode()).digest()))
