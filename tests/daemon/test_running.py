"""Daemons in processes of their own: live, stopped, killed, started again."""

import signal
import sqlite3
import time
from pathlib import Path

import pytest

from msyncd.daemon.control import ask
from msyncd.daemon.single import daemon_runs
from tests import warm
from tests.daemon.conftest import Country, until

REFUSES = """
from msyncd import Refuse, hookimpl


@hookimpl
def msyncd_check(record_type, changes):
    return [Refuse("not this one") if key == ("bad",) else None for key in changes.keys]
"""


def test_a_change_shows_at_the_other_end_at_once(country: Country) -> None:
    country.start(1, 2)
    until(lambda: country.count(2, "store") == 3)
    time.sleep(0.3)
    down, up = list[float](), list[float]()
    for number in range(8):
        country.item(f"i{number}")
        down.append(until(lambda number=number: country.has(2, "item", f"i{number}"), 5))  # type: ignore[misc]
        country.stock(2, f"k{number}", "s2")
        up.append(until(lambda number=number: country.has(1, "stock", f"k{number}"), 5))  # type: ignore[misc]
    print("primary to satellite, ms:", [round(one * 1000) for one in down])
    print("satellite to primary, ms:", [round(one * 1000) for one in up])
    assert max(down) < 2
    assert max(up) < 2
    assert sorted(down)[4] < 0.5
    assert sorted(up)[4] < 0.5


def test_no_line_is_waited_out_and_nothing_is_lost(country: Country) -> None:
    """The satellite comes first; the primary comes, goes and comes back."""
    country.start(2)
    until(lambda: "it cannot be reached" in country.log(2))
    country.start(1)
    until(lambda: country.count(2, "store") == 3, 20)
    country.signal(1, signal.SIGTERM)
    assert country.ended(1) == 0
    country.stock(2, "k1", "s2")
    country.item("i1")
    country.start(1)
    until(lambda: country.has(1, "stock", "k1") and country.has(2, "item", "i1"), 30)
    assert country.log(2).count("it cannot be reached") < 6


def test_a_database_that_is_away_is_waited_for(country: Country) -> None:
    database = country.folder / "site2.db"
    country.db[2].close()
    for ending in ("", "-wal", "-shm"):
        file = Path(f"{database}{ending}")
        if file.exists():
            file.rename(f"{file}.away")
    country.start(1, 2)
    until(lambda: "there is no database" in country.log(2))

    def told() -> str:
        lines = list(ask(country.state(2), {"do": "sync"}) or ())
        assert lines[-1]["error"]["try_later"]
        return str(lines[-1]["error"]["what"])

    until(lambda: "there is no database" in told())  # it is logged a moment before it is told
    country.db[2] = country._database(2)
    until(lambda: country.count(2, "store") == 3)


@pytest.mark.parametrize("site", [1, 2])
def test_sigterm_in_the_middle_finishes_the_batch_in_hand(country: Country, site: int) -> None:
    rows = [(f"i{number:05}", "x" * 200) for number in range(15_000)]
    with country.db[1]:
        country.db[1].execute("BEGIN")
        country.db[1].executemany("INSERT INTO item VALUES (?, ?)", rows)
    country.start(1, 2)
    until(lambda: country.count(2, "item") > 0, 20)
    country.signal(site, signal.SIGTERM)
    country.signal(site, signal.SIGTERM)  # a second one changes nothing
    assert country.ended(site) == 0
    between = country.count(2, "item")
    assert country.db[2].execute("PRAGMA integrity_check").fetchone() == ("ok",)
    country.start(site)
    until(lambda: country.count(2, "item") == len(rows), 40)
    print("stopped after", between, "of", len(rows))
    assert country.rows(1, "item") == country.rows(2, "item")
    assert "Traceback" not in country.log(1) + country.log(2)


def test_sigkill_loses_and_doubles_nothing(country: Country) -> None:
    country.start(1, 2)
    until(lambda: country.count(2, "store") == 3)
    for number, site in enumerate((2, 1, 2)):
        with country.db[2]:
            country.db[2].execute("BEGIN")
            country.db[2].executemany(
                "INSERT INTO stock VALUES (?, 's2', NULL, 1)", [(f"k{number}-{one}",) for one in range(2000)]
            )
        time.sleep(0.05 * number)
        country.signal(site, signal.SIGKILL)
        country.ended(site)
        country.start(site)
    until(lambda: country.count(1, "stock") == 6000, 30)
    assert country.rows(1, "stock") == country.rows(2, "stock")
    assert not country.rows(1, "msyncd_quarantine")


def test_a_state_directory_is_for_one_daemon_and_its_user_alone(country: Country) -> None:
    country.start(1)
    second = warm.run("run", "-c", country.config(1))
    assert second.returncode == 75
    assert "another msyncd runs" in second.stderr
    assert daemon_runs(country.state(1))
    assert country.answers(1)
    for name in ("control.sock", "daemon.json", "daemon.lock"):
        assert (country.state(1) / name).stat().st_mode & 0o077 == 0, name
    assert country.state(1).stat().st_mode & 0o077 == 0
    country.signal(1, signal.SIGINT)
    assert country.ended(1) == 0
    report = country.report(1)
    assert report["stopped"] is not None
    assert report["listening"] is None
    assert ask(country.state(1), {"do": "ping"}) is None
    assert not daemon_runs(country.state(1))


def test_an_invalid_configuration_ends_the_start_with_78_and_every_problem(country: Country) -> None:
    country.edit("site2.yaml", "sync_id: 2", "sync_id: 99")
    country.edit("site2.yaml", "live: true", "life: true")
    done = warm.run("run", "-c", country.config(2))
    assert done.returncode == 78
    assert len(done.stdout.splitlines()) >= 2
    assert "sync_id must be from 1 to 64, not 99" in done.stdout
    assert "life" in done.stdout


def test_a_plugin_that_does_not_load_ends_the_start_with_78(country: Country) -> None:
    country.write("broken.py", "this is not python\n")
    country.edit("site2.yaml", "state_directory", "plugins: [{module: broken.py}]\nstate_directory")
    done = warm.run("run", "-c", country.config(2))
    assert done.returncode == 78
    assert "broken.py" in done.stdout


def test_a_site_that_stands_alone_stays_quiet_until_it_has_somebody_to_sync_with(country: Country) -> None:
    country.edit(
        "site2.yaml", "sync_with: [{sync_id: 1, name: Central, url:", "# sync_with: [{sync_id: 1, name: Central, url:"
    )
    country.start(1, 2)
    until(lambda: "there is nothing to sync with" in country.log(2))
    assert country.running[2].poll() is None
    country.edit("site2.yaml", "# sync_with", "sync_with")
    until(lambda: country.count(2, "store") == 3)


def test_a_locked_database_is_waited_out_and_no_password_or_token_is_logged(country: Country) -> None:
    for site in (1, 2):
        country.edit(f"site{site}.yaml", "state_directory", "log: {level: debug}\nstate_directory")
    country.start(1, 2)
    until(lambda: country.count(2, "store") == 3)
    blocker = sqlite3.connect(country.folder / "site2.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    country.item("i1")
    time.sleep(1.0)
    blocker.execute("COMMIT")
    blocker.close()
    until(lambda: country.has(2, "item", "i1"), 20)
    key = country.db[1].execute("SELECT value FROM msyncd_meta WHERE name = 'token_key'").fetchone()[0]
    report = (country.state(2) / "daemon.json").read_text()
    everything = country.log(1) + country.log(2) + report
    assert "hunter2" not in everything
    assert key not in everything
    assert "msyncd starts" in country.log(2)


def test_what_two_ends_disagree_on_stands_in_both_logs_once_and_when_it_is_over(country: Country) -> None:
    """Kalo's table lacks a column, so a record type is stopped. Nobody looks at `status` before then."""
    country.db[3].execute("ALTER TABLE item DROP COLUMN name")
    country.start(1, 3)
    until(lambda: "item: site 3 has no column name" in country.log(3))
    until(lambda: "item: site 3 has no column name site=3" in country.log(1))
    for _ in range(2):
        assert any("result" in line for line in ask(country.state(3), {"do": "sync"}) or ())
    country.db[3].execute("ALTER TABLE item ADD COLUMN name TEXT")
    country.signal(3, signal.SIGHUP)
    until(lambda: "both ends agree again" in country.log(3) and "both ends agree again" in country.log(1))
    assert country.log(1).count("has no column name") == country.log(3).count("has no column name") == 1


def test_refused_changes_stand_in_the_primarys_log_with_the_first_reason(country: Country) -> None:
    country.write("no.py", REFUSES)
    country.edit("site1.yaml", "state_directory", "plugins: [{module: no.py}]\nstate_directory")
    country.start(1, 2)
    until(lambda: country.has(2, "store", "s2"))
    country.stock(2, "bad", "s2")
    until(lambda: "changes refused" in country.log(1))
    (line,) = [one for one in country.log(1).splitlines() if "changes refused" in one]
    assert "warning" in line
    assert all(one in line for one in ("site=2", "changes=1", 'record="stock bad"', 'reason="not this one"'))


def test_a_satellite_says_what_it_could_not_take(country: Country) -> None:
    country.db[2].executescript(
        "DROP TABLE item; CREATE TABLE item (ID TEXT PRIMARY KEY, name TEXT CHECK (length(name) < 9))"
    )
    country.start(1, 2)
    country.item("first")
    until(lambda: country.has(2, "item", "first"))
    assert "quarantined=1" not in country.log(2)
    country.item("long", "a name that is too long")
    until(lambda: "in quarantine here" in country.log(2))
    line = next(one for one in country.log(2).splitlines() if "in quarantine here" in one)
    assert (
        ' warning changes that came are in quarantine here, see `msyncd quarantine list` changes=1 record="item' in line
    )
    assert "CHECK constraint failed" in line
    country.item("second")
    until(lambda: country.has(2, "item", "second"))
    assert country.log(2).count("quarantined=1") == 1, "each is counted once"
    assert country.log(2).count("in quarantine here") == 1
