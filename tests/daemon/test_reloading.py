"""An edit is taken in while the daemons run, as one value; a bad one changes nothing."""

import json
import signal
import time
from typing import Any

from msyncd.daemon.control import ask
from tests import warm
from tests.daemon.conftest import TYPES, Country, until

PLUGIN = """
from msyncd import Refuse, hookimpl

LIMIT = {limit}


@hookimpl
def msyncd_check(record_type, changes):
    if record_type.name != "stock":
        return None
    return [Refuse("too many") if change.row and change.value("quantity") > LIMIT else None for change in changes]
"""


def errors(country: Country, site: int) -> list[dict[str, Any]]:
    """The errors of the configuration that the daemon reports."""
    problems = country.report(site).get("problems", [])  # a daemon that just started has not written its report yet
    assert isinstance(problems, list)
    return [one for one in problems if one["severity"] == "error"]


def started(country: Country, *sites: int) -> None:
    country.start(*sites)
    for site in sites:
        until(lambda site=site: country.count(site, "store") == 3)  # type: ignore[misc]


def test_record_types(country: Country) -> None:
    started(country, 1, 2)
    country.db[1].execute("INSERT INTO note VALUES ('before', 'what stood there before counts')")
    country.write("types.yaml", TYPES + "  note: {table: note, key: ID, edited_on: primary, sent_to: every_site}\n")
    until(lambda: country.has(2, "note", "before"), 30)
    country.db[1].execute("INSERT INTO note VALUES ('after', '')")
    until(lambda: country.has(2, "note", "after"))
    country.write("types.yaml", TYPES)
    until(lambda: _columns(country, 1) == 0 and _columns(country, 2) == 0)
    country.db[2].execute("INSERT INTO note VALUES ('free', 'no guard any more')")
    country.item("i1")
    until(lambda: country.has(2, "item", "i1"))


def _columns(country: Country, site: int) -> int:
    """How many triggers stand on the table of notes."""
    sql = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'note'"
    return int(country.db[site].execute(sql).fetchone()[0])


def test_a_broken_file_or_a_table_that_is_not_there_changes_nothing_until_it_is_corrected(country: Country) -> None:
    started(country, 1, 2)
    for site in (1, 2):
        country.edit(f"site{site}.yaml", "record_types: [types.yaml]", "record_types: [types.yaml")
        until(lambda site=site: errors(country, site))  # type: ignore[misc]
    country.item("i1")
    country.stock(2, "k1", "s2")
    until(lambda: country.has(2, "item", "i1") and country.has(1, "stock", "k1"))
    assert "the last good one keeps running" in country.log(1)
    for site in (1, 2):
        country.edit(f"site{site}.yaml", "record_types: [types.yaml", "record_types: [types.yaml]")
        until(lambda site=site: not errors(country, site))  # type: ignore[misc]
        assert "the configuration is in order again, and as it was" in country.log(site)
    country.write("types.yaml", TYPES.replace("table: stock,", "table: stok,"))
    until(lambda: errors(country, 1) and errors(country, 2))
    assert "stok" in errors(country, 2)[0]["message"]
    country.stock(2, "k2", "s2")
    until(lambda: country.has(1, "stock", "k2"))
    country.write("types.yaml", TYPES)
    until(lambda: not errors(country, 1) and not errors(country, 2))
    country.edit("site2.yaml", "sync_id: 2", "sync_id: 3")
    until(lambda: errors(country, 2))
    wrong = errors(country, 2)[0]
    assert (wrong["file"], wrong["line"], wrong["column"]) == ("site2.yaml", 2, 22), "the place that `check` names"
    assert "has synced as site 2, not 3" in wrong["message"]


def _plugins(country: Country, file: str) -> list[dict[str, Any]]:
    done = warm.run("plugins", "--json", "-c", country.folder / file)
    assert done.returncode == 78, done.stderr
    plugins: list[dict[str, Any]] = json.loads(done.stdout)["plugins"]
    return plugins


def test_a_plugins_file_is_loaded_anew_and_a_broken_one_changes_nothing(country: Country) -> None:
    country.write("limit.py", PLUGIN.format(limit=10))
    country.edit("site1.yaml", "state_directory", "plugins: [{module: limit.py}]\nstate_directory")
    started(country, 1, 2)
    country.stock(2, "k1", "s2", 50)
    until(lambda: country.rows(1, "msyncd_quarantine"))
    assert not country.has(1, "stock", "k1")
    country.write("limit.py", PLUGIN.format(limit=100))
    until(lambda: 'is in force changed="only the text of limit.py"' in country.log(1))
    country.stock(2, "k2", "s2", 50)
    until(lambda: country.has(1, "stock", "k2"))
    country.write("limit.py", "this is not python\n")
    until(lambda: errors(country, 1))
    country.stock(2, "k3", "s2", 150)
    country.stock(2, "k4", "s2", 50)
    until(lambda: country.has(1, "stock", "k4"))
    assert not country.has(1, "stock", "k3")
    running = {one["name"]: one for one in _plugins(country, "site1.yaml")}
    assert running["limit"]["loads"] is False, "it runs as it was"
    assert running["limit"]["hooks"] == ["msyncd_check"]
    assert running["limit"]["calls"] > 0
    assert all(one["loads"] for name, one in running.items() if name != "limit")
    country.write("limit.py", PLUGIN.format(limit=1000))
    until(lambda: not errors(country, 1))
    country.stock(2, "k5", "s2", 150)
    until(lambda: country.has(1, "stock", "k5"))


def test_interval_0_pauses_everything_but_an_asked_cycle(country: Country) -> None:
    started(country, 1, 2)
    country.edit("site2.yaml", "interval: 5", "interval: 0")
    until(lambda: country.report(2).get("paused"))
    time.sleep(0.3)
    country.item("i1")
    country.stock(2, "k1", "s2")
    time.sleep(1.5)
    assert not country.has(2, "item", "i1")
    assert not country.has(1, "stock", "k1")
    lines = list(ask(country.state(2), {"do": "sync", "trust": {}}) or ())
    assert [line["progress"]["direction"] for line in lines[:-1]] == ["push", "pull"]
    assert (lines[-1]["result"]["sent"], lines[-1]["result"]["received"]) == (1, 1)
    assert country.has(2, "item", "i1")
    assert country.has(1, "stock", "k1")
    country.edit("site2.yaml", "interval: 0", "interval: 5")
    country.item("i2")
    until(lambda: country.has(2, "item", "i2"))


def test_the_interval_alone_brings_changes_when_live_is_off(country: Country) -> None:
    country.edit("site2.yaml", "interval: 5, live: true", "interval: 5, live: false")
    started(country, 1, 2)
    time.sleep(0.5)  # the look-out for local writes begins with a cycle
    country.item("i1")
    time.sleep(0.7)
    assert not country.has(2, "item", "i1")
    country.edit("site2.yaml", "interval: 5,", "interval: 1s,")
    until(lambda: country.has(2, "item", "i1"))
    country.item("i2")
    assert until(lambda: country.has(2, "item", "i2"), 5) < 3


def test_another_port_and_another_password_while_it_runs(country: Country) -> None:
    started(country, 1, 2)
    port = country.port + 1
    country.edit("site1.yaml", f"port: {country.port}", f"port: {port}")
    country.edit("site1.yaml", "hunter2hunter2", "hunter3hunter3")
    until(lambda: country.report(1).get("listening") == f"http://127.0.0.1:{port}")
    country.edit("site2.yaml", f":{country.port}", f":{port}")
    until(lambda: "user name or password of site 2 is not right" in country.log(2))
    country.item("i1")
    country.edit("site2.yaml", "hunter2hunter2", "hunter3hunter3")
    until(lambda: country.has(2, "item", "i1"), 30)


def test_a_new_satellite_and_a_store_that_is_declared_later(country: Country) -> None:
    country.edit("site1.yaml", "  - {sync_id: 3, name: Kalo, active_stores: [KAL]}\n", "")
    country.start(1, 3)
    until(lambda: "user name or password of site 3 is not right" in country.log(3))
    country.edit(
        "site1.yaml", "record_types:", "  - {sync_id: 3, name: Kalo, active_stores: [KAL, NEW]}\nrecord_types:"
    )
    until(lambda: country.count(3, "store") == 3, 40)
    country.db[1].execute("INSERT INTO store VALUES ('s4', 'NEW')")
    until(lambda: _active(country, "s4") == 3, 20)
    country.stock(3, "k1", "s4")
    until(lambda: country.has(1, "stock", "k1"))


def _active(country: Country, store: str) -> int | None:
    row = country.db[3].execute("SELECT active_site FROM msyncd_store WHERE store = ?", (store,)).fetchone()
    return None if row is None else row[0]


def test_sighup_reads_again_and_a_table_that_was_rebuilt_is_captured_again(country: Country) -> None:
    started(country, 1, 2)
    country.signal(1, signal.SIGHUP)
    country.db[1].executescript(
        """
        PRAGMA foreign_keys=OFF;
        CREATE TABLE item_new (ID TEXT PRIMARY KEY, name TEXT);
        INSERT INTO item_new SELECT ID, name FROM item;
        INSERT INTO item_new VALUES ('unseen', 'written while no trigger stood');
        DROP TABLE item;
        ALTER TABLE item_new RENAME TO item;
        """
    )
    until(lambda: country.has(2, "item", "unseen"), 20)
    country.item("seen")
    until(lambda: country.has(2, "item", "seen"))
    assert "capture was renewed" in country.log(1)
