"""Messages arrive equal over a real socket, with and without TLS, and both ends know who is who."""

import threading
import time
from pathlib import Path

import pytest

from msyncd import errors
from msyncd.flow.conversation import Peer, Waiting
from msyncd.model import START, Row
from msyncd.wire.client import PrimaryClient
from msyncd.wire.complaints import TokenExpired
from tests.wire.answers import PULL, hello_of, push_of
from tests.wire.conftest import Authority, Primary, StartPrimary

ROWS: list[Row] = [("a", "ቁስል", 1.5, b"\x00\xff"), ("b", None, -(2**63), b""), ("c", "x" * 3000, True, None)]


def test_what_is_pushed_arrives_equal(primary: Primary, client: PrimaryClient) -> None:
    peer: Peer = client
    assert peer.hello(hello_of()).facts_number == 7
    assert peer.push(push_of(ROWS, upto=5)).cursor == (0, 5)
    assert primary.answers.pushed == {2: ROWS}
    batch = peer.pull(PULL).batch
    assert batch is not None
    assert batch.types[0].rows == ROWS


def test_a_large_batch_is_compressed_both_ways(primary: Primary, client: PrimaryClient) -> None:
    rows: list[Row] = [(f"id{number:09}", "Amoxicillin 250mg", 12.5, None) for number in range(20_000)]
    client.hello(hello_of())
    client.push(push_of(rows))
    assert primary.answers.pushed[2] == rows
    assert client.last.sent < 300_000
    client.pull(PULL)
    assert client.last.received < 300_000
    assert client.total.sent > client.last.sent
    assert 0 < client.last.seconds < 30


def test_head_and_body_do_not_wait_for_each_other(primary: Primary, client: PrimaryClient) -> None:
    client.hello(hello_of())
    seconds = []
    for _ in range(20):
        client.push(push_of(ROWS[:1]))
        seconds.append(client.last.seconds)
    assert sorted(seconds)[5] < 0.035, seconds  # 40 ms is what delayed acknowledgements cost each request


def test_the_site_is_who_logged_in_not_what_a_message_says(primary: Primary, client: PrimaryClient) -> None:
    with pytest.raises(errors.LoginRefused):
        client.hello(hello_of(3))  # with site 2's password
    client.hello(hello_of(2))
    client.push(push_of(ROWS))
    assert list(primary.answers.pushed) == [2]


def test_a_probe_gives_no_token(primary: Primary, client: PrimaryClient) -> None:
    assert client.hello(hello_of(probe=True)).token == ""
    with pytest.raises(TokenExpired):
        client.push(push_of(ROWS))
    assert primary.answers.pushed == {}


def test_over_tls_by_a_private_authority(start: StartPrimary, authority: Authority) -> None:
    primary = start(authority.listen)
    assert primary.url.startswith("https://")
    client = PrimaryClient(primary.url, "sync", lambda: "secret", ca_certificate=authority.ca_file)
    client.hello(hello_of())
    assert client.push(push_of(ROWS)).applied


def test_an_authority_that_is_not_known_is_not_trusted(start: StartPrimary, authority: Authority) -> None:
    primary = start(authority.listen)
    client = PrimaryClient(primary.url, "sync", lambda: "secret")
    with pytest.raises(errors.PeerUnreachable, match="ca_certificate"):
        client.hello(hello_of())
    assert primary.answers.hellos == []


def test_a_changed_password_file_is_seen_at_the_next_hello(primary: Primary, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("old")
    client = PrimaryClient(primary.url, "sync", file.read_text)
    with pytest.raises(errors.LoginRefused):
        client.hello(hello_of())
    file.write_text("secret")
    assert client.hello(hello_of()).joined


def test_a_waiting_request_is_told_of_news(primary: Primary, client: PrimaryClient) -> None:
    client.hello(hello_of())
    done: list[tuple[bool, float]] = []

    def wait() -> None:
        news = client.wait(Waiting(START, 7, seconds=20)).news
        done.append((news, time.monotonic()))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    pushed = time.monotonic()
    client.push(push_of(ROWS))
    primary.api.wake()
    thread.join(10)
    assert done[0][0]
    assert done[0][1] - pushed < 2


def test_waiting_ends_without_news(primary: Primary, client: PrimaryClient) -> None:
    client.hello(hello_of())
    assert not client.wait(Waiting(START, 7, seconds=0.3)).news
    assert not client.wait(Waiting(START, 7, seconds=0)).news
    assert len(primary.api.room) == 0
