"""The key with which an installation signs: made once, for its owner alone, and known by one text."""

import json
import stat
from pathlib import Path

import pytest

from msyncd.errors import DatabaseUnavailable, MsyncdError
from msyncd.settings.signing_key import SIGNING_KEY, key_bytes, made, private_key, public_key, spelled


def test_p37_it_is_made_once_and_its_halves_belong_together(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    assert public_key(tmp_path) == ""
    key = made(tmp_path / "state")
    assert made(tmp_path / "state") == public_key(tmp_path / "state") == key
    half = Ed25519PrivateKey.from_private_bytes(private_key(tmp_path / "state")).public_key().public_bytes_raw()
    assert spelled(half) == key
    assert made(tmp_path / "another") != key


def test_p37_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    made(tmp_path)
    assert stat.S_IMODE((tmp_path / SIGNING_KEY).stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [SIGNING_KEY]


def test_p37_a_key_that_cannot_be_read_is_not_replaced(tmp_path: Path) -> None:
    made(tmp_path)
    known = json.loads((tmp_path / SIGNING_KEY).read_text())
    for broken in ("", "[]", '{"public_key": "ed25519:AA"}', json.dumps(known | {"private_key": "lost"})):
        (tmp_path / SIGNING_KEY).write_text(broken)
        with pytest.raises(DatabaseUnavailable):
            made(tmp_path)
        assert (tmp_path / SIGNING_KEY).read_text() == broken


def test_p37_without_one_nothing_is_signed(tmp_path: Path) -> None:
    with pytest.raises(MsyncdError, match="no signing key"):
        private_key(tmp_path)


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:" + "A" * 42, "A" * 43, "ed25519:" + "!" * 43])
def test_what_is_no_key_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        key_bytes(text)


def test_a_key_has_one_text_only() -> None:
    text = spelled(bytes(32))
    assert key_bytes(text) == bytes(32)
    with pytest.raises(ValueError, match="no key"):
        key_bytes(text[:-1] + "B")  # bits that no byte holds
