"""Passwords are read when somebody logs in, and never shown."""

from pathlib import Path

import pytest

from msyncd.errors import ConfigurationInvalid
from msyncd.settings import load
from msyncd.settings.secrets import SecretUnavailable, hash_password, is_hash, read_secret, verify_password
from msyncd.settings.values import Secret


def test_a_password_is_read_from_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" ge heim \n")
    assert read_secret(Secret(value="geheim")) == "geheim"
    assert read_secret(Secret(file=file)) == " ge heim "


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read: No such file"), (b"\n", "is empty"), (b"\xff", "is not UTF-8 text")],
)
def test_a_password_file_that_cannot_be_used_says_why(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SecretUnavailable, match=message) as caught:
        read_secret(Secret(file=file))
    assert caught.value.hint
    assert caught.value.exit_status == 78


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        (Secret(), "there is no password; write password_file"),
        (Secret(value=""), "there is no password; write password_file"),
        (Secret(missing="X"), "the variable X is not set"),
        (Secret(hash="x"), "there is no password, only its hash"),
    ],
)
def test_a_password_that_is_not_set_is_an_error_for_who_logs_in(secret: Secret, message: str) -> None:
    with pytest.raises(SecretUnavailable, match=message):
        read_secret(secret)


@pytest.mark.parametrize("name", ["password", "password_file", "password_hash"])
def test_a_password_that_is_not_set_is_no_error_to_load(tmp_path: Path, name: str) -> None:
    file = tmp_path / "msyncd.yaml"
    file.write_text(f"this_site: {{sync_id: 1, database: 'sqlite:///a.db', {name}: '${{NOT_SET}}/x'}}\n")
    loaded = load(file, environment={})
    assert loaded.warnings == ()
    assert loaded.settings.this_site.password == Secret(missing="NOT_SET")


def test_an_old_password_is_for_the_primary(tmp_path: Path) -> None:
    file = tmp_path / "msyncd.yaml"
    text = "this_site: {sync_id: 2, database: 'sqlite:///a.db', password_file: new, old_password_file: old}\n"
    file.write_text(text + "sync_with: [{sync_id: 1, url: 'https://central.example.org'}]\n")
    with pytest.raises(ConfigurationInvalid) as invalid:
        load(file, environment={})
    (problem,) = [one for one in invalid.value.problems if "password" in one.message]
    assert (problem.line, problem.column, problem.message) == (1, 92, "a satellite logs in with one password")


def test_credentials_of_systemd_are_found(tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "password").write_text("geheim")
    file = tmp_path / "msyncd.yaml"
    text = "this_site: {sync_id: 1, database: 'sqlite:///a.db', password_file: '${CREDENTIALS_DIRECTORY}/password'}\n"
    file.write_text(text)
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    assert read_secret(load(file, environment=environment).settings.this_site.password) == "geheim"


def test_a_hash_verifies_its_password_alone() -> None:
    made = hash_password("geheim")
    assert made != hash_password("geheim")
    assert is_hash(made)
    assert verify_password(Secret(hash=made), "geheim")
    assert not verify_password(Secret(hash=made), "geheim ")
    assert not verify_password(Secret(hash=made), "")


def test_a_password_is_verified_without_a_hash_too() -> None:
    assert verify_password(Secret(value="pässword"), "pässword")
    assert not verify_password(Secret(value="geheim"), "geheim2")
    with pytest.raises(SecretUnavailable):
        verify_password(Secret(), "")


@pytest.mark.parametrize(
    "text",
    ["", "geheim", "scrypt$1$1$1$x", "scrypt$16384$8$1$!$!", "scrypt$1073741824$8$1$c2FsdA==$aGFzaGhhc2hoYXNoaGFzaA==",
     "scrypt$1000$8$1$c2FsdA==$aGFzaGhhc2hoYXNoaGFzaA==", "bcrypt$16384$8$1$c2FsdA==$aGFzaGhhc2hoYXNoaGFzaA=="],
)  # fmt: skip
def test_what_is_no_hash_verifies_nothing(text: str) -> None:
    assert not is_hash(text)
    assert not verify_password(Secret(hash=text), text)


def test_a_secret_does_not_show_itself() -> None:
    assert "geheim" not in repr(Secret(value="geheim", hash="geheim"))
