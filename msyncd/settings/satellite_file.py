"""The YAML of a new satellite, made of its primary's: its hand-over file, to be carried to its server."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from msyncd.settings.editing.writing import Value, entry, inline
from msyncd.settings.values import PeerSite, Settings

PASSWORD_FILE: Final = "password"


@dataclass(frozen=True)
class HandOver:
    """What a satellite's file needs beside what the primary's says. `password` None: it is carried in a file.

    `public_key` is the primary's own, by which its bundles are known (P37).
    """

    url: str
    database: str
    password: str | None = None
    ca_certificate: str | None = None
    public_key: str = ""


def satellite_file(primary: Settings, site: PeerSite, given: HandOver) -> str:
    """The text of the satellite's YAML. Its stores are left out: the primary knows them."""
    user = site.user_name or primary.this_site.user_name
    here: dict[str, Value] = {"sync_id": site.sync_id, "name": site.name, "database": given.database, "user_name": user}
    if given.password is None:
        here["password_file"] = PASSWORD_FILE
    else:
        here["password"] = given.password
    lines = [
        "# yaml-language-server: $schema=msyncd.schema.json",
        f"# Site {site.sync_id}, {_plain(site.name)}: made by its primary, {_plain(primary.this_site.name)}.",
        "",
        "this_site:",
        *_section(here),
        "sync: {interval: 5}                 # minutes; changes also travel at once while the line is up",
        "sync_with:                          # a satellite syncs with the primary alone",
        *_primary(primary, given),
        f"record_types: {inline(record_type_files(primary))}",
    ]
    if not primary.state_directory.is_relative_to(primary.file.parent):
        lines.append(f"state_directory: {inline(str(primary.state_directory))}")  # that of the service, as a rule
    if primary.max_sync_id != 64:
        lines.append(f"max_sync_id: {primary.max_sync_id}")
    if given.url.startswith("http://") and primary.allow_plain_http:
        lines.append("allow_plain_http: true")
    return "\n".join(lines) + "\n"


def _primary(primary: Settings, given: HandOver) -> list[str]:
    first: dict[str, Value] = {"name": primary.this_site.name, "url": given.url}
    if given.public_key:
        first["public_key"] = given.public_key  # so that its bundles are known before the two have met
    if given.ca_certificate is not None:
        first["ca_certificate"] = given.ca_certificate
    return ["  - sync_id: 1", *(f"    {entry(key, value)}" for key, value in first.items())]


def _section(values: dict[str, Value]) -> list[str]:
    return [f"  {entry(key, value)}" for key, value in values.items()]


def record_type_files(primary: Settings) -> Sequence[str]:
    """The files of record types, as seen from the main file: the same stand on every site."""
    folder = primary.file.parent
    return [os.path.relpath(one, folder) for one in primary.files if one != primary.file]


def _plain(text: str) -> str:
    """A name within a comment: on one line."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
