"""`msyncd sync` and `msyncd status` against a primary that answers."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from msyncd.flow.status import peer_state
from tests.commands.support import Country, answer, invoke, run

HEADER = "INSERT INTO transact VALUES ('{0}', 'S2', {1}, 'nw'); INSERT INTO trans_line VALUES ({2}, '{0}', 'I1', 5);"


def test_a_cycle_brings_both_sites_level(country: Country) -> None:
    country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)")
    with country.serving():
        first = run("sync", "-c", country.satellite)
        assert (first.returncode, first.stdout) == (0, "sent 0 changes, received 4 changes\n")
        assert first.stderr.startswith("received ")
        country.execute("satellite", HEADER.format("T1", "NULL", 1))
        second = run("sync", "-c", country.satellite, "--json")
    assert second.returncode == 0
    assert second.stderr == ""
    document = json.loads(second.stdout)
    assert (document["sent"], document["received"], document["left"]) == (2, 0, [])
    assert country.rows("primary", "SELECT * FROM trans_line") == [(1, "T1", "I1", 5)]


def test_a_primary_that_does_not_answer(country: Country) -> None:
    done = run("sync", "-c", country.satellite)
    assert done.returncode == 75
    assert "127.0.0.1:1: it cannot be reached" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_password_is_refused(country: Country) -> None:
    with country.serving():
        country.write("password", "guess\n")
        done = run("sync", "-c", country.satellite)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "guess" not in done.stderr


def test_what_was_refused_stays_until_it_is_corrected(country: Country) -> None:
    country.edit(country.folder / "types.yaml", "store: store_ID", "application_triggers: fire\n    store: store_ID")
    country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)")
    country.execute(
        "primary",
        "CREATE TRIGGER strict BEFORE INSERT ON transact WHEN NEW.status = 'xx' BEGIN"
        " SELECT RAISE(ABORT, 'no such status'); END",
    )
    with country.serving():
        invoke("sync", "-c", country.satellite)
        country.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S2', NULL, 'xx')")
        done = invoke("sync", "-c", country.satellite)
        assert done.exit_code == 1
        assert "1 refused" in done.stdout
        assert "left: 1 in quarantine\n" in done.stdout
        assert "see `msyncd quarantine list`" in done.stderr
        country.execute("satellite", "UPDATE transact SET status = 'nw'")
        assert invoke("sync", "-c", country.satellite).exit_code == 0


def test_joining_with_records_on_both_ends_asks_which_stand(country: Country) -> None:
    country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)")
    country.execute("satellite", "INSERT INTO item VALUES ('I1', 'amoxi', 4), ('I2', 'Paracetamol', 1)")
    with country.serving():
        undecided = run("sync", "-c", country.satellite)
        assert undecided.returncode == 1
        assert "item: 0 the same, 1 different, 1 only here" in undecided.stderr
        assert country.rows("satellite", "SELECT name FROM item ORDER BY ID") == [("amoxi",), ("Paracetamol",)]
        decided = run("sync", "-c", country.satellite, "--trust", "item=primary")
    assert decided.returncode == 0, decided.stderr
    assert country.rows("satellite", "SELECT * FROM item") == [("I1", "Amoxicillin", 3)]


def test_joining_with_central_records_that_only_this_site_has_asks_which_stand(country: Country) -> None:
    country.execute("satellite", "INSERT INTO item VALUES ('I2', 'Paracetamol', 1)")
    with country.serving():
        undecided = invoke("sync", "-c", country.satellite)
        assert undecided.exit_code == 1
        assert "item: records only here, which are made on the primary only" in undecided.stderr
        assert "--trust" in undecided.stderr
        assert country.rows("satellite", "SELECT name FROM item") == [("Paracetamol",)]
        decided = invoke("sync", "-c", country.satellite, "--trust", "item=primary")
    assert decided.exit_code == 0, decided.stderr
    assert country.rows("satellite", "SELECT code FROM store ORDER BY 1") == [("BUM",), ("CMS",), ("KAL",)]


@pytest.mark.parametrize(
    ("given", "words"),
    [("item=nobody", "nobody is no side"), ("itm=primary", "there is no record type itm"), ("item=", "is no side")],
)
def test_trust_is_understood_or_refused(country: Country, given: str, words: str) -> None:
    done = invoke("sync", "-c", country.satellite, "--trust", given)
    assert done.exit_code == 2
    assert words in done.stderr


def test_sync_is_for_satellites(country: Country) -> None:
    done = invoke("sync", "-c", country.primary)
    assert done.exit_code == 2
    assert "satellites call it" in done.stderr
    alone = country.write("alone.yaml", 'this_site: {sync_id: 2, database: "sqlite:///satellite.db"}\n')
    assert invoke("sync", "-c", alone).exit_code == 0


# --- status -----------------------------------------------------------------------------------------------------------

SHAPE = {
    "format": int,
    "running": bool,
    "version": str,
    "site": {"sync_id": int, "name": str, "database_id": str, "generation": int},
    "configuration": {
        "file": str,
        "digest": str,
        "locked": bool,
        "unlocked_until": None,
        "held": None,
        "values": dict,
        "problems": list,
    },
    "peers": [
        {
            "sync_id": int,
            "name": str,
            "state": str,
            "last_success": str,
            "to_send": int,
            "to_receive": int,
            "oldest": None,
            "waiting": int,
            "quarantine": int,
            "batch_size": int,
            "compared": (str, type(None)),
            "differences": int,
            "kept_bundles": (list, tuple),
            "problem": None,
        }
    ],
    "record_types": [{"name": str, "state": str, "reason": None}],
    "plugins": [{"name": str, "state": str, "failures": int}],
    "change_log": {"rows": int, "oldest": None, "open_transaction_seconds": None},
    "hand_overs": (list, tuple),
    "restored": None,
    "asking": None,
}


def test_status_has_the_shape_that_scripts_rely_on(country: Country) -> None:
    country.edit(country.satellite, "state_directory", "plugins: [{module: transfers}]\nstate_directory")
    country.edit(country.primary, "state_directory", "plugins: [{module: transfers}]\nstate_directory")
    with country.serving():
        assert invoke("sync", "-c", country.satellite).exit_code == 0
        country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)")
        assert invoke("sync", "-c", country.satellite).exit_code == 0
    document = answer("status", "-c", country.satellite)
    assert _fits(document, SHAPE) == []
    (peer,) = document["peers"]
    assert (peer["sync_id"], peer["name"], peer["state"]) == (1, "Central", "ok")
    assert (peer["to_send"], peer["to_receive"], peer["batch_size"]) == (0, 0, 20)
    assert document["plugins"] == [{"name": "transfers", "state": "ok", "failures": 0}]
    assert [one["name"] for one in document["record_types"]] == ["item", "store", "transact", "trans_line"]
    assert "secret" not in json.dumps(document)


def _fits(value: object, shape: object, path: str = "") -> list[str]:
    """Where a document differs from its shape."""
    if isinstance(shape, dict):
        if not isinstance(value, dict) or set(value) != set(shape):
            return [f"{path}: {value}"]
        return [wrong for key in shape for wrong in _fits(value[key], shape[key], f"{path}.{key}")]
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            return [f"{path}: {value}"]
        return [wrong for one in value for wrong in _fits(one, shape[0], path)]
    fits = value is None if shape is None else isinstance(value, shape)  # type: ignore[arg-type]  # a type
    return [] if fits else [f"{path}: {value}"]


def test_status_before_init_reads_what_there_is(country: Country) -> None:
    for file in (country.primary, country.satellite):
        document = answer("status", "-c", file)
        assert document["site"]["database_id"] is None
        assert {one["state"] for one in document["peers"]} == {"never"}
        assert {one["to_send"] for one in document["peers"]} == {None}
    assert country.traces("satellite") == []


def test_status_counts_what_is_to_be_sent_at_both_ends(country: Country) -> None:
    country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)")
    with country.serving():
        invoke("sync", "-c", country.satellite)
        country.execute("satellite", HEADER.format("T1", "NULL", 1) + "UPDATE transact SET status = 'cn';")
        assert answer("status", "-c", country.satellite)["peers"][0]["to_send"] == 2
        invoke("sync", "-c", country.satellite)
        assert answer("status", "-c", country.satellite)["peers"][0]["to_send"] == 0
        at_primary = {one["sync_id"]: one for one in answer("status", "-c", country.primary)["peers"]}
        assert at_primary[2]["to_send"] == 0, "its own changes do not go back to it"
        assert (at_primary[3]["state"], at_primary[3]["to_send"]) == ("never", None)
        country.execute("primary", "UPDATE item SET price = 4")
        assert answer("status", "-c", country.primary)["peers"][0]["to_send"] == 1


def test_a_record_type_that_one_end_lacks_is_stopped_and_said(country: Country) -> None:
    with country.serving():
        types = country.folder / "types.yaml"
        satellites = country.write("types2.yaml", types.read_text().replace("  item:", "  thing:"))
        country.edit(country.satellite, "types.yaml", satellites.name)
        done = invoke("sync", "-c", country.satellite)
        assert done.exit_code == 1
        assert "left: record type thing is stopped" in done.stdout
    document = answer("status", "-c", country.satellite)
    stopped = {one["name"]: one["reason"] for one in document["record_types"] if one["state"] == "stopped"}
    assert stopped == {"thing": "site 1 has no record type thing"}
    assert "  thing is stopped: site 1 has no record type thing\n" in invoke("status", "-c", country.satellite).stdout


def test_a_record_type_whose_table_is_missing_at_one_end_is_said_at_both(country: Country) -> None:
    with country.serving():
        country.execute("satellite", "DROP TABLE trans_line; DROP TABLE item")
        invoke("sync", "-c", country.satellite)
    at_satellite = invoke("status", "-c", country.satellite).stdout
    assert "  item is stopped: the database has no table item\n" in at_satellite
    at_primary = invoke("status", "-c", country.primary).stdout
    assert "  item is stopped: on site 2 the database has no table item\n" in at_primary


def test_problems_of_the_configuration_stand_in_the_status(country: Country) -> None:
    country.edit(country.folder / "types.yaml", "{table: item,", "{table: itm,")
    document = answer("status", "-c", country.satellite)
    (problem,) = document["configuration"]["problems"]
    assert problem["file"] == "types.yaml"
    assert "types.yaml:3:17: item: the database has no table itm" in invoke("status", "-c", country.satellite).stdout


NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "options", "state"),
    [
        (None, {}, "never"),
        (timedelta(minutes=5), {}, "ok"),
        (timedelta(hours=23, minutes=59), {}, "ok"),
        (timedelta(days=1), {}, "late"),
        (timedelta(days=2, hours=23), {}, "late"),
        (timedelta(days=3), {}, "silent"),
        (timedelta(days=9), {"paused": True}, "paused"),
        (timedelta(minutes=5), {"refused": True, "paused": True}, "refused"),
    ],
)
def test_the_state_of_a_peer(ago: timedelta | None, options: dict[str, bool], state: str) -> None:
    last = None if ago is None else (NOW - ago).isoformat().replace("+00:00", "Z")
    assert peer_state(last, NOW, **options) == state


def test_interval_0_is_paused_and_sync_works_still(country: Country) -> None:
    country.edit(country.satellite, "record_types:", "sync: {interval: 0}\nrecord_types:")
    with country.serving():
        assert invoke("sync", "-c", country.satellite).exit_code == 0
    assert answer("status", "-c", country.satellite)["peers"][0]["state"] == "paused"


def test_the_table_is_never_cut_where_no_terminal_is(country: Country) -> None:
    country.edit(country.satellite, "name: Central,", f"name: {'Central medical store ' * 5},")
    text = run("status", "-c", country.satellite, COLUMNS="40").stdout
    assert "Central medical store " * 4 in text
    assert "\x1b" not in text
