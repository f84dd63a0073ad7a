"""`msyncd quarantine`, `explain`, `sites`, `plugins` and `check-connection` on real sites."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.commands.support import Country, answer, invoke, run

REFUSING = """\
from msyncd import Refuse, hookimpl


@hookimpl
def msyncd_check(record_type, changes, origin):
    if record_type.name != "transact" or origin == 1:
        return None
    return [Refuse("the period is closed") if status == "xx" else None for status in changes.column("status")]
"""


@pytest.fixture
def refused(country: Country) -> Iterator[Country]:
    """A country where the primary, which answers, has refused transact T1 with its line, and taken T2."""
    country.write("periods.py", REFUSING)
    country.edit(country.primary, "state_directory", "plugins: [{module: periods.py}]\nstate_directory")
    country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)")
    with country.serving():
        assert invoke("sync", "-c", country.satellite).exit_code == 0
        country.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S2', NULL, 'xx'), ('T2', 'S2', NULL, 'nw');")
        country.execute("satellite", "INSERT INTO trans_line VALUES (1, 'T1', 'I1', 5), (2, 'T2', 'I1', 6);")
        assert invoke("sync", "-c", country.satellite).exit_code == 1
        yield country


def _listed(country: Country, *more: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = answer("quarantine", "list", "-c", country.primary, *more)
    return listed


def test_the_list_is_an_array_that_scripts_rely_on(refused: Country) -> None:
    header, line = _listed(refused)
    assert set(header) == {"id", "record_type", "key", "site", "store", "reason", "plugin", "since", "row"}
    assert (header["record_type"], header["key"], header["site"], header["store"]) == ("transact", ["T1"], 2, "S2")
    assert (header["reason"], header["plugin"]) == ("the period is closed", "periods")
    assert header["row"] == {"ID": "T1", "store_ID": "S2", "name_ID": None, "status": "xx"}
    assert datetime.fromisoformat(header["since"]).tzinfo is not None
    assert (line["record_type"], line["key"], line["row"]["quantity"]) == ("trans_line", [1], 5)
    assert [one["record_type"] for one in _listed(refused, "--type", "trans_line")] == ["trans_line"]
    assert _listed(refused, "--site", "3") == []


def test_the_list_for_people(refused: Country) -> None:
    headings, first, _ = invoke("quarantine", "list", "-c", refused.primary).stdout.splitlines()
    assert headings.split() == ["id", "record", "site", "store", "reason", "by", "since"]
    assert "transact T1" in first
    assert "BUM" in first
    assert "the period is closed" in first
    assert first.split()[-3] == "periods"


def test_one_entry_whole_beside_what_stands_here(refused: Country) -> None:
    number = _listed(refused)[0]["id"]
    refused.execute("primary", "UPDATE msyncd_store SET active_site = 1")  # so that the guard lets the test write
    refused.execute("primary", "INSERT INTO transact VALUES ('T1', 'S2', NULL, 'fn')")
    text = invoke("quarantine", "show", str(number), "-c", refused.primary).stdout
    assert "transact T1: a write from site 2" in text
    assert "periods said: the period is closed" in text
    assert ["≠", "status", "xx", "fn"] in [line.split() for line in text.splitlines()]
    assert ["store_ID", "S2", "S2"] in [line.split() for line in text.splitlines()]
    assert answer("quarantine", "show", str(number), "-c", refused.primary)["here"]["status"] == "fn"
    assert run("quarantine", "show", "99", "-c", refused.primary).returncode == 1


def test_retry_applies_what_is_now_allowed(refused: Country) -> None:
    ids = [str(one["id"]) for one in _listed(refused)]
    still = invoke("quarantine", "retry", *ids, "-c", refused.primary)
    assert still.exit_code == 1
    now = [one["id"] for one in _listed(refused)]
    assert len(now) == 2
    assert f"{now[0]}: the period is closed" in still.stdout, "by the number that it has now"
    refused.write("periods.py", REFUSING.replace('"xx"', '"yy"'))
    applied = invoke("quarantine", "retry", "--all", "-c", refused.primary)
    assert applied.exit_code == 0, applied.stdout
    assert _listed(refused) == []
    assert refused.rows("primary", "SELECT ID FROM trans_line ORDER BY ID") == [(1,), (2,)]


def test_discard_forgets_the_entry_and_leaves_the_record(refused: Country) -> None:
    result = invoke("quarantine", "discard", "--type", "transact", "--site", "2", "-c", refused.primary)
    assert result.stdout == "discarded 1 entry\n"
    assert [one["record_type"] for one in _listed(refused)] == ["trans_line"]
    assert answer("quarantine", "discard", "--all", "-c", refused.primary)["discarded"] == 1
    assert refused.rows("satellite", "SELECT ID FROM transact ORDER BY ID") == [("T1",), ("T2",)]


@pytest.mark.parametrize("given", [[], ["1", "--all"], ["1", "--type", "item"]])
def test_entries_are_chosen_in_one_way(refused: Country, given: list[str]) -> None:
    assert invoke("quarantine", "discard", *given, "-c", refused.primary).exit_code == 2
    assert len(_listed(refused)) == 2


def test_before_init_nothing_is_in_quarantine(country: Country) -> None:
    assert answer("quarantine", "list", "-c", country.primary) == []
    assert invoke("quarantine", "list", "-c", country.primary).stdout == "nothing is in quarantine\n"
    assert country.traces("primary") == []


# --- explain ----------------------------------------------------------------------------------------------------------


def _explained(country: Country, site: str, *key: str) -> dict[str, Any]:
    told: dict[str, Any] = answer("explain", "-c", country.folder / f"{site}.yaml", *key)
    return told


def _goes_to(told: dict[str, Any]) -> dict[int, str]:
    return {one["site"]: one["reason"] for one in told["destinations"]}


def test_a_central_record(refused: Country) -> None:
    told = _explained(refused, "satellite", "item", "I1")
    assert (told["here"], told["why_here"]) == (True, "sent_to: every_site")
    assert (told["may_edit"], told["refusal"]) == (False, "item is edited on the primary (sync ID 1) only")
    assert _goes_to(told) == dict.fromkeys((1, 2, 3), "sent_to: every_site")
    told = _explained(refused, "primary", "item", "I1")
    assert (told["may_edit"], told["refusal"], told["unsent_to"]) == (True, None, [3])


def test_a_line_goes_where_its_header_goes(refused: Country) -> None:
    told = _explained(refused, "primary", "trans_line", "2")
    assert told["key"] == [2], "the number, as the database has it"
    assert told["header"] == {"record_type": "transact", "key": ["T2"]}
    assert (told["store"]["code"], told["store"]["active_site"]) == ("BUM", 2)
    assert told["refusal"] == "store BUM is active on site 2, not here"
    assert _goes_to(told) == {1: "it keeps copies of all stores", 2: "store BUM is active there"}
    assert told["unsent_to"] == []


def test_the_other_party_of_a_transfer(refused: Country) -> None:
    refused.execute("satellite", "INSERT INTO transact VALUES ('T3', 'S2', 'N3', 'nw')")
    told = _explained(refused, "satellite", "transact", "T3")
    assert _goes_to(told)[3] == "also_sent_to: name_ID is store KAL, which is active there"
    assert told["unsent_to"] == [1]
    assert told["may_edit"] is True


def test_the_guard_says_what_explain_says(refused: Country) -> None:
    import sqlite3

    for site, sql, key in (
        ("satellite", "UPDATE item SET price = 9", ("item", "I1")),
        ("primary", "UPDATE transact SET status = 'cn'", ("transact", "T2")),
        ("primary", "UPDATE trans_line SET quantity = 9", ("trans_line", "2")),
    ):
        told = _explained(refused, site, *key)
        with pytest.raises(sqlite3.DatabaseError) as refusal:
            refused.execute(site, sql)
        assert str(refusal.value) == told["refusal"]


def test_what_is_in_quarantine_is_said(refused: Country) -> None:
    told = _explained(refused, "primary", "transact", "T1")
    assert (told["here"], told["why_here"]) == (False, "no such record is known on the primary")
    (entry,) = told["quarantine"]
    assert entry["reason"] == "a write from site 2: the period is closed"
    text = invoke("explain", "transact", "T1", "-c", refused.primary).stdout
    assert "a write from site 2: the period is closed" in text


def test_a_plugin_that_routes(refused: Country) -> None:
    route = (
        "from msyncd import Route, hookimpl\n\n\n@hookimpl\ndef msyncd_route(record_type, changes):\n"
        "    if record_type.name == 'item':\n"
        "        return [Route(remove_sites=frozenset({3}))] * len(changes)\n"
        "    return [Route(add_sites=frozenset({3}))] * len(changes)\n"
    )
    refused.write("periods.py", route)
    assert set(_goes_to(_explained(refused, "primary", "item", "I1"))) == {1, 2}
    goes = _goes_to(_explained(refused, "primary", "transact", "T2"))
    assert goes[3] == "a plugin that routes sends it there"


def test_a_relayed_record_is_known_at_the_primary(country: Country) -> None:
    country.edit(country.primary, ", copies_of: all", ", copies_of: []")
    country.edit(country.primary, "name: Kalo,", "name: Kalo, copies_of: [BUM],")
    with country.serving():
        invoke("sync", "-c", country.satellite)
        country.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S2', NULL, 'nw')")
        assert invoke("sync", "-c", country.satellite).exit_code == 0
    told = _explained(country, "primary", "transact", "T1")
    assert told["here"] is False
    assert told["why_here"].startswith("it passed through here")
    assert _goes_to(told) == {
        1: "every copy passes through the primary, which keeps none of this store",
        2: "store BUM is active there",
        3: "it keeps copies of store BUM",
    }


HIDES = """
from msyncd import Route, hookimpl


@hookimpl
def msyncd_route(record_type, changes):
    if record_type.name != "transact":
        return None
    return [Route(remove_sites=frozenset({3})) if one == "hide" else None for one in changes.column("status")]
"""


def test_a_plugin_that_routes_is_asked_of_a_relayed_record_too(country: Country) -> None:
    country.write("hides.py", HIDES)
    country.edit(country.primary, ", copies_of: all", ", copies_of: []")
    country.edit(country.primary, "name: Kalo,", "name: Kalo, copies_of: [BUM],")
    country.edit(country.primary, "record_types:", "plugins: [{module: hides.py}]\nrecord_types:")
    with country.serving():
        invoke("sync", "-c", country.satellite)
        rows = "('T1', 'S2', NULL, 'hide'), ('T2', 'S2', NULL, 'nw')"
        country.execute("satellite", f"INSERT INTO transact VALUES {rows}")
        line = "INSERT INTO item VALUES ('I1', 'x', 1)"
        country.execute("primary", line)
        invoke("sync", "-c", country.satellite)
        country.execute("satellite", "INSERT INTO trans_line VALUES (1, 'T1', 'I1', 1)")
        assert invoke("sync", "-c", country.satellite).exit_code == 0
    assert country.rows("primary", "SELECT ID FROM transact") == []
    assert set(_goes_to(_explained(country, "primary", "transact", "T1"))) == {1, 2}
    assert set(_goes_to(_explained(country, "primary", "transact", "T2"))) == {1, 2, 3}
    assert _explained(country, "primary", "transact", "T1")["not_asked"] == []
    country.execute("primary", "DELETE FROM msyncd_spool WHERE type = 'transact'")  # as when every destination has it
    for record in (("transact", "T1"), ("trans_line", "1")):
        assert _explained(country, "primary", *record)["not_asked"] == ["hides"]
        assert "  not asked   hides: " in invoke("explain", *record, "-c", country.primary).stdout


@pytest.mark.parametrize(
    ("given", "words"), [(["itm", "I1"], "there are item, store, "), (["item", "I1", "I2"], "the key of item is ID")]
)
def test_what_cannot_be_explained(country: Country, given: list[str], words: str) -> None:
    done = invoke("explain", *given, "-c", country.satellite)
    assert done.exit_code == 2
    assert words in done.stderr


# --- sites, plugins, check-connection ---------------------------------------------------------------------------------


def test_sites(refused: Country) -> None:
    central, bumban, kalo = answer("sites", "list", "-c", refused.primary)
    assert set(central) >= {"sync_id", "name", "active_stores", "copies_of", "url", "state", "last_success"}
    assert (central["sync_id"], central["state"], central["copies_of"]) == (1, None, "all")
    assert (bumban["active_stores"], bumban["copies_of"], bumban["state"]) == (["BUM"], ["CMS"], "ok")
    assert (kalo["state"], kalo["last_success"]) == ("never", None)
    at_satellite = answer("sites", "list", "-c", refused.satellite)
    assert [one["sync_id"] for one in at_satellite] == [1, 2, 3], "as the primary has told it"
    assert at_satellite[0]["url"].startswith("http://127.0.0.1:")
    assert "Kalo" in invoke("sites", "list", "-c", refused.satellite).stdout


def test_plugins(refused: Country) -> None:
    document = answer("plugins", "-c", refused.primary)
    *built_in, periods = document["plugins"]
    assert [one["name"] for one in built_in] == ["edited_on", "active_site", "sent_to", "also_sent_to"]
    assert (periods["name"], periods["builtin"], periods["hooks"]) == ("periods", False, ["msyncd_check"])
    assert periods["origin"] == str(refused.folder / "periods.py")
    assert "periods" in invoke("plugins", "-c", refused.primary).stdout
    refused.write("periods.py", "import nothing_of_that_name\n")
    done = invoke("plugins", "-c", refused.primary)
    assert done.exit_code == 78
    assert "periods.py:1:1: " in done.stdout


def test_check_connection_in_steps(refused: Country) -> None:
    done = run("check-connection", "-c", refused.satellite, "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"]) == (0, True)
    names = [step["name"] for step in document["steps"]]
    assert names == ["name", "tcp", "log-in", "versions", "sync ID", "stores", "clock"]


def test_check_connection_has_no_side_effects(country: Country) -> None:
    with country.serving():
        at_primary = country.rows("primary", "SELECT * FROM msyncd_site")
        done = invoke("check-connection", "-c", country.satellite)
        assert done.exit_code == 0, done.stdout
        assert country.rows("primary", "SELECT * FROM msyncd_site") == at_primary
    assert country.traces("satellite") == [], "not even the ledger is made"
    assert not (country.folder / "state2").exists()


def test_check_connection_says_what_to_do(country: Country) -> None:
    done = invoke("check-connection", "-c", country.satellite)
    assert done.exit_code == 1
    assert "failed  tcp" in done.stdout
    assert "→ does the primary run and listen there?" in done.stdout
    assert invoke("check-connection", "-c", country.primary).exit_code == 2
    country.database("satellite").unlink()
    assert invoke("check-connection", "-c", country.satellite).exit_code == 75
