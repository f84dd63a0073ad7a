"""An idle cycle is one request, writes nothing, and looks at no table of the application."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from msyncd.databases.sqlite import connection as opening
from msyncd.databases.sqlite import database
from tests.flow.support import stock_sites


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


def test_an_idle_cycle_is_one_request_and_no_scan(tmp_path: Path, statements: list[str]) -> None:
    with stock_sites(tmp_path) as sites:
        sites[2].write("INSERT INTO stock VALUES ('k', 's-BUM', 'i-1', NULL, 5, NULL)")
        sites.sync()
        sites[2].cycle()
        asked = len(sites[2].line.messages)
        statements.clear()
        sites[2].cycle()
        said = list(statements)
        assert [kind for kind, _, _ in sites[2].line.messages[asked:]] == ["pull"]
        assert not [one for one in said if one.split()[0] in {"INSERT", "UPDATE", "DELETE", "REPLACE", "COMMIT"}]
        tables = [row[0] for row in sites[2].connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        own = [name for name in tables if not name.startswith(("msyncd_", "sqlite_"))]
        for one in said:
            if one.startswith("SELECT"):
                plan = " ".join(str(row) for row in sites[2].connection.execute(f"EXPLAIN QUERY PLAN {one}"))
                assert not [name for name in own if f"SCAN {name}" in plan], one
