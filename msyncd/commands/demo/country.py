"""The demo's country: a central medical store and two district stores, each site with a folder, YAML and database."""

import contextlib
import json
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msyncd.commands.demo.database import new_database, sample_file

PASSWORD_FILE: Final = "password"
_LOWEST_PORT: Final = 20_000
_PORTS: Final = 12_000


@dataclass(frozen=True, slots=True)
class Place:
    """One site: where its store is active, and of which stores it keeps copies (None: of all)."""

    sync_id: int
    name: str
    short: str
    store: str
    copies_of: frozenset[str] | None = frozenset()

    def holds(self, store: str) -> bool:
        """Whether the stock and transactions of this store are held here."""
        return store == self.store or self.copies_of is None or store in self.copies_of

    def folder(self, top: Path) -> Path:
        """Where its configuration, database and log are."""
        return top / self.short.lower()

    def database(self, top: Path) -> Path:
        """Its database."""
        return self.folder(top) / "store.db"

    def configuration(self, top: Path) -> Path:
        """Its YAML."""
        return self.folder(top) / "msyncd.yaml"


CENTRAL: Final = Place(1, "Central medical store", "Central", "CMS", None)
BUMBAN: Final = Place(2, "Bumban district store", "Bumban", "BUM", frozenset({"CMS"}))
KALO: Final = Place(3, "Kalo district store", "Kalo", "KAL")
PLACES: Final = (CENTRAL, BUMBAN, KALO)
SATELLITES: Final = (BUMBAN, KALO)

_PRIMARY = """\
# The primary of the demo: it names every satellite, and keeps copies of all stores.
this_site:
  sync_id: 1
  name: {name}
  database: sqlite:///store.db
  active_stores: [{store}]
  copies_of: all
  user_name: sync
  password_file: ../password
listen: {{host: 127.0.0.1, port: {port}}}
sync_with:
{satellites}
record_types: [{record_types}]
plugins:
  - module: transfers
"""

_SATELLITE = """\
# A satellite of the demo: it names the primary alone.
this_site:
  sync_id: {sync_id}
  name: {name}
  database: sqlite:///store.db
  active_stores: [{store}]
  copies_of: [{copies_of}]
  user_name: sync
  password_file: ../password
sync: {{interval: 1s, live: true}}
sync_with:
  - {{sync_id: 1, name: {primary}, url: "{url}"}}
record_types: [{record_types}]
plugins:
  - module: transfers
"""


def found_country(top: Path) -> None:
    """Make a folder and an empty database for every site, and the password that they share."""
    password = top / PASSWORD_FILE
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24), encoding="ascii")
    for place in PLACES:
        place.folder(top).mkdir()
        new_database(place.database(top))


def configure(top: Path, port: int, urls: dict[int, str]) -> None:
    """Write the YAML of every site: where the primary listens, and under which address each satellite calls it."""
    # JSON is YAML: quoted so, a path may have any name
    record_types = json.dumps(str(sample_file("msupply.yaml")))
    satellites = "\n".join(
        f"  - {{sync_id: {one.sync_id}, name: {one.name}, active_stores: [{one.store}], copies_of: [{_copies(one)}]}}"
        for one in SATELLITES
    )
    text = _PRIMARY.format(
        name=CENTRAL.name, store=CENTRAL.store, port=port, satellites=satellites, record_types=record_types
    )
    CENTRAL.configuration(top).write_text(text, encoding="utf-8")
    for one in SATELLITES:
        text = _SATELLITE.format(
            sync_id=one.sync_id,
            name=one.name,
            store=one.store,
            copies_of=_copies(one),
            primary=CENTRAL.name,
            url=urls[one.sync_id],
            record_types=record_types,
        )
        one.configuration(top).write_text(text, encoding="utf-8")


def _copies(place: Place) -> str:
    return ", ".join(sorted(place.copies_of or ()))


def free_port() -> int:
    """A port of this machine that nobody listens on just now.

    It lies below those that outgoing connections are given, so that none of them takes it before the primary does.
    """
    while True:
        port = _LOWEST_PORT + secrets.randbelow(_PORTS)
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
