"""What looking costs: no page, figure or sample scans a table of the application, and none writes to its database."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from msyncd.console.desk import FRESH_SECONDS
from msyncd.console.pages import PAGES
from msyncd.daemon.run import run
from msyncd.databases.sqlite import connection as opening
from msyncd.databases.sqlite import database
from tests.console.conftest import Consoles, Person, until
from tests.console.test_security import path_of

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that msyncd runs on any connection that it opens from now on."""
    said: list[str] = []
    connect = opening.connect

    def listening(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(said.append)
        return connection

    monkeypatch.setattr(database, "connect", listening)
    return said


def test_looking_scans_no_table_of_the_application_and_writes_nothing(tmp_path: Path, statements: list[str]) -> None:
    one = Consoles(tmp_path)
    stop = threading.Event()
    daemon = threading.Thread(target=run, args=(one.config(1),), kwargs={"stop": stop})
    daemon.start()
    try:
        until(lambda: one.shows(1))
        person = Person(one.url(1))
        person.log_in("amara")
        threading.Event().wait(FRESH_SECONDS + 1)  # what the start and the log-in did is over, and forgotten
        statements.clear()
        for page in PAGES:
            if page.method == "GET":
                person.get(path_of(page.path))
                person.get(f"{path_of(page.path)}?q=bum&days=30&type=item")
        person.get("/metrics")
        said = list(statements)
    finally:
        stop.set()
        daemon.join(30)
        tables = [row[0] for row in one.db[1].execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        own = [name for name in tables if not name.startswith(("msyncd_", "sqlite_"))]
        assert [text for text in said if text.split()[0] in {"INSERT", "UPDATE", "DELETE", "REPLACE", "COMMIT"}] == []
        looked = [text for text in said if text.startswith("SELECT")]
        assert any("msyncd_change_log" in text for text in looked)
        for text in looked:
            plan = " ".join(str(row) for row in one.db[1].execute(f"EXPLAIN QUERY PLAN {text}"))
            assert [name for name in own if f"SCAN {name}" in plan] == [], text
        one.close()
