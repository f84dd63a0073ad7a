"""The primary as its satellite calls it over HTTP."""

import base64
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
import urllib3.exceptions

from msyncd import __version__
from msyncd.errors import MessageInvalid, MsyncdError, PeerUnreachable
from msyncd.flow.compare.messages import Compare, Compared
from msyncd.flow.conversation import (
    PROTOCOL_VERSION,
    Complaint,
    Give,
    GiveReply,
    Hello,
    Pull,
    PullReply,
    Push,
    PushReply,
    Waiting,
    WaitReply,
    Welcome,
)
from msyncd.wire.codec import FORMATS, MSGPACK, decode, encode
from msyncd.wire.complaints import ProtocolRefused, TokenExpired, complaint_of_status, error_of
from msyncd.wire.compression import ENCODING, WORTH_BYTES, MessageTooLarge, compress, decompress
from msyncd.wire.connections import Lines, checked_url

M = TypeVar("M", bound=msgspec.Struct)

REPLY_BYTES: Final = 64 << 20
MESSAGE_BYTES: Final = 256 << 20
_COMPLAINT_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long the client waits, in seconds. A push may take the primary long; giving up would only repeat it."""

    connect: float = 15.0
    hello: float = 60.0
    work: float = 300.0
    beyond_wait: float = 15.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of bodies as they crossed the wire, and the seconds that it took, the other end's work included."""

    sent: int = 0
    received: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content_type: str
    encoding: str
    body: bytes


class PrimaryClient:
    """A `Peer` over HTTP. May be used from several threads; `close` breaks off what is under way in any of them.

    `password` is asked at each hello, so that a changed file is seen. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        url: str,
        user_name: str,
        password: Callable[[], str],
        *,
        ca_certificate: Path | None = None,
        proxy: str | None = None,
        allow_plain_http: bool = False,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = checked_url(url, allow_plain_http=allow_plain_http)
        self._host = urlsplit(url).netloc
        self._user_name = user_name
        self._password = password
        self._patience = patience or Patience()
        self._clock = clock
        self._lines = Lines(ca_certificate, proxy)
        self._lock = threading.Lock()
        self._token: str | None = None
        self._token_ends = 0.0
        self._total = Traffic()
        self._mine = threading.local()

    @property
    def total(self) -> Traffic:
        """All that crossed the wire so far."""
        return self._total

    @property
    def last(self) -> Traffic:
        """The last call of this thread: what batches adapt to."""
        last: Traffic = getattr(self._mine, "last", Traffic())
        return last

    def hello(self, hello: Hello) -> Welcome:
        """Logs in with user name and password; keeps the token for the other calls."""
        given = base64.b64encode(f"{self._user_name}:{self._password()}".encode()).decode("ascii")
        welcome = self._call("hello", hello, Welcome, f"Basic {given}", self._patience.hello)
        if welcome.protocol != PROTOCOL_VERSION:
            raise ProtocolRefused(
                f"{self._host} speaks protocol {welcome.protocol}, this end {PROTOCOL_VERSION}",
                hint="upgrade the older of the two",
            )
        if not hello.probe:
            with self._lock:
                self._token, self._token_ends = welcome.token, self._clock() + welcome.token_seconds
        return welcome

    def push(self, push: Push) -> PushReply:
        """Sends a batch."""
        return self._call("push", push, PushReply, self._bearer(), self._patience.work)

    def pull(self, pull: Pull) -> PullReply:
        """Asks for the next batch or piece."""
        return self._call("pull", pull, PullReply, self._bearer(), self._patience.work)

    def wait(self, waiting: Waiting) -> WaitReply:
        """Waits until the primary has news, or the seconds are over."""
        seconds = waiting.seconds + self._patience.beyond_wait
        return self._call("wait", waiting, WaitReply, self._bearer(), seconds)

    def compare(self, question: Compare) -> Compared:
        """Asks which records differ."""
        return self._call("compare", question, Compared, self._bearer(), self._patience.work)

    def give(self, give: Give) -> GiveReply:
        """Gives a restored primary what it lost."""
        return self._call("give", give, GiveReply, self._bearer(), self._patience.work)

    def close(self) -> None:
        """Ends every call under way with PeerUnreachable, at once, and all later ones."""
        self._lines.close()

    # --- one call -----------------------------------------------------------------------------------------------------

    def _bearer(self) -> str:
        with self._lock:
            token, ends = self._token, self._token_ends
        if token is None or self._clock() >= ends:
            raise TokenExpired("there is no token that holds", hint="say hello first")
        return f"Bearer {token}"

    def _call(self, name: str, message: msgspec.Struct, kind: type[M], authorization: str, seconds: float) -> M:
        body = encode(message)
        headers = {
            "Authorization": authorization,
            "Content-Type": MSGPACK,
            "Accept": MSGPACK,
            "Accept-Encoding": ENCODING,
            "User-Agent": f"msyncd/{__version__}",
        }
        if len(body) >= WORTH_BYTES:
            body = compress(body)
            headers["Content-Encoding"] = ENCODING
        answer = self._exchange(f"{self._url}/sync/v1/{name}", body, headers, seconds)
        if answer.status != 200:
            raise self._refused(answer, logged_in=name != "hello")
        if answer.content_type not in FORMATS:
            raise error_of(complaint_of_status(answer.status, self._host), logged_in=True, by="")
        return decode(_unpacked(answer, MESSAGE_BYTES), kind, answer.content_type)

    def _refused(self, answer: _Answer, *, logged_in: bool) -> MsyncdError:
        """What the other end, or something between, complained about."""
        if answer.content_type in FORMATS:
            with suppress(MessageInvalid):  # JSON, but not ours: a proxy's
                complaint = decode(_unpacked(answer, _COMPLAINT_BYTES), Complaint, answer.content_type)
                return error_of(complaint, logged_in=logged_in)
        return error_of(complaint_of_status(answer.status, self._host), logged_in=logged_in, by="")

    def _exchange(self, url: str, body: bytes, headers: dict[str, str], seconds: float) -> _Answer:
        """One request and its answer. Repeated once if a kept connection turned out to be closed.

        Every call may be repeated: cursors and receipts see to it that nothing is applied twice (P14).
        """
        self._lines.opened = False
        try:
            return self._send(url, body, headers, seconds)
        except PeerUnreachable as error:
            if self._lines.opened or self._lines.closed or not _was_cut(error):
                raise
        return self._send(url, body, headers, seconds)

    def _send(self, url: str, body: bytes, headers: dict[str, str], seconds: float) -> _Answer:
        if self._lines.closed:
            raise PeerUnreachable("this end is stopping")
        started = self._clock()
        sent, received = len(body), 0
        try:
            with self._lines.session().post(
                url,
                data=body,
                headers=headers,
                timeout=(self._patience.connect, seconds),
                allow_redirects=False,  # a password or token goes where the admin said, nowhere else
                stream=True,
            ) as response:
                # not decoded by the library, which knows no limit
                raw: bytes = response.raw.read(REPLY_BYTES + 1, decode_content=False)
                received = len(raw)
                if received > REPLY_BYTES:
                    raise MessageTooLarge(f"the reply of {self._host} is larger than {REPLY_BYTES} bytes")
                content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
                return _Answer(response.status_code, content_type, response.headers.get("Content-Encoding", ""), raw)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        finally:
            self._count(Traffic(sent, received, self._clock() - started))

    def _unreachable(self, error: Exception) -> PeerUnreachable:
        if self._lines.closed:
            return PeerUnreachable("this end is stopping")
        what, hint = _why(error, plain=self._url.startswith("http:"))
        return PeerUnreachable(f"{self._host}: {what}", hint=hint)

    def _count(self, one: Traffic) -> None:
        self._mine.last = one
        with self._lock:
            total = self._total
            self._total = Traffic(total.sent + one.sent, total.received + one.received, total.seconds + one.seconds)


def _unpacked(answer: _Answer, limit: int) -> bytes:
    if answer.encoding.strip().lower() == ENCODING:
        return decompress(answer.body, limit)
    return answer.body


_AGAIN: Final = "nothing is lost; the daemon tries again by itself"


def _was_cut(error: BaseException | None) -> bool:
    """Whether the connection was closed by the other end, rather than slow, refused or distrusted."""
    seen: set[int] = set()
    todo: list[object] = [error]
    while todo:
        one = todo.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        if isinstance(one, RemoteDisconnected | ConnectionResetError | BrokenPipeError):
            return True
        seen.add(id(one))
        todo += [one.__cause__, one.__context__, *one.args, getattr(one, "reason", None)]
    return False


def _why(error: Exception, *, plain: bool) -> tuple[str, str]:
    """In words, and what to do. Not the library's own text: it may hold a proxy's password."""
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted, or TLS failed", "see ca_certificate, and `msyncd check-connection`"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy did not let the request through", "see proxy in this peer's entry"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no answer to the connection", "is the line up? a firewall?"
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.ReadTimeoutError):
        return "it did not answer in time", _AGAIN
    if _was_cut(error):
        # a port that expects TLS hangs up on whoever speaks without
        return "the connection was cut", f"does the primary speak https there? {_AGAIN}" if plain else _AGAIN
    return "it cannot be reached", "is the line up? see `msyncd check-connection`"
