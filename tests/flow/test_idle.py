"""An idle cycle is one request and looks at no table of the application. It writes nothing; only that it went well is
noted in the ledger, every ten minutes at most."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from msyncd.databases.sqlite import connection as opening
from msyncd.databases.sqlite import database
from msyncd.errors import PeerUnreachable
from msyncd.flow.status import PeerStatus, peers
from msyncd.testing import OneSite
from tests.flow.support import logged, stock_sites

WRITES = {"INSERT", "UPDATE", "DELETE", "REPLACE", "COMMIT"}


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
        assert not [one for one in said if one.split()[0] in WRITES]
        tables = [row[0] for row in sites[2].connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        own = [name for name in tables if not name.startswith(("msyncd_", "sqlite_"))]
        for one in said:
            if one.startswith("SELECT"):
                plan = " ".join(str(row) for row in sites[2].connection.execute(f"EXPLAIN QUERY PLAN {one}"))
                assert not [name for name in own if f"SCAN {name}" in plan], one


def test_after_a_first_fill_nothing_is_left_to_receive(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        assert [(one.state, one.to_send, one.to_receive) for one in standing(sites[2])] == [("ok", 0, 0)]
        assert [(one.state, one.to_send) for one in standing(sites.primary)] == [("ok", 0), ("ok", 0)]


def test_idle_cycles_keep_a_site_from_being_late_without_touching_the_log(
    tmp_path: Path, statements: list[str]
) -> None:
    """Four idle days, and both ends start anew: by their ledgers alone all is well, and there was no write but this."""
    with stock_sites(tmp_path) as sites:
        logs = [logged(site) for site in sites]
        for _ in range(4):
            sites.clock.advance(days=1)
            sites[2].cycle()
            statements.clear()
            sites.clock.advance(minutes=9)
            sites[2].cycle()
            assert not [one for one in statements if one.split()[0] in WRITES]
        sites.primary.restart()
        sites[2].restart()
        assert [one.state for one in standing(sites[2])] == ["ok"]
        assert [(one.sync_id, one.state) for one in standing(sites.primary)] == [(2, "ok"), (3, "silent")]
        assert [logged(site) for site in sites] == logs


def test_a_hello_without_a_cycle_is_no_success(tmp_path: Path) -> None:
    with stock_sites(tmp_path) as sites:
        sites.clock.advance(days=2)
        sites[2].line.fail("pull", "lost request")
        sites[2].restart()
        with pytest.raises(PeerUnreachable):
            sites[2].cycle()
        assert [one.state for one in standing(sites[2])] == ["late"]
        assert standing(sites.primary)[0].state == "late"


def test_a_site_that_takes_nothing_in_is_no_success_at_the_primary(tmp_path: Path) -> None:
    """It asks again and again for the same, since it cannot apply it."""
    with stock_sites(tmp_path) as sites:
        sites.primary.write("UPDATE item SET name = 'x'")
        for _ in range(3):
            sites.clock.advance(days=1)
            sites[2].line.fail("pull", "lost reply")
            with pytest.raises(PeerUnreachable):
                sites[2].cycle()
        assert standing(sites.primary)[0].state == "silent"


@pytest.mark.parametrize("busy", [1, 2])
def test_a_locked_database_does_not_make_an_idle_cycle_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy: int
) -> None:
    """That the cycle went well is noted by the next one."""
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0.01)
    with stock_sites(tmp_path) as sites:
        sites.clock.advance(days=2)
        with sites[busy].transaction():
            sites[2].cycle()
        assert standing(sites[busy])[0].state == "late"
        sites[2].cycle()
        assert standing(sites[busy])[0].state == "ok"


def standing(site: OneSite) -> tuple[PeerStatus, ...]:
    """How a site stands with its peers, by its ledger alone."""
    with site.here.database.read() as reader:
        return peers(reader, site.here, installed=True, heard={}, now=site.here.clock())
