"""`msyncd init` and `msyncd remove`: idempotent, the application's own left alone, also while it works."""

import sqlite3
from contextlib import closing

import pytest

from tests.commands.support import Country, answer, invoke, run

OWN = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'msyncd%' AND name NOT LIKE 'sqlite%' ORDER BY name"


def test_init_says_what_it_made_and_is_idempotent(country: Country) -> None:
    own = country.rows("satellite", OWN)
    first = run("init", "-c", country.satellite)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("Bumban: made ")
    made = country.traces("satellite")
    again = run("init", "-c", country.satellite)
    assert again.stdout == "Bumban: everything was in place; nothing was changed\n"
    assert country.traces("satellite") == made
    assert country.rows("satellite", OWN) == own


def test_init_as_a_document(country: Country) -> None:
    document = answer("init", "-c", country.satellite)
    assert set(document["made"]) <= set(country.traces("satellite"))
    assert "msyncd_change_log" in document["made"]
    assert answer("init", "-c", country.satellite)["made"] == []


def test_init_leaves_a_wrong_record_type_out_and_says_so(country: Country) -> None:
    country.edit(country.folder / "types.yaml", "{table: item,", "{table: itm,")
    done = run("init", "-c", country.satellite)
    assert done.returncode == 78
    assert "types.yaml:3:17: item: the database has no table itm" in done.stderr
    assert "msyncd_change_log" in country.traces("satellite"), "the other record types are captured"


def test_the_guard_holds_after_init_and_not_after_remove(country: Country) -> None:
    invoke("init", "-c", country.satellite)
    edit = "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)"
    with pytest.raises(sqlite3.DatabaseError, match=r"^item is edited on the primary \(sync ID 1\) only$"):
        country.execute("satellite", edit)
    invoke("remove", "-c", country.satellite)
    country.execute("satellite", edit)


def test_both_work_while_another_program_has_the_database_open(country: Country) -> None:
    with closing(sqlite3.connect(country.database("satellite"))) as application:
        application.execute("PRAGMA journal_mode=WAL")
        application.execute("BEGIN")
        assert application.execute("SELECT count(*) FROM item").fetchone() == (0,)
        assert invoke("init", "-c", country.satellite).exit_code == 0
        assert application.execute("SELECT count(*) FROM item").fetchone() == (0,)
        application.execute("COMMIT")
        application.execute("BEGIN")
        application.execute("SELECT count(*) FROM transact").fetchone()
        assert invoke("remove", "-c", country.satellite).exit_code == 0
        application.execute("COMMIT")
        assert application.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_database_that_is_locked_for_long_is_a_matter_of_trying_later(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msyncd.databases.sqlite.connection.BUSY_SECONDS", 0.2)
    with closing(sqlite3.connect(country.database("satellite"), isolation_level=None)) as application:
        application.execute("BEGIN IMMEDIATE")
        done = invoke("init", "-c", country.satellite)
        application.execute("ROLLBACK")
    assert done.exit_code == 75
    assert "locked" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_state_directory_on_a_disk_that_is_not_there_is_said_in_one_line(country: Country) -> None:
    (country.folder / "state2").symlink_to("/nowhere/state2")
    done = invoke("init", "-c", country.satellite)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: the state directory {country.folder}/state2 cannot be written: ")
    assert done.stderr.endswith("; create it for this user\n")


def test_remove_takes_every_trace_away_and_says_what_goes(country: Country) -> None:
    own = country.rows("satellite", OWN)
    country.edit(country.satellite, "user_name", "active_stores: [S2], user_name")
    invoke("init", "-c", country.satellite)
    country.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S2', NULL, 'nw')")
    done = run("remove", "-c", country.satellite)
    assert done.returncode == 0
    assert done.stdout.startswith("dropped ")
    assert country.traces("satellite") == []
    assert country.rows("satellite", OWN) == own
    assert country.rows("satellite", "SELECT ID FROM transact") == [("T1",)]
    again = run("remove", "-c", country.satellite)
    assert (again.returncode, again.stdout) == (0, "there was nothing to remove\n")


def test_remove_tells_what_is_forgotten(country: Country) -> None:
    with country.serving():
        assert invoke("sync", "-c", country.satellite).exit_code == 0
        country.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S2', NULL, 'nw')")
        assert invoke("sync", "-c", country.satellite).exit_code == 0
        country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)")
    country.execute("satellite", "INSERT INTO transact VALUES ('T2', 'S2', NULL, 'nw')")
    document = answer("remove", "-c", country.satellite)
    assert (document["not_sent_yet"], document["waiting"], document["in_quarantine"]) == (1, 0, 0), "T1 was sent"
    assert "msyncd_change_log" in document["dropped"]
    document = answer("remove", "-c", country.primary)
    assert document["not_sent_yet"] == 1, "I1 to site 2; what came from it does not go back, site 3 never was there"
