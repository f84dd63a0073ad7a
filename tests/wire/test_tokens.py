"""A token holds for its site, its time and its password, and nobody else can make one."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msyncd.errors import LoginRefused
from msyncd.wire.tokens import Tokens
from tests.wire.conftest import Clock

KEY = b"0" * 32


def one(_site: int) -> str:
    return "1"


def test_any_worker_with_the_key_reads_it() -> None:
    clock = Clock()
    token = Tokens(KEY, clock).make(64, "1")
    assert Tokens(KEY, clock).read(token, one) == 64


def test_it_ends() -> None:
    clock = Clock()
    tokens = Tokens(KEY, clock, seconds=60)
    token = tokens.make(2, "1")
    clock.now += 59
    assert tokens.read(token, one) == 2
    clock.now += 1
    with pytest.raises(LoginRefused, match="over"):
        tokens.read(token, one)


def test_a_changed_password_or_a_removed_site_revokes_it() -> None:
    tokens = Tokens(KEY, Clock())
    token = tokens.make(2, "1")
    with pytest.raises(LoginRefused, match="changed"):
        tokens.read(token, lambda _site: "2")
    with pytest.raises(LoginRefused, match="changed"):
        tokens.read(token, lambda _site: None)


def test_another_key_makes_no_token_for_here() -> None:
    with pytest.raises(LoginRefused, match="not made here"):
        Tokens(KEY, Clock()).read(Tokens(b"1" * 32, Clock()).make(2, "1"), one)


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_no_bit_of_it_can_be_changed(place: int, bit: int) -> None:
    tokens = Tokens(KEY, Clock())
    raw = bytearray(base64.urlsafe_b64decode(tokens.make(2, "1")))
    raw[place % len(raw)] ^= 1 << bit
    with pytest.raises(LoginRefused):
        tokens.read(base64.urlsafe_b64encode(raw).decode(), one)


@given(st.text(max_size=200))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(LoginRefused):
        Tokens(KEY, Clock()).read(text, one)


def test_two_tokens_are_never_the_same_and_show_no_credential() -> None:
    tokens = Tokens(KEY, Clock())
    assert tokens.make(2, "secret-version") != tokens.make(2, "secret-version")
    assert b"secret" not in base64.urlsafe_b64decode(tokens.make(2, "secret-version"))


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Tokens(b"short", Clock())
