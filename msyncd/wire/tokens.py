"""Short-lived tokens after log-in: signed, not stored, so that any worker that knows the key can read them."""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable
from typing import Final

from msyncd.errors import LoginRefused

TOKEN_SECONDS: Final = 3600.0
"""For how long a token holds."""

_LAYOUT: Final = struct.Struct(">HQ12s8s")  # site, the second at which it ends, nonce, which credential
_SIGNATURE: Final = 32
_SAY_HELLO: Final = "say hello again"


class Tokens:
    """Makes and reads tokens. `key`: at least 32 random bytes, the same in every worker of the primary.

    `clock` gives seconds since 1970: the time is written by the primary and read by the primary, no other clock counts.
    """

    def __init__(self, key: bytes, clock: Callable[[], float], seconds: float = TOKEN_SECONDS) -> None:
        if len(key) < 32:
            raise ValueError("a token key has at least 32 bytes")
        self._key = key
        self._clock = clock
        self.seconds = seconds

    def make(self, site: int, credential: str) -> str:
        """A token for this site. `credential` is the version of the password that it logged in with."""
        ends = int(self._clock() + self.seconds)
        body = _LAYOUT.pack(site, ends, secrets.token_bytes(12), self._which(site, credential))
        return base64.urlsafe_b64encode(body + self._sign(body)).decode("ascii")

    def read(self, token: str, credential: Callable[[int], str | None]) -> int:
        """The site that this token was made for. `credential` gives a site's version now, None if it is gone.

        Raises LoginRefused if it is forged, over, or from before the site's password was changed.
        """
        try:
            raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error, ValueError) as error:
            raise LoginRefused("the token cannot be read", hint=_SAY_HELLO) from error
        body, signature = raw[: _LAYOUT.size], raw[_LAYOUT.size :]
        if len(body) != _LAYOUT.size or not hmac.compare_digest(signature, self._sign(body)):
            raise LoginRefused("the token was not made here", hint=_SAY_HELLO)
        site, ends, _, which = _LAYOUT.unpack(body)
        if self._clock() >= ends:
            raise LoginRefused("the token is over", hint=_SAY_HELLO)
        now = credential(site)
        if now is None or not hmac.compare_digest(which, self._which(site, now)):
            raise LoginRefused("the user name or password of this site was changed", hint=_SAY_HELLO)
        return int(site)

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._key, b"msyncd token\0" + body, "sha256")[:_SIGNATURE]

    def _which(self, site: int, credential: str) -> bytes:
        """A mark of the credential that says nothing about it."""
        text = f"msyncd credential\0{site}\0{credential}".encode()
        return hmac.new(self._key, text, hashlib.sha256).digest()[:8]
