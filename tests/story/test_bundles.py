"""Sticks between real daemons (P37): the line goes and comes back, commands are killed, nothing is lost or doubled."""

import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from msyncd.commands.demo import application
from tests.story.processes import Installation, installation

STORES = ("CMS", "BUM")


def command(sites: Installation, sync_id: int, *words: object) -> "subprocess.Popen[str]":
    """`msyncd` at a site, as a process."""
    line = [sys.executable, "-m", "msyncd", *map(str, words), "--json", "-c", str(sites.configuration(sync_id))]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(running: "subprocess.Popen[str]") -> dict[str, Any]:
    """What it says; it must have gone well."""
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    told: dict[str, Any] = json.loads(out)
    return told


class Writing(threading.Thread):
    """The application at a site goes on writing transactions of its store, and remembers them."""

    def __init__(self, connection: sqlite3.Connection, store: str, seed: int) -> None:
        super().__init__(daemon=True)
        self._connection, self._store, self._dice = connection, store, random.Random(seed)
        self.written: list[str] = []
        self.done = threading.Event()

    def run(self) -> None:
        store = self._connection.execute("SELECT ID FROM store WHERE code = ?", (self._store,)).fetchone()[0]
        name = self._connection.execute("SELECT ID FROM name WHERE supplier = 1 ORDER BY ID").fetchone()[0]
        while not self.done.wait(0.02):
            key = uuid.UUID(int=self._dice.getrandbits(128)).hex.upper()
            self._connection.execute(
                "INSERT INTO transact (ID, name_ID, store_ID, type, status, invoice_num, entry_date)"
                " VALUES (?, ?, ?, 'si', 'fn', ?, '2026-11-01')",
                (key, name, store, len(self.written)),
            )
            self.written.append(key)


def transactions(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT ID FROM transact ORDER BY ID")]


def central_data(connection: sqlite3.Connection) -> list[list[tuple[Any, ...]]]:
    return [connection.execute(f"SELECT ID FROM {one} ORDER BY ID").fetchall() for one in ("item", "name", "store")]


def names(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT ID, item_name FROM item ORDER BY ID").fetchall()


def both_ways(sites: Installation, stick: Path) -> None:
    """A stick goes to the primary and comes back."""
    there, back = stick.with_suffix(".up"), stick.with_suffix(".down")
    said(command(sites, 2, "export", there))
    said(command(sites, 1, "import", there))
    said(command(sites, 1, "export", "--site", 2, back))
    said(command(sites, 2, "import", back))


@pytest.mark.long  # some twenty commands, each a process of its own
@pytest.mark.timeout(400)
def test_p37_sticks_and_the_line_in_turn_while_both_ends_write(tmp_path: Path) -> None:
    random_, clock = random.Random(1), lambda: datetime(2026, 11, 1, tzinfo=UTC)
    with (
        installation(tmp_path, STORES) as sites,
        closing(sites.connect(1)) as central,
        closing(sites.connect(2)) as far,
    ):
        application.create_central_data(central, random=random_, clock=clock)
        sites.start(1)
        sites.start(2)
        sites.wait_until("the satellite is filled", lambda: central_data(far) == central_data(central), 60)
        active = "SELECT count(*) FROM msyncd_store WHERE active_site = 2"
        sites.wait_until("its store is active there", lambda: far.execute(active).fetchone()[0] == 1, 30)

        sites.kill(1)  # the line is gone; the satellite's daemon goes on trying
        writing = Writing(sites.connect(2), "BUM", 2)
        writing.start()
        central.execute("UPDATE item SET item_name = item_name || ', by stick'")
        both_ways(sites, tmp_path / "first")
        arrived = transactions(central)
        assert 0 < len(arrived) <= len(writing.written)
        assert names(far) == names(central)

        killed = 0
        for number in range(4):  # each import is killed somewhere, and then run once more
            stick = tmp_path / f"killed{number}"
            said(command(sites, 2, "export", stick))
            running = command(sites, 1, "import", stick)
            time.sleep(0.4 + 0.15 * number)
            running.kill()
            killed += running.wait() != 0
            running.communicate()
            said(command(sites, 1, "import", stick))
        assert killed

        old = tmp_path / "first.up"
        sites.start(1)  # the line is back while sticks are on their way
        central.execute("UPDATE item SET item_name = item_name || ', and by line'")
        for number in range(2):
            both_ways(sites, tmp_path / f"beside{number}")
        assert said(command(sites, 1, "import", old))["applied"] == 0
        writing.done.set()
        writing.join()

        expected = sorted(writing.written)
        sites.wait_until("all that was written arrives", lambda: transactions(central) == expected, 60)
        sites.wait_until("what the primary wrote arrives", lambda: names(far) == names(central), 60)
        both_ways(sites, tmp_path / "last")
        assert transactions(central) == transactions(far) == expected
        for one in (central, far):
            for table in ("msyncd_quarantine", "msyncd_waiting", "msyncd_kept"):
                assert one.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0, table
