"""The client turns whatever happens on the line into an error that says what to do."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from msyncd import errors
from msyncd.flow.conversation import Complaint, Waiting
from msyncd.model import START
from msyncd.wire.client import Patience, PrimaryClient
from msyncd.wire.codec import MSGPACK, decode, encode
from msyncd.wire.complaints import PeerBusy, ProtocolRefused, TokenExpired
from msyncd.wire.compression import MessageTooLarge, compress
from msyncd.wire.connections import UrlInvalid
from tests.wire.answers import PULL, FakeAnswers, hello_of, push_of
from tests.wire.conftest import Clock, Primary

Scene = Callable[[socket.socket], None]


class Stage:
    """A server that plays a scene per connection, as no good server would."""

    def __init__(self, *scenes: Scene) -> None:
        self.accepted = 0
        self._scenes = scenes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def client(self) -> PrimaryClient:
        return PrimaryClient(self.url, "sync", lambda: "secret", patience=Patience(2, 2, 2, 2))

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accept
        self._listener.close()
        self._thread.join(5)

    def _play(self) -> None:
        for scene in self._scenes:
            with suppress(OSError):
                connection, _ = self._listener.accept()
                self.accepted += 1
                with connection:
                    connection.settimeout(5)
                    scene(connection)


@pytest.fixture
def stage() -> Iterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def make(*scenes: Scene) -> Stage:
        stages.append(Stage(*scenes))
        return stages[-1]

    yield make
    for one in stages:
        one.close()


def silent(connection: socket.socket) -> None:
    """Takes the request and says nothing for longer than the client waits."""
    read_request(connection)
    time.sleep(3)


def read_request(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)


def answer(status: int, body: bytes = b"", headers: str = f"Content-Type: {MSGPACK}\r\n") -> Scene:
    def scene(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    return scene


def reset(connection: socket.socket) -> None:
    """Cuts the line hard in mid-request."""
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


WELCOME = encode(FakeAnswers().hello(hello_of()))


@pytest.mark.parametrize(
    ("scene", "error", "words"),
    [
        (reset, errors.PeerUnreachable, "cut"),
        (read_request, errors.PeerUnreachable, "cut"),
        (silent, errors.PeerUnreachable, "in time"),
        (answer(502, b"<html>", "Content-Type: text/html\r\n"), PeerBusy, "status 502"),
        (answer(404, b"<html>", "Content-Type: text/html\r\n"), errors.PeerRefused, "is the url that of"),
        (answer(413, b"<html>", "Content-Type: text/html\r\n"), MessageTooLarge, "reverse proxy limits"),
        (answer(403, b"{}", "Content-Type: application/json\r\n"), errors.PeerRefused, "status 403"),
        (answer(302, b"", "Location: http://127.0.0.1:1/\r\n"), errors.PeerRefused, "status 302"),
        (answer(200, b"<html>log in here", "Content-Type: text/html\r\n"), errors.PeerRefused, "log-in page"),
        (answer(200, WELCOME[:50]), errors.MessageInvalid, "no Welcome"),
        (answer(200, b"\x91" * 100_000), errors.MessageInvalid, "no Welcome"),
        (
            answer(200, compress(bytes(300 << 20)), f"Content-Type: {MSGPACK}\r\nContent-Encoding: zstd\r\n"),
            MessageTooLarge,
            "larger",
        ),
        (answer(200, WELCOME.replace(b"\xa8protocol\x01", b"\xa8protocol\x63")), ProtocolRefused, "upgrade"),
    ],
)
def test_each_trouble_is_told(
    stage: Callable[..., Stage], scene: Scene, error: type[errors.MsyncdError], words: str
) -> None:
    with pytest.raises(error, match=words):
        stage(scene).client().hello(hello_of())


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("login", errors.LoginRefused),
        ("clone", errors.CloneRefused),
        ("restored", errors.RestoredBackup),
        ("protocol", ProtocolRefused),
        ("facts", errors.FactsChanged),
        ("busy", PeerBusy),
        ("invalid", errors.MessageInvalid),
        ("too_large", MessageTooLarge),
        ("refused", errors.PeerRefused),
        ("not_found", errors.PeerRefused),
    ],
)
def test_each_complaint_becomes_its_error(
    stage: Callable[..., Stage], kind: str, error: type[errors.MsyncdError]
) -> None:
    body = encode(
        decode(b'{"kind": "%s", "what": "W", "hint": "H", "retry_after": 7}' % kind.encode(), Complaint, JSON)
    )
    with pytest.raises(error) as caught:
        stage(answer(400, body)).client().hello(hello_of())
    assert type(caught.value) is error
    what = "the primary: W" if kind == "busy" else "W"  # else it could be this end's own disk or database
    assert (caught.value.what, caught.value.hint) == (what, "H")
    if isinstance(caught.value, errors.LoginRefused | PeerBusy):
        assert caught.value.retry_after == 7


JSON = "application/json"


def test_nobody_there(stage: Callable[..., Stage]) -> None:
    one = stage()
    one.close()
    with pytest.raises(errors.PeerUnreachable, match="cannot be reached"):
        one.client().hello(hello_of())


def test_a_connection_that_was_closed_while_idle_is_made_again_once(stage: Callable[..., Stage]) -> None:
    welcome = answer(200, WELCOME)

    def closes_on_the_second(connection: socket.socket) -> None:
        welcome(connection)
        read_request(connection)  # taken, and closed without a word, as a keep-alive that ran out in that moment

    one = stage(closes_on_the_second, welcome)
    client = one.client()
    client.hello(hello_of())
    assert client.hello(hello_of()).joined
    assert one.accepted == 2


def test_it_is_not_repeated_more_than_once(stage: Callable[..., Stage]) -> None:
    welcome = answer(200, WELCOME)

    def closes_on_the_second(connection: socket.socket) -> None:
        welcome(connection)
        read_request(connection)

    one = stage(closes_on_the_second, read_request, welcome)
    client = one.client()
    client.hello(hello_of())
    with pytest.raises(errors.PeerUnreachable):
        client.hello(hello_of())
    assert one.accepted == 2


def test_an_expired_token_asks_for_a_hello(primary: Primary) -> None:
    clock = Clock()
    client = PrimaryClient(primary.url, "sync", lambda: "secret", clock=clock)
    with pytest.raises(TokenExpired):
        client.pull(PULL)
    client.hello(hello_of())
    client.pull(PULL)
    seen = len(primary.observed)
    clock.now += 601
    with pytest.raises(TokenExpired):
        client.pull(PULL)
    assert len(primary.observed) == seen  # known here already
    client.hello(hello_of())
    primary.clock.now += 601
    with pytest.raises(TokenExpired):  # known only there
        client.push(push_of([("x" * 100_000, None, None, bytes(range(256)) * 4000)]))
    client.hello(hello_of())
    assert client.pull(PULL).level


def test_closing_ends_a_long_wait_at_once(primary: Primary, client: PrimaryClient) -> None:
    client.hello(hello_of())
    told: list[errors.PeerUnreachable] = []

    def wait() -> None:
        with pytest.raises(errors.PeerUnreachable) as caught:
            client.wait(Waiting(START, 7, seconds=50))
        told.append(caught.value)

    thread = threading.Thread(target=wait)
    thread.start()
    while not len(primary.api.room):
        time.sleep(0.01)
    started = time.monotonic()
    client.close()
    thread.join(5)
    assert time.monotonic() - started < 1
    assert [error.what for error in told] == ["this end is stopping"]
    with pytest.raises(errors.PeerUnreachable):
        client.hello(hello_of())


def test_a_push_and_a_wait_go_side_by_side(primary: Primary, client: PrimaryClient) -> None:
    client.hello(hello_of())
    news: list[bool] = []
    thread = threading.Thread(target=lambda: news.append(client.wait(Waiting(START, 7, seconds=30)).news))
    thread.start()
    while not len(primary.api.room):
        time.sleep(0.01)
    assert client.push(push_of([])).applied
    primary.api.wake()
    thread.join(10)
    assert news == [True]


@pytest.mark.parametrize(
    "url",
    [
        "http://central.example.org",
        "http://10.0.0.1:8443",
        "central.example.org:8443",
        "ftp://127.0.0.1",
        "https://",
        "https://sync:secret@central.example.org",
        "https://central.example.org/?x=1",
    ],
)
def test_a_url_that_would_give_the_password_away_is_refused(url: str) -> None:
    with pytest.raises(UrlInvalid) as caught:
        PrimaryClient(url, "sync", lambda: "secret")
    assert "secret" not in str(caught.value)


def test_plain_http_can_be_allowed_and_a_path_kept() -> None:
    PrimaryClient("http://10.0.0.1:8443/msyncd/", "sync", lambda: "secret", allow_plain_http=True)
    PrimaryClient("http://localhost:8443", "sync", lambda: "secret")


def test_the_environment_changes_nothing(
    primary: Primary, client: PrimaryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    assert client.hello(hello_of()).joined


def test_a_proxy_is_used_and_its_password_not_shown(stage: Callable[..., Stage], primary: Primary) -> None:
    through = stage(answer(200, WELCOME))
    client = PrimaryClient(primary.url, "sync", lambda: "secret", proxy=through.url)
    assert client.hello(hello_of()).joined
    assert primary.answers.hellos == []
    broken = PrimaryClient(primary.url, "sync", lambda: "secret", proxy="http://me:hidden@127.0.0.1:1")
    with pytest.raises(errors.PeerUnreachable) as caught:
        broken.hello(hello_of())
    assert "hidden" not in str(caught.value)
    assert "proxy" in caught.value.hint
