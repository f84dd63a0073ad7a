"""The line between a satellite and the primary: it carries, it is cut, it comes back."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from msyncd.commands.demo.relay import Relay


@pytest.fixture
def echo() -> Iterator[int]:
    """Says back what it hears; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_answer, args=(one,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def _answer(one: socket.socket) -> None:
    with one:
        while heard := one.recv(1024):
            one.sendall(heard)


def _call(relay: Relay) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), timeout=5)


def test_it_carries_both_ways_and_counts(echo: int) -> None:
    relay = Relay(echo)
    with _call(relay) as one:
        one.sendall(b"x" * 1000)
        heard = b""
        while len(heard) < 1000:
            heard += one.recv(1024)
        assert heard == b"x" * 1000
    assert (relay.to_primary, relay.to_satellite) == (1000, 1000)
    relay.cut()


def test_when_it_is_cut_who_is_on_it_is_thrown_off_and_nobody_gets_on(echo: int) -> None:
    relay = Relay(echo)
    with _call(relay) as one:
        one.sendall(b"x")
        assert one.recv(1) == b"x"
        relay.cut()
        assert _ended(one)
        with pytest.raises(ConnectionRefusedError):
            _call(relay)
    relay.let_back()
    with _call(relay) as one:
        one.sendall(b"y")
        assert one.recv(1) == b"y"
    relay.cut()


def _ended(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except ConnectionError:
        return True


def test_without_a_primary_the_satellite_is_hung_up_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = listener.getsockname()[1]
    relay = Relay(nobody)
    with _call(relay) as one:
        assert _ended(one)
    relay.cut()


def test_no_thread_stays_behind(echo: int) -> None:
    relay = Relay(echo)
    with _call(relay) as one:
        one.sendall(b"x")
        assert one.recv(1) == b"x"
        relay.cut()
    until = time.monotonic() + 5
    while any(thread.name == "relay" for thread in threading.enumerate()) and time.monotonic() < until:
        time.sleep(0.01)
    assert [thread for thread in threading.enumerate() if thread.name == "relay"] == []
