"""Passwords: read only when somebody logs in, compared in constant time, kept as a hash where that is enough."""

import base64
import binascii
import hashlib
import hmac
import secrets as randomness
from dataclasses import dataclass
from typing import Final

from msyncd.errors import MsyncdError
from msyncd.settings.expand import not_set
from msyncd.settings.values import Secret

# About 50 ms and 16 MB a check: a log-in happens once per token, a guess costs as much.
_N: Final = 2**14
_R: Final = 8
_P: Final = 1
_LARGEST: Final = 64_000


class SecretUnavailable(MsyncdError):
    """A password is needed to log in, and it is not there."""

    exit_status = 78


@dataclass(frozen=True, slots=True)
class _Hash:
    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def of(self, text: str) -> bytes:
        """The digest of another text, made as this one was."""
        memory = 128 * self.r * (self.n + self.p) + 2**20
        return hashlib.scrypt(
            text.encode(), salt=self.salt, n=self.n, r=self.r, p=self.p, maxmem=memory, dklen=len(self.digest)
        )


def read_secret(secret: Secret) -> str:
    """The password itself. Raises SecretUnavailable, with what to do, if it is not there."""
    if secret.missing is not None:
        what, hint = not_set(secret.missing)
        raise SecretUnavailable(f"there is no password: {what}", hint=hint)
    if secret.value:
        return secret.value
    if secret.file is not None:
        return _from_file(secret)
    if secret.hash is not None:
        hint = "a hash can only check a log-in; write password_file where msyncd itself logs in"
        raise SecretUnavailable("there is no password, only its hash", hint=hint)
    raise SecretUnavailable("there is no password", hint="write password_file or password under this_site")


def _from_file(secret: Secret) -> str:
    file = secret.file
    assert file is not None
    try:
        with file.open("rb") as source:
            content = source.read(_LARGEST)
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretUnavailable(f"the password file {file} is not UTF-8 text", hint="write the password anew") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a file name"
        hint = "write the password there, readable by the user of msyncd alone"
        raise SecretUnavailable(f"the password file {file} cannot be read: {reason}", hint=hint) from None
    if not text:
        raise SecretUnavailable(f"the password file {file} is empty", hint="write the password there")
    return text


def verify_password(secret: Secret, given: str) -> bool:
    """Whether that is the password; takes as long for a wrong one. Raises SecretUnavailable if there is none."""
    if secret.hash is not None:
        parsed = _parsed(secret.hash)
        return parsed is not None and hmac.compare_digest(parsed.of(given), parsed.digest)
    # Digests have one length, so that not even the length of the password can be measured.
    return hmac.compare_digest(_digest(read_secret(secret)), _digest(given))


def hash_password(text: str) -> str:
    """A hash to be kept instead of the password: `scrypt$n$r$p$salt$hash`, the last two in base64."""
    salt = randomness.token_bytes(16)
    made = _Hash(_N, _R, _P, salt, bytes(32))
    return f"scrypt${_N}${_R}${_P}${_base64(salt)}${_base64(made.of(text))}"


def is_hash(text: str) -> bool:
    """Whether the text is a hash as `hash_password` makes them, within bounds that a check can afford."""
    return _parsed(text) is not None


def _parsed(text: str) -> _Hash | None:
    try:
        name, n, r, p, salt, digest = text.split("$")
        parsed = _Hash(
            int(n), int(r), int(p), base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
        )
    except (ValueError, binascii.Error):
        return None
    affordable = (
        2 <= parsed.n <= 2**18 and parsed.n & (parsed.n - 1) == 0 and 1 <= parsed.r <= 32 and 1 <= parsed.p <= 16
    )
    return parsed if name == "scrypt" and affordable and parsed.salt and len(parsed.digest) >= 16 else None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
