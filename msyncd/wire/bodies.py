"""Request bodies in, reply bodies out: sizes, time-outs, formats and encodings."""

import asyncio
import base64
import time
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from msyncd.wire.codec import FORMATS, JSON, MSGPACK, encode
from msyncd.wire.complaints import BodyTooSlow, CallerGone, FormatUnknown
from msyncd.wire.compression import ENCODING, WORTH_BYTES, MessageTooLarge, compress, decompress

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may cost. `hello_bytes` is small because a hello is read before anybody has logged in."""

    body_bytes: int = 64 * MIB
    message_bytes: int = 256 * MIB
    hello_bytes: int = MIB
    pause_seconds: float = 30.0
    body_seconds: float = 600.0


class Incoming:
    """The body of one request, read at most once. `seconds` is how long it took to arrive."""

    def __init__(self, request: Request, limits: Limits) -> None:
        self._request = request
        self._limits = limits
        self.size = 0
        self.seconds = 0.0
        self.ended = False
        self._given_up = False

    async def read(self, limit: int) -> bytes:
        """The body as it came, at most `limit` bytes."""
        declared = self._request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise self._too_large(limit)
        pieces: list[bytes] = []
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while not self.ended:
                    pieces.append(await self._next())
                    if self.size > limit:
                        raise self._too_large(limit)
        except TimeoutError:
            self._given_up = True
            raise BodyTooSlow("the request did not arrive in time", hint="try a smaller batch") from None
        finally:
            self.seconds = time.monotonic() - started
        return b"".join(pieces)

    async def drain(self) -> None:
        """Reads what is left and drops it: a caller that is still sending would not read the reply otherwise."""
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while not (self.ended or self._given_up) and self.size <= self._limits.body_bytes:
                    await self._next()
        except (TimeoutError, CallerGone):
            return

    async def _next(self) -> bytes:
        async with asyncio.timeout(self._limits.pause_seconds):
            message = await self._request.receive()
        if message["type"] != "http.request":
            raise CallerGone("the caller closed the connection")
        piece: bytes = message.get("body", b"")
        self.size += len(piece)
        self.ended = not message.get("more_body", False)
        return piece

    def _too_large(self, limit: int) -> MessageTooLarge:
        return MessageTooLarge(f"the request is larger than {limit} bytes", hint="send a smaller batch")


def request_format(request: Request) -> str:
    """The format of the request's body. Raises FormatUnknown."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in FORMATS:
        raise FormatUnknown(f"the content type {given[:80]!r} is not known here", hint=f"send {MSGPACK} or {JSON}")
    return given


def reply_format(request: Request) -> str:
    """The caller's own format; JSON for whoever does not say, since a person may read it."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return MSGPACK if given == MSGPACK else JSON


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its Content-Encoding, at most `limit` bytes. In a thread: it may take a while."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "zstd":
            return decompress(body, limit)
    raise FormatUnknown(f"the content encoding {encoding[:80]!r} is not known here", hint="send zstd, or none")


def accepts_zstd(header: str) -> bool:
    """Whether an Accept-Encoding header names zstd, and not with the weight 0."""
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == ENCODING:
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def reply(message: msgspec.Struct, content_type: str, accept_encoding: str, status: int = 200) -> Response:
    """A message as a response, compressed if that pays and the caller reads it."""
    body = encode(message, content_type)
    headers = {"Vary": "Accept-Encoding"}
    if len(body) >= WORTH_BYTES and accepts_zstd(accept_encoding):
        body = compress(body)
        headers["Content-Encoding"] = ENCODING
    return Response(body, status, headers, media_type=content_type)


def basic_user(authorization: str) -> tuple[str, str] | None:
    """User name and password of a Basic Authorization header; None if it is none."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(text.strip(), validate=True).decode("utf-8").partition(":")
    except ValueError:
        return None
    return (user, password) if colon else None


def bearer_token(authorization: str) -> str | None:
    """The token of a Bearer Authorization header; None if it is none."""
    scheme, _, text = authorization.partition(" ")
    return text.strip() if scheme.lower() == "bearer" else None
