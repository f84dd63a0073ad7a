"""Databases, sites and addresses as an admin writes them: understood, made uniform, or refused in words."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from msyncd.settings.sources import absolute

_SERVERS: Final = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "postgresql+psycopg": "postgresql",
    "mariadb": "mariadb",
    "mysql": "mariadb",
    "mariadb+pymysql": "mariadb",
    "mysql+pymysql": "mariadb",
}
_EXAMPLES: Final = "write sqlite:///FILE, postgresql://… or mariadb://…"
_PASSWORD_OPTION: Final = re.compile(r"([?&]password=)([^&]*)", re.IGNORECASE)
_HOST: Final = re.compile(r"\[[0-9A-Fa-f:.%]+\](:[0-9]+)?|[A-Za-z0-9._-]+(:[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Understood:
    """An address made uniform, or what is wrong with it (`message`, following the setting's name) and what to do."""

    url: str | None
    message: str = ""
    hint: str = ""


def database_url(written: str, base: Path) -> Understood:
    """The database's URL: an SQLite file becomes absolute, mysql:// becomes mariadb://."""
    scheme, separator, rest = written.partition("://")
    if not separator:
        return Understood(None, "must be a database's URL", _EXAMPLES)
    if scheme.lower() == "sqlite":
        return _sqlite_url(rest, base)
    if scheme.lower() not in _SERVERS:
        return Understood(None, f"begins with {_short(scheme)}://, which is no database that msyncd knows", _EXAMPLES)
    url = f"{_SERVERS[scheme.lower()]}://{rest}"
    parts = _split(url)
    if parts is None or not parts.path.strip("/"):
        return Understood(None, "does not name a database", f"write it as {_SERVERS[scheme.lower()]}://HOST/NAME")
    return Understood(url)


def _sqlite_url(rest: str, base: Path) -> Understood:
    if not rest.startswith("/"):
        return Understood(None, "must have three slashes before the file", "e.g. sqlite:///store.db")
    file, question, options = rest[1:].partition("?")
    if file in {"", ":memory:"} or "mode=memory" in options:
        return Understood(None, "must be a file: what is in memory is gone with the daemon", "e.g. sqlite:///store.db")
    return Understood(f"sqlite:///{absolute(base, file)}{question}{options}")


def has_password(database: str) -> bool:
    """Whether a password stands in the database's URL as it is written, and not only the name of a variable."""
    parts = _split(database)
    written = (parts.password or "") if parts else ""
    found = _PASSWORD_OPTION.search(database)
    return any(text and not text.startswith("${") for text in (written, found[2] if found else ""))


def without_password(database: str) -> str:
    """The database's URL as it may be shown."""
    database = _PASSWORD_OPTION.sub(r"\1***", database)
    scheme, separator, rest = database.partition("://")
    authority, slash, path = rest.partition("/")
    if "@" not in authority:
        authority, at, path = rest.rpartition("@")  # a password may hold a slash
        if not at or scheme == "sqlite":
            return database
        return f"{scheme}{separator}{authority.split(':', 1)[0]}@{path}"
    user, at, host = authority.rpartition("@")
    return f"{scheme}{separator}{user.split(':', 1)[0]}{at}{host}{slash}{path}"


def site_url(written: str, *, scheme_required: bool = False) -> Understood:
    """The URL of a site, without a slash at its end. A bare host name or IP address means https."""
    example = "e.g. https://central.example.org:8443"
    if "://" not in written:
        if scheme_required or not _HOST.fullmatch(written):
            return Understood(None, "must begin with https://", example)
        written = f"https://{written}"
    parts = _split(written)
    if parts is None or parts.scheme not in {"http", "https"}:
        return Understood(None, "must begin with https://", example)
    if not parts.hostname:
        return Understood(None, "does not name a host", example)
    if parts.username is not None or parts.password is not None:
        return Understood(None, "must not hold a user name or password", "write user_name and password_file beside it")
    if parts.query or parts.fragment or not _HOST.fullmatch(parts.netloc):
        return Understood(None, "must be a plain address", example)
    return Understood(written.rstrip("/"))


def proxy_url(written: str) -> Understood:
    """The URL of a proxy."""
    parts = _split(written)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        return Understood(None, "must be a proxy's URL", "e.g. http://proxy.local:3128")
    return Understood(written)


def is_plain_http(url: str) -> bool:
    """Whether what goes to that URL can be read on the way to another machine."""
    parts = _split(url)
    return parts is not None and parts.scheme == "http" and not is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Whether an address is this very machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def host_and_port(written: str) -> tuple[str, int] | None:
    """ADDRESS:PORT, or None if it is not that."""
    if "://" in written or "/" in written or not _HOST.fullmatch(written):
        return None
    parts = _split(f"//{written}")
    return (parts.hostname, parts.port) if parts and parts.hostname and parts.port is not None else None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _short(text: str) -> str:
    return text if len(text) <= 20 else text[:19] + "…"
