"""Where a MariaDB server is and who we are there, from the URL that the settings give."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from msyncd.errors import WrongUsage

PORT: Final = 3306
SOCKETS: Final = (
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
)
"""Where distributions put the server's socket."""

OPTIONS: Final = frozenset({"unix_socket", "ssl_ca", "ssl_cert", "ssl_key"})
_EXAMPLE: Final = "write it as mariadb://USER:PASSWORD@HOST/NAME"


@dataclass(frozen=True, slots=True)
class Address:
    """A server, a database on it, and the log-in. `unix_socket`, if given, is used instead of host and port."""

    database: str
    host: str = "localhost"
    port: int = PORT
    user: str | None = None
    password: str = field(default="", repr=False)
    unix_socket: str | None = None
    tls: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        where = self.unix_socket or f"{self.host}:{self.port}"
        return f"the MariaDB database {self.database} at {where}"


def address_of(url: str) -> Address:
    """What a mariadb:// or mysql:// URL says. Raises WrongUsage, without the password.

    Options after `?`: `unix_socket`, `ssl_ca`, `ssl_cert`, `ssl_key`. As with MariaDB's own client, `localhost` without
    a port means the server's socket, where there is one.
    """
    parts = urlsplit(url)
    database = unquote(parts.path.strip("/"))
    if not database:
        raise WrongUsage("the URL of the database names no database", hint=_EXAMPLE)
    try:
        port = parts.port
    except ValueError:
        raise WrongUsage("the port in the URL of the database is not a number", hint=_EXAMPLE) from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for unknown in sorted(options.keys() - OPTIONS):
        raise WrongUsage(
            f"the URL of the database has an unknown option {unknown}", hint=f"known are {', '.join(sorted(OPTIONS))}"
        )
    host = parts.hostname or "localhost"
    socket = options.pop("unix_socket", None)
    if socket is None and host == "localhost" and port is None:
        socket = next((path for path in SOCKETS if Path(path).exists()), None)
    return Address(
        database,
        host,
        port or PORT,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password or ""),
        socket,
        options,
    )
