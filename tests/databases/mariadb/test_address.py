"""What a URL says of a server, and that no password is ever shown."""

from pathlib import Path

import pytest

from msyncd.databases import open_database
from msyncd.databases.mariadb import address
from msyncd.databases.mariadb.address import Address, address_of
from msyncd.errors import DatabaseUnavailable, WrongUsage

SECRET = "s3cr'et@/:%"


def test_every_part_of_a_url_is_understood() -> None:
    found = address_of("mariadb://us%40er:s3cr%27et%40%2F%3A%25@db.example.org:3307/store%20s?ssl_ca=/etc/ca.pem")
    assert found == Address("store s", "db.example.org", 3307, "us@er", SECRET, None, {"ssl_ca": "/etc/ca.pem"})
    assert SECRET not in repr(found)
    assert SECRET not in str(found)


def test_localhost_without_a_port_means_the_socket_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = tmp_path / "mysqld.sock"
    monkeypatch.setattr(address, "SOCKETS", (str(socket),))
    assert address_of("mariadb://u@localhost/d").unix_socket is None
    socket.touch()
    assert address_of("mysql://u@localhost/d").unix_socket == str(socket)
    assert address_of("mariadb:///d").unix_socket == str(socket)
    assert address_of("mariadb://u@localhost:3306/d").unix_socket is None
    assert address_of("mariadb://u@127.0.0.1/d").unix_socket is None
    assert address_of("mariadb://u@h/d?unix_socket=/run/x").unix_socket == "/run/x"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mariadb://u:geheim@h", "names no database"),
        ("mariadb://u:geheim@h:abc/d", "is not a number"),
        ("mariadb://u:geheim@h/d?charset=latin1", "unknown option charset"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(url: str, words: str) -> None:
    with pytest.raises(WrongUsage, match=words) as wrong:
        address_of(url)
    assert "geheim" not in str(wrong.value)


def test_a_server_that_is_not_there_is_a_matter_of_trying_later() -> None:
    database = open_database("mariadb://u:geheim@127.0.0.1:1/d")
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1") as missing:
        database.describe()
    assert "geheim" not in str(missing.value)
