"""The server starts bound, stops without breaking off, renews its certificate, and keeps passwords off plain lines."""

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
import requests

from msyncd import errors
from msyncd.flow.conversation import PushReply, Waiting, WaitReply
from msyncd.model import START
from msyncd.settings.values import Listen
from msyncd.wire.client import PrimaryClient
from msyncd.wire.loopback import is_loopback
from msyncd.wire.server import ListenError, PortTaken, Server
from tests.wire.answers import hello_of, push_of
from tests.wire.conftest import Authority, Primary, StartPrimary, make_primary


def test_a_push_under_way_finishes_when_it_stops(primary: Primary, client: PrimaryClient) -> None:
    inside, replies = threading.Event(), list[PushReply]()

    def slow(_name: str) -> None:
        inside.set()
        time.sleep(1)

    client.hello(hello_of())
    primary.answers.before = slow
    thread = threading.Thread(target=lambda: replies.append(client.push(push_of([("a", "b", 1.0, None)], upto=3))))
    thread.start()
    assert inside.wait(5)
    assert primary.server.stop(15)
    thread.join(5)
    assert [reply.cursor for reply in replies] == [(0, 3)]
    assert primary.answers.pushed[2] == [("a", "b", 1.0, None)]
    with pytest.raises(errors.PeerUnreachable):
        client.push(push_of([]))


def test_those_who_wait_do_not_keep_it_from_stopping(primary: Primary, client: PrimaryClient) -> None:
    client.hello(hello_of())
    replies = list[WaitReply]()
    thread = threading.Thread(target=lambda: replies.append(client.wait(Waiting(START, 7, seconds=50))))
    thread.start()
    while not len(primary.api.room):
        time.sleep(0.01)
    started = time.monotonic()
    assert primary.server.stop(15)
    thread.join(5)
    assert time.monotonic() - started < 5
    assert replies == [WaitReply(news=False)]


def test_an_idle_tls_connection_does_not_keep_it_from_stopping(start: StartPrimary, authority: Authority) -> None:
    primary = start(authority.listen)
    client = PrimaryClient(primary.url, "sync", lambda: "secret", ca_certificate=authority.ca_file)
    client.hello(hello_of())
    started = time.monotonic()
    assert primary.server.stop(15)
    assert time.monotonic() - started < 5


def test_a_call_that_does_not_end_is_told_of(primary: Primary, client: PrimaryClient) -> None:
    go_on, inside = threading.Event(), threading.Event()

    def stuck(_name: str) -> None:
        inside.set()
        go_on.wait(20)

    client.hello(hello_of())
    primary.answers.before = stuck
    thread = threading.Thread(target=lambda: pushes(client))
    thread.start()
    assert inside.wait(5)
    assert not primary.server.stop(1)
    go_on.set()
    thread.join(5)


def pushes(client: PrimaryClient) -> None:
    with pytest.raises(errors.TryLater):
        client.push(push_of([]))


def serial_of(primary: Primary, authority: Authority) -> str:
    context = ssl.create_default_context(cafile=authority.ca_file)
    with (
        socket.create_connection(("127.0.0.1", primary.server.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        return str((secure.getpeercert() or {})["serialNumber"])


def test_a_renewed_certificate_is_used_without_a_restart(start: StartPrimary, authority: Authority) -> None:
    primary = start(authority.listen)
    client = PrimaryClient(primary.url, "sync", lambda: "secret", ca_certificate=authority.ca_file)
    client.hello(hello_of())
    before = serial_of(primary, authority)
    authority.issue("127.0.0.1")
    assert serial_of(primary, authority) == before
    primary.server.reload_tls()
    assert serial_of(primary, authority) != before
    assert client.push(push_of([])).applied  # on the connection from before


def test_a_bad_certificate_changes_nothing(start: StartPrimary, authority: Authority) -> None:
    primary = start(authority.listen)
    before = serial_of(primary, authority)
    key = (authority.folder / "key.pem").read_bytes()
    authority.issue("127.0.0.1")
    (authority.folder / "key.pem").write_bytes(key)  # the new certificate, but the old key
    with pytest.raises(ListenError, match="belonging together"):
        primary.server.reload_tls()
    assert serial_of(primary, authority) == before


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_old_tls_is_refused(start: StartPrimary, authority: Authority) -> None:
    primary = start(authority.listen)
    context = ssl.create_default_context(cafile=authority.ca_file)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", primary.server.port)) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


@pytest.mark.parametrize("content", ["", "no certificate"])
def test_a_certificate_that_is_none_is_told_of_at_once(tmp_path: Path, content: str) -> None:
    (tmp_path / "cert.pem").write_text(content)
    with pytest.raises(ListenError, match=r"cert\.pem"):
        make_primary(Listen(tls_certificate=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "central.example.org"])
def test_plain_http_beyond_this_machine_is_refused(host: str, primary: Primary, authority: Authority) -> None:
    app = primary.server._app
    with pytest.raises(ListenError, match="plain HTTP"):
        Server(app, Listen(host=host))
    Server(app, Listen(host=host), allow_plain_http=True)
    Server(app, Listen(host, 0, authority.listen.tls_certificate, authority.listen.tls_key))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LocalHost"])
def test_what_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "localhost.example.org", "127.0.0.1.example.org", ""])
def test_what_is_not_this_machine(host: str) -> None:
    assert not is_loopback(host)


def test_a_taken_port_is_told_of(primary: Primary) -> None:
    with pytest.raises(PortTaken, match=str(primary.server.port)):
        make_primary(Listen(port=primary.server.port)).server.start()


@pytest.fixture
def ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")


@pytest.mark.usefixtures("ipv6")
def test_it_answers_on_ipv6(start: StartPrimary) -> None:
    primary = start(Listen(host="::1", port=0))
    assert primary.client().hello(hello_of()).joined


def test_health_needs_no_log_in(primary: Primary) -> None:
    def status(path: str) -> int:
        return requests.get(primary.url + path, timeout=10).status_code

    assert (status("/healthz"), status("/readyz")) == (200, 200)
    primary.ready[0] = False
    assert (status("/healthz"), status("/readyz")) == (200, 503)


def test_each_request_is_observed(primary: Primary, client: PrimaryClient) -> None:
    client.hello(hello_of())
    client.push(push_of([("x" * 5000, "", 0.0, None)]))
    assert [(one.path, one.status) for one in primary.observed] == [("/sync/v1/hello", 200), ("/sync/v1/push", 200)]
    assert 0 < primary.observed[1].bytes_in == client.last.sent < 5000
    assert primary.observed[1].bytes_out == client.last.received
