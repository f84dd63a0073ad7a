"""`msyncd export` and `msyncd import`, as an admin types them for a store without a line (P37)."""

import json
import re
from pathlib import Path

import pytest

from tests.commands.support import Country, answer, invoke, run


def key_of(country: Country, number: int) -> str:
    return str(json.loads((country.folder / f"state{number}/signing-key.json").read_text())["public_key"])


def knowing(country: Country) -> Country:
    """Two ends that know each other's keys by their files, and have never met."""
    invoke("init", "-c", country.primary)
    invoke("init", "-c", country.satellite)
    country.edit(country.satellite, "name: Central,", f"name: Central, public_key: {key_of(country, 1)},")
    country.edit(country.primary, "name: Bumban,", f"name: Bumban, public_key: {key_of(country, 2)},")
    country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)")
    return country


@pytest.fixture
def carried(country: Country) -> Country:
    return knowing(country)


def carry(country: Country) -> tuple[dict[str, object], dict[str, object]]:
    """There and back: what the two imports say."""
    up, down = country.folder / "up.msyncd", country.folder / "down.msyncd"
    answer("export", up, "-c", country.satellite)
    there = answer("import", up, "-c", country.primary)
    answer("export", "--site", "2", down, "-c", country.primary)
    return there, answer("import", down, "-c", country.satellite)


def test_p37_a_store_that_never_had_a_line(country: Country) -> None:
    invoke("init", "-c", country.primary)
    country.edit(country.satellite, "name: Central,", f"name: Central, public_key: {key_of(country, 1)},")
    country.execute("primary", "INSERT INTO item VALUES ('I1', 'Amoxicillin', 3)")
    up, down = country.folder / "up.msyncd", country.folder / "down.msyncd"
    first = run("export", up, "-c", country.satellite)
    assert first.returncode == 0
    said = re.search(r"public_key: (ed25519:\S+)", first.stderr)
    assert said, first.stderr
    refused = run("import", up, "-c", country.primary)
    assert refused.returncode == 1
    assert said[1] in refused.stderr
    assert "public_key" in refused.stderr
    assert refused.stderr.count("\n") == 1
    country.edit(country.primary, "name: Bumban,", f"name: Bumban, public_key: {said[1]},")
    assert "site 2 is new" in run("import", up, "-c", country.primary).stdout
    written = run("export", "--site", "2", down, "-c", country.primary)
    assert re.fullmatch(rf"\d changes in {re.escape(str(down))}, [\d.]+ \w+, for site 2, Bumban\n", written.stdout)
    assert run("import", down, "-c", country.satellite).returncode == 0
    assert country.rows("satellite", "SELECT ID FROM item") == [("I1",)]
    country.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S2', 'N9', 'new')")  # its store is active there
    there, back = carry(country)
    assert (there["state"], there["applied"], back["state"]) == ("applied", 1, "nothing new")  # but the receipt
    assert answer("status", "-c", country.satellite)["peers"][0]["to_send"] == 0
    assert country.rows("primary", "SELECT ID FROM transact") == [("T1",)]


def test_p37_json_says_it_all(carried: Country) -> None:
    there, back = carry(carried)
    assert (there["state"], there["from_site"], back["from_site"]) == ("applied", 2, 1)
    carried.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S2', 'N9', 'new')")
    up = carried.folder / "up.msyncd"
    told = answer("export", up, "-c", carried.satellite)
    assert told == {
        "format": 1,
        "file": str(up),
        "for_site": 1,
        "number": 2,
        "records": 1,
        "bytes": up.stat().st_size,
        "joined": True,
        "closed": True,
        "public_key": key_of(carried, 2),
    }
    there = answer("import", up, "-c", carried.primary)
    assert there.pop("made")
    assert there == {
        "format": 1,
        "from_site": 2,
        "number": 2,
        "state": "applied",
        "applied": 1,
        "refused": 0,
        "waiting": 0,
        "quarantine": 0,
        "why": None,
    }
    assert answer("import", up, "-c", carried.primary)["state"] == "nothing new"


def test_p37_a_refusal_is_status_1_at_the_primary_and_is_heard_at_the_site(carried: Country) -> None:
    carry(carried)
    carried.execute("primary", "DELETE FROM item WHERE ID = 'I1'")
    carried.execute(
        "satellite",
        "INSERT INTO transact VALUES ('T1', 'S2', 'N9', 'new'); INSERT INTO trans_line VALUES (1, 'T1', 'I1', 2)",
    )
    up, down = carried.folder / "up.msyncd", carried.folder / "down.msyncd"
    invoke("export", up, "-c", carried.satellite)
    done = run("import", up, "-c", carried.primary)
    assert (done.returncode, done.stdout) == (1, "site 2: applied 2 changes, 1 refused\n1 in quarantine\n")
    invoke("export", "--site", "2", down, "-c", carried.primary)
    assert run("import", down, "-c", carried.satellite).returncode == 0
    listed = answer("quarantine", "list", "-c", carried.satellite)
    assert [one["record_type"] for one in listed if one["site"] == 2] == ["trans_line"]


def test_p37_what_was_changed_on_its_way_is_refused_in_one_line(carried: Country) -> None:
    carry(carried)
    carried.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S2', 'N9', 'new')")
    up = carried.folder / "up.msyncd"
    invoke("export", up, "-c", carried.satellite)
    whole = up.read_bytes()
    for changed in (whole[:-1], whole[:200] + b"x" + whole[201:], whole + b"x", b"", b"not a bundle at all"):
        up.write_bytes(changed)
        done = run("import", up, "-c", carried.primary)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
        assert carried.rows("primary", "SELECT * FROM transact") == []
    up.write_bytes(whole)
    assert run("import", up, "-c", carried.primary).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["export", "FILE", "-c", "PRIMARY"], 2, "--site N"),
        (["export", "--site", "9", "FILE", "-c", "PRIMARY"], 2, "not in sync_with"),
        (["export", "--site", "3", "FILE", "-c", "SATELLITE"], 2, "for the primary"),
        (["export", "--site", "3", "FILE", "-c", "PRIMARY"], 1, "never heard of"),
        (["export", "no/such/folder/FILE", "-c", "SATELLITE"], 1, "cannot be written"),
        (["import", "FILE", "-c", "PRIMARY"], 1, "cannot be read"),
        (["import", "FILE", "--trust", "nobody", "-c", "SATELLITE"], 2, "no side"),
    ],
)
def test_what_cannot_be_is_said(carried: Country, arguments: list[str], status: int, words: str) -> None:
    places = {"FILE": carried.folder / "a.msyncd", "PRIMARY": carried.primary, "SATELLITE": carried.satellite}
    done = run(*(places.get(one, one) for one in arguments))
    assert done.returncode == status, done
    assert words in done.stderr
    assert not places["FILE"].exists()
    assert list(carried.folder.glob(".*.new")) == []


def test_p28_both_ends_hold_records_at_the_first_bundle(country: Country) -> None:
    """What the line asks is asked here too, and answered by the fill that the bundle holds."""
    country.execute("satellite", "INSERT INTO item VALUES ('I1', 'Amoxicillin 250', 3), ('I2', 'only here', 1)")
    knowing(country)
    up, down = country.folder / "up.msyncd", country.folder / "down.msyncd"
    answer("export", up, "-c", country.satellite)
    answer("import", up, "-c", country.primary)
    answer("export", "--site", "2", down, "-c", country.primary)
    asked = run("import", down, "-c", country.satellite)
    assert asked.returncode == 1
    assert "item: 0 the same, 1 different, 1 only here, 0 only there" in asked.stderr
    assert len(country.rows("satellite", "SELECT * FROM item")) == 2
    assert run("import", down, "--trust", "primary", "-c", country.satellite).returncode == 0
    assert country.rows("satellite", "SELECT ID, name FROM item") == [("I1", "Amoxicillin")]


def test_p37_a_hand_over_file_holds_the_key_of_the_primary(carried: Country, tmp_path: Path) -> None:
    written = tmp_path / "dorsi.yaml"
    done = run(
        *("sites", "add", "4", "--name", "Dorsi", "--yes", "--write", written, "-c", carried.primary),
        *("--primary-url", "https://central.example.org:8443", "--database", "sqlite:////srv/app.db"),
    )
    assert done.returncode == 0, done.stderr
    assert f"public_key: {key_of(carried, 1)}" in written.read_text()


def test_p37_beside_a_line_that_works(country: Country) -> None:
    """The keys were exchanged at hello; sticks and the line go on from each other."""
    with country.serving():
        assert run("sync", "-c", country.satellite).returncode == 0
        country.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S2', 'N9', 'new')")
        there, _ = carry(country)
        assert there["applied"] == 1
        country.execute("satellite", "INSERT INTO transact VALUES ('T2', 'S2', 'N9', 'new')")
        assert run("sync", "-c", country.satellite).stdout.startswith("sent 1 change,")
        assert country.rows("primary", "SELECT ID FROM transact ORDER BY ID") == [("T1",), ("T2",)]


def test_p37_status_tells_of_a_bundle_that_waits_for_an_earlier_one(carried: Country) -> None:
    carry(carried)
    first, second = carried.folder / "first.msyncd", carried.folder / "second.msyncd"
    carried.execute("satellite", "INSERT INTO transact VALUES ('T1', 'S2', 'N9', 'new')")
    invoke("export", first, "-c", carried.satellite)
    carried.execute("satellite", "INSERT INTO transact VALUES ('T2', 'S2', 'N9', 'new')")
    number = answer("export", "--further", second, "-c", carried.satellite)["number"]
    assert answer("status", "-c", carried.primary)["peers"][0]["kept_bundles"] == []
    assert answer("import", second, "-c", carried.primary)["state"] == "kept"

    by_site = {one["sync_id"]: one["kept_bundles"] for one in answer("status", "-c", carried.primary)["peers"]}
    (told,) = by_site.pop(2)
    assert not any(by_site.values())
    places = carried.rows("satellite", "SELECT seq FROM msyncd_change_log ORDER BY seq DESC LIMIT 2")
    assert told.pop("made")
    assert told == {
        "number": number,
        "records": 1,
        "waits_from": str(carried.rows("primary", "SELECT cursor_seq FROM msyncd_receipt")[0][0]),
        "waits_to": str(places[1][0]),
    }
    shown = " ".join(invoke("status", "-c", carried.primary).stdout.split())
    gap = f"from {told['waits_from']} to {told['waits_to']} (1 record)"
    said = re.search(
        rf"site 2: bundle {number}, made \S+ \S+, is kept until an earlier bundle or the line (.*?\))", shown
    )
    assert said
    assert said[1] == f"brings its changes {gap}"

    assert answer("import", first, "-c", carried.primary)["applied"] == 2
    assert answer("status", "-c", carried.primary)["peers"][0]["kept_bundles"] == []
