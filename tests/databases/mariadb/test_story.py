"""Real daemons on a MariaDB server that is killed and started again beside them: nothing is lost, nothing comes twice.

`MSYNCD_TEST_TRANSACTIONS=5000` makes it long.
"""

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pymysql
import pytest
import yaml

from msyncd.testing.application import Connection, connect
from tests.databases.mariadb.test_sites import SCHEMA
from tests.flow.support import TYPES
from tests.mariadb_server import PrivateServer

MANY = int(os.environ.get("MSYNCD_TEST_TRANSACTIONS", "150"))
LINES = 3
STORES = {1: "CMS", 2: "BUM", 3: "KAL"}


class Daemons:
    """A primary and two satellites: site 1 and 3 on MariaDB, site 2 on SQLite; each daemon a process of its own."""

    def __init__(self, folder: Path, server: PrivateServer) -> None:
        self.folder = folder
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = int(one.getsockname()[1])
        server.run("CREATE DATABASE site1 COLLATE utf8mb4_nopad_bin", "CREATE DATABASE site3 COLLATE utf8mb4_nopad_bin")
        self.urls = {1: server.url("site1"), 2: f"sqlite:///{folder / 'site2.db'}", 3: server.url("site3")}
        self._sockets = str(server.socket)
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        (folder / "types.yaml").write_text(TYPES)
        for site in STORES:
            connection = self.connect(site)
            connection.script(SCHEMA)
            if site == 1:
                connection.execute(
                    "INSERT INTO store VALUES ('s-CMS', 'CMS', NULL), ('s-BUM', 'BUM', NULL), ('s-KAL', 'KAL', NULL)"
                )
            connection.close()
            self._configuration(site).write_text(yaml.safe_dump(self._settings(site)))
            self._configuration(site).chmod(0o600)

    def connect(self, site: int) -> Connection:
        """The application's connection."""
        if site == 2:
            return connect(self.urls[2])
        return _over_socket(self._sockets, f"site{site}")

    def start(self, site: int) -> None:
        with (self.folder / f"site{site}.log").open("ab") as log:
            command = [sys.executable, "-m", "msyncd", "run", "-c", str(self._configuration(site))]
            self._running[site] = subprocess.Popen(command, stdout=log, stderr=log)

    def type(self, site: int, *words: str) -> str:
        """What an admin types at a site: it must be done, and this is what it says."""
        command = [sys.executable, "-m", "msyncd", *words, "-c", str(self._configuration(site))]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def kill(self, site: int) -> None:
        daemon = self._running.pop(site)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()

    def stop(self) -> None:
        for daemon in self._running.values():
            daemon.terminate()
        for daemon in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(20)
            daemon.kill()
            daemon.wait()
        self._running.clear()

    def wait_until(self, what: str, true: Callable[[], bool], seconds: float = 180) -> None:
        end = time.monotonic() + seconds
        while not _answers(true):
            for site, daemon in self._running.items():
                assert daemon.poll() is None, f"the daemon of site {site} ended\n{self.logs()}"
            assert time.monotonic() < end, f"not within {seconds} s: {what}\n{self.logs()}"
            time.sleep(0.2)

    def logs(self) -> str:
        return "\n".join(
            f"--- site {site}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-25:])
            for site in STORES
            if (path := self.folder / f"site{site}.log").exists()
        )

    def _configuration(self, site: int) -> Path:
        return self.folder / f"site{site}.yaml"

    def _settings(self, site: int) -> dict[str, Any]:
        mine = {
            "sync_id": site,
            "name": f"site {site}",
            "database": self.urls[site],
            "user_name": "sync",
            "password": "x",
        }
        settings: dict[str, Any] = {
            "this_site": mine, "state_directory": f"state{site}", "record_types": ["types.yaml"],
            "log": {"level": "warning"},
        }  # fmt: skip
        if site == 1:
            mine |= {"active_stores": ["CMS"], "copies_of": "all"}
            settings["listen"] = {"port": self.port}
            settings["sync_with"] = [
                {"sync_id": number, "name": f"site {number}", "active_stores": [code]}
                for number, code in STORES.items()
                if number != 1
            ]
        else:
            settings["sync_with"] = [{"sync_id": 1, "name": "site 1", "url": f"http://127.0.0.1:{self.port}"}]
            settings["sync"] = {"interval": "1s"}
        return settings


def _over_socket(path: str, database: str) -> Connection:
    from msyncd.testing.application import MariaDBConnection

    made = MariaDBConnection.__new__(MariaDBConnection)
    made.driver = pymysql.connect(
        unix_socket=path, user="root", password="", database=database, charset="utf8mb4", autocommit=True
    )
    made.errors = pymysql.err.Error
    return made


def _answers(true: Callable[[], bool]) -> bool:
    try:
        return true()
    except (pymysql.err.Error, sqlite3.Error):
        return False


@contextmanager
def running(folder: Path, server: PrivateServer) -> Iterator[Daemons]:
    one = Daemons(folder, server)
    try:
        yield one
    finally:
        one.stop()


def post(daemons: Daemons, site: int, count: int) -> None:
    """The application posts invoices with lines; where its server goes away, it begins the transaction again."""
    connection: Connection | None = None
    number = 0
    give_up = time.monotonic() + 300
    while number < count:
        assert time.monotonic() < give_up
        try:
            connection = connection or daemons.connect(site)
            key = f"{site}-{number}"
            if not connection.execute("SELECT 1 FROM invoice WHERE id = ?", (key,)):
                with connection.transaction():
                    connection.execute(
                        "INSERT INTO invoice (id, store_id, status) VALUES (?, ?, 'nw')", (key, f"s-{STORES[site]}")
                    )
                    for line in range(LINES):
                        connection.execute(
                            "INSERT INTO line VALUES (?, ?, 'i-1', NULL, ?)", (f"{key}-{line}", key, line)
                        )
                if number % 5 == 0:
                    connection.execute("UPDATE invoice SET status = 'fn' WHERE id = ?", (key,))
            number += 1
        except pymysql.err.Error:
            connection = None
            time.sleep(0.2)


def rows(daemons: Daemons, site: int, sql: str) -> list[tuple[Any, ...]]:
    connection = daemons.connect(site)
    try:
        return sorted(connection.execute(sql), key=repr)
    finally:
        connection.close()


@pytest.mark.timeout(600)
def test_p14_servers_and_daemons_are_killed_and_nothing_is_lost_or_doubled(
    private_server: PrivateServer, tmp_path: Path
) -> None:
    with running(tmp_path, private_server) as daemons:
        central = daemons.connect(1)
        central.execute("INSERT INTO item VALUES ('i-1', 'AMO', 'amoxicillin')")
        central.close()
        for site in STORES:
            daemons.start(site)
        known = "SELECT store FROM msyncd_store"
        daemons.wait_until("the satellites know their stores", lambda: all(
            ("s-BUM",) in rows(daemons, site, known) and rows(daemons, site, "SELECT id FROM item") for site in (2, 3)
        ))  # fmt: skip
        posting = [threading.Thread(target=post, args=(daemons, site, MANY)) for site in (1, 2, 3)]
        for thread in posting:
            thread.start()
        dice = random.Random(5)
        for what in (1, "server", 3, 1, "server", 2):
            time.sleep(dice.uniform(0.7, 1.5))
            if what == "server":
                private_server.kill()
                time.sleep(0.5)
                private_server.start()
            else:
                daemons.kill(int(what))
                time.sleep(dice.uniform(0.1, 0.5))
                daemons.start(int(what))
        for thread in posting:
            thread.join()
        expected = [(3 * MANY, 3 * MANY * LINES)]
        counted = "SELECT (SELECT count(*) FROM invoice), (SELECT count(*) FROM line)"
        daemons.wait_until("everything has arrived", lambda: rows(daemons, 1, counted) == expected)
        for site in (2, 3):
            mine = f"WHERE store_id = 's-{STORES[site]}'"
            for sql in (
                f"SELECT id, store_id, status FROM invoice {mine}",
                f"SELECT * FROM line WHERE invoice_id IN (SELECT id FROM invoice {mine})",
                "SELECT * FROM item",
                "SELECT * FROM store",
            ):
                daemons.wait_until(
                    f"{sql} agrees",
                    lambda site=site, sql=sql: rows(daemons, site, sql) == rows(daemons, 1, sql),  # type: ignore[misc]
                )
        for site in STORES:
            assert rows(daemons, site, "SELECT count(*) FROM msyncd_quarantine") == [(0,)]
            assert rows(daemons, site, "SELECT count(*) FROM msyncd_waiting") == [(0,)]


TRACES = (
    "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'msyncd%'"
    " UNION SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"
)


@pytest.mark.timeout(300)
def test_an_admin_s_commands_from_check_to_remove(private_server: PrivateServer, tmp_path: Path) -> None:
    """The primary and a satellite on MariaDB, another on SQLite; what one edits is seen at the others at once."""
    with running(tmp_path, private_server) as daemons:
        for site in STORES:
            assert "is in order" in daemons.type(site, "check")
        assert rows(daemons, 1, TRACES) == rows(daemons, 3, TRACES) == []
        for site in STORES:
            daemons.type(site, "init")
        assert len(rows(daemons, 1, TRACES)) > 20
        for site in STORES:
            daemons.start(site)
        edit(daemons, 1, "INSERT INTO item VALUES ('i-1', 'AMO', 'amoxicillin')")
        for site in (2, 3):
            daemons.wait_until("the item is there", lambda site=site: rows(daemons, site, "SELECT id FROM item") != [])  # type: ignore[misc]
        for site in (2, 3):
            edit(
                daemons,
                site,
                f"INSERT INTO invoice (id, store_id, status) VALUES ('v{site}', 's-{STORES[site]}', 'nw')",
            )
        both = [("v2",), ("v3",)]
        daemons.wait_until("the invoices are there", lambda: rows(daemons, 1, "SELECT id FROM invoice") == both)
        for site in STORES:
            status = json.loads(daemons.type(site, "status", "--json"))
            assert status["running"] is True
            assert {(peer["state"], peer["quarantine"]) for peer in status["peers"]} == {("ok", 0)}
        assert "item" in daemons.type(3, "explain", "item", "i-1")
        daemons.type(3, "compare")
        daemons.stop()
        for site in STORES:
            daemons.type(site, "remove")
        assert rows(daemons, 1, TRACES) == rows(daemons, 3, TRACES) == []
        assert rows(daemons, 1, "SELECT id FROM invoice") == both


def edit(daemons: Daemons, site: int, sql: str) -> None:
    connection = daemons.connect(site)
    connection.execute(sql)
    connection.close()


@pytest.mark.timeout(300)
def test_a_server_that_comes_back_is_picked_up_and_no_number_is_used_twice(
    private_server: PrivateServer, tmp_path: Path
) -> None:
    """P2: the log is emptied, the server is killed, and the next number goes on."""
    from msyncd.databases.mariadb.database import MariaDBDatabase
    from msyncd.databases.values import Capture
    from msyncd.errors import DatabaseUnavailable
    from msyncd.model import Cursor, RecordType

    private_server.run("CREATE DATABASE app COLLATE utf8mb4_nopad_bin")
    private_server.run("CREATE TABLE item (ID VARCHAR(9) PRIMARY KEY)", database="app")
    database = MariaDBDatabase(private_server.url("app"))
    item = RecordType("item", "item", ("ID",), ("ID",), "any_site", "every_site")
    database.describe()
    from msyncd.model import Facts

    database.install(Capture(2, (item,), Facts(0, {}, {})))
    private_server.run("INSERT INTO item VALUES ('a'), ('b'), ('c')", database="app")
    with database.read() as reader:
        end = reader.log_end()
    assert end == Cursor(0, 3)
    with database.write() as writer:
        assert writer.trim_log(end) == 3
    private_server.kill()
    with pytest.raises(DatabaseUnavailable), database.read():
        pass
    with pytest.raises(DatabaseUnavailable):
        database.data_version()
    private_server.start()
    with database.read() as reader:
        assert reader.log_end() == reader.log_start() == end
    private_server.run("INSERT INTO item VALUES ('d')", database="app")
    with database.read() as reader:
        page = reader.log_page(end, 10)
        assert [entry[-1] for entry in page.entries] == [4]
    another = MariaDBDatabase(private_server.url("app"))
    with another.read() as reader:
        assert reader.log_end() == Cursor(0, 4)
    database.close()
    another.close()
