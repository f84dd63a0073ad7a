"""Sites as an admin has them: YAML files and SQLite databases in a folder, commands, a primary that answers."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from msyncd.commands import cli
from msyncd.flow.opening import open_site
from msyncd.flow.primary import Primary
from msyncd.flow.world import FlowWorld
from msyncd.plugins import Plugins
from msyncd.rules import BUILTIN
from msyncd.settings import load
from msyncd.settings.values import Listen
from msyncd.wire.api import SyncApi
from msyncd.wire.app import build_app
from msyncd.wire.login import Account, Login
from msyncd.wire.server import Server
from msyncd.wire.tokens import Tokens
from tests import warm
from tests.servers import absent

ROOT = Path(__file__).parents[2]

SCHEMA = """
CREATE TABLE item (ID TEXT PRIMARY KEY, name TEXT NOT NULL, price NUMERIC);
CREATE TABLE store (ID TEXT PRIMARY KEY, code TEXT, name_ID TEXT);
CREATE TABLE transact (ID TEXT PRIMARY KEY, store_ID TEXT, name_ID TEXT, status TEXT CHECK (status <> 'bad'));
CREATE TABLE trans_line (ID INTEGER PRIMARY KEY, transaction_ID TEXT REFERENCES transact, item_ID TEXT REFERENCES item,
    quantity NUMERIC);
CREATE INDEX trans_line_transaction ON trans_line (transaction_ID);
CREATE INDEX trans_line_item ON trans_line (item_ID);
"""

STORES = """
INSERT INTO store VALUES ('S1', 'CMS', 'N1'), ('S2', 'BUM', 'N2'), ('S3', 'KAL', 'N3');
"""

RECORD_TYPES = """\
stores: {table: store, key: ID, code: code, name: name_ID}
record_types:
  item: {table: item, key: ID, edited_on: primary, sent_to: every_site}
  store: {table: store, key: ID, edited_on: primary, sent_to: every_site}
  transact:
    table: transact
    key: ID
    edited_on: active_site
    sent_to: sites_of_store
    store: store_ID
    also_sent_to: {store_of_name: name_ID}
  trans_line:
    table: trans_line
    key: ID
    edited_on: active_site
    sent_to: sites_of_store
    store: {through: transaction_ID, of: transact}
"""

PRIMARY = """\
this_site: {sync_id: 1, name: Central, database: "sqlite:///primary.db", active_stores: [CMS], copies_of: all,
            user_name: sync, password_file: password}
sync_with:
  - {sync_id: 2, name: Bumban, active_stores: [BUM], copies_of: [CMS]}
  - {sync_id: 3, name: Kalo, active_stores: [KAL]}
record_types: [types.yaml]
state_directory: state1
"""

SATELLITE = """\
this_site: {sync_id: 2, name: Bumban, database: "sqlite:///satellite.db", user_name: sync, password_file: password}
sync_with:
  - {sync_id: 1, name: Central, url: "http://127.0.0.1:1"}
record_types: [types.yaml]
state_directory: state2
"""


@dataclass
class Country:
    """A primary and a satellite in one folder. `primary` and `satellite` are their configurations."""

    folder: Path
    primary: Path = field(init=False)
    satellite: Path = field(init=False)

    def __post_init__(self) -> None:
        self.primary = self.write("primary.yaml", PRIMARY)
        self.satellite = self.write("satellite.yaml", SATELLITE)
        self.write("types.yaml", RECORD_TYPES)
        self.write("password", "secret\n").chmod(0o600)
        for name in ("primary", "satellite"):
            with closing(sqlite3.connect(self.database(name))) as connection:
                connection.executescript(SCHEMA)
        self.execute("primary", STORES)

    def write(self, name: str, text: str) -> Path:
        """A file of the folder."""
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        return file

    def edit(self, file: Path, old: str, new: str) -> None:
        """Replace a text that stands in a file."""
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def database(self, name: str) -> Path:
        """The file of a site's database."""
        return self.folder / f"{name}.db"

    def execute(self, name: str, sql: str) -> None:
        """What the application writes."""
        with closing(sqlite3.connect(self.database(name))) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.executescript(sql)
            connection.commit()

    def rows(self, name: str, sql: str) -> list[tuple[Any, ...]]:
        """What stands in a site's database."""
        with closing(sqlite3.connect(self.database(name))) as connection:
            return connection.execute(sql).fetchall()

    def traces(self, name: str) -> list[str]:
        """Everything of msyncd in a site's database."""
        return [row[0] for row in self.rows(name, "SELECT name FROM sqlite_master WHERE name LIKE 'msyncd%'")]

    @contextmanager
    def serving(self) -> Iterator[Primary]:
        """The primary answers, and the satellite's file names its address."""
        settings = load(self.primary).settings
        plugins, _ = Plugins.load(settings.plugins, builtin=BUILTIN)
        primary = Primary(open_site(settings, plugins).here)
        plugins.connect(FlowWorld(lambda: primary.here))
        login = Login(_OneAccount(), lambda: 0.0, lambda _given: False)
        api = SyncApi(primary, login, Tokens(b"k" * 32, lambda: 0.0, seconds=600), primary.news)
        server = Server(build_app(api, ready=lambda: True), Listen(port=0), closing=api.close)
        server.start()
        url = server.url
        self.edit(self.satellite, "http://127.0.0.1:1", url)
        try:
            yield primary
        finally:
            server.stop(10)
            self.edit(self.satellite, url, "http://127.0.0.1:1")


class _OneAccount:
    """Every site logs in with the same password."""

    def account(self, sync_id: int) -> Account | None:
        return Account("sync", lambda given: given == "secret", "1") if sync_id in (2, 3) else None

    def highest(self) -> int:
        return 64


def run(*arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`msyncd` as a process of its own: for exit statuses and what stands on which stream."""
    return warm.run(*arguments, environment=environment)


def as_others(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    """`msyncd` by somebody whom the rights of files hold, as they do not hold root."""
    command = [sys.executable, "-m", "msyncd", *map(str, words)]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            absent("root cannot become powerless: setpriv is needed")
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--", *command]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def invoke(*arguments: str | Path) -> Result:
    """`msyncd` in this process; what is not expected is raised."""
    return CliRunner().invoke(cli, [str(one) for one in arguments], catch_exceptions=False)


def answer(*arguments: str | Path) -> Any:
    """What `--json` says, in this process."""
    result = invoke(*arguments, "--json")
    assert result.stderr == "" or not result.stderr.startswith("Error"), result.stderr
    return json.loads(result.stdout)
