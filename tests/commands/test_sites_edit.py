"""`msyncd sites add/remove` and `msyncd stores list/move`: the YAML is edited, and said what comes of it."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from msyncd.settings import load
from msyncd.settings.secrets import read_secret, verify_password
from tests.commands.support import Country, answer, invoke, run

YAML = """\
# the primary of the country
this_site: {sync_id: 1, name: Central, database: "sqlite:///primary.db", active_stores: [CMS], copies_of: all,
            user_name: sync, password_file: password}   # central
sync_with:
  # the first
  - {sync_id: 2, name: Bumban, active_stores: [BUM], copies_of: [CMS]}   # by road
record_types: [types.yaml]   # the same everywhere
state_directory: state1
"""


@pytest.fixture
def primary(country: Country) -> Country:
    """The primary with one satellite and comments, installed; store S4 (NEW) and S3 (KAL) are active nowhere."""
    country.primary.write_text(YAML)
    country.primary.chmod(0o640)
    country.execute("primary", "INSERT INTO store VALUES ('S4', 'NEW', 'N4')")
    assert run("init", "-c", country.primary).returncode == 0
    return country


def done(country: Country, *words: object) -> tuple[int, str, str]:
    result = run(*map(str, words), "-c", country.primary)
    return result.returncode, result.stdout, result.stderr


def test_a_site_is_added_beside_the_others_and_nothing_else_changes(primary: Country) -> None:
    status, out, err = done(primary, "sites", "add", "4", "--name", "Dorsi: town", "--active-stores", "KAL, NEW")
    assert (status, err) == (0, "")
    assert primary.primary.read_text() == YAML.replace(
        "# by road\n", '# by road\n  - {sync_id: 4, name: "Dorsi: town", active_stores: [KAL, NEW]}\n'
    )
    assert stat.S_IMODE(primary.primary.stat().st_mode) == 0o640
    assert out.splitlines()[0] == "sync_with.4 was added: name Dorsi: town, active_stores [KAL, NEW]"
    assert "4 records (store 4) go from site 1, Central to site 4, Dorsi: town" in out
    assert out.splitlines()[-1] == "no daemon runs: it counts when msyncd is started"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2"], "site 2 stands in sync_with already"),
        (["99"], "sync_id must be from 1 to 64, not 99"),
        (["1"], "sync_id 1 is this site itself"),
        (["4", "--active-stores", "BUM"], "store BUM is active on site 2 (line 6) and on site 4"),
        (["4", "--url", "ftp://x"], "url must begin with https://"),
        (["4", "--own-password"], "--own-password without --write"),
        (["4", "--write", "x.yaml"], "--write without --primary-url"),
        (["4", "--write", "x.yaml", "--primary-url", "central"], "--primary-url must begin with https://"),
    ],
)
def test_what_would_not_be_valid_is_refused_and_nothing_is_written(
    primary: Country, words: list[str], said: str
) -> None:
    status, out, err = done(primary, "sites", "add", *words)
    assert (status, out) == (1 if "already" in said else 2, "")
    assert said in err
    assert err.count("\n") == 1
    assert primary.primary.read_text() == YAML
    assert not Path("x.yaml").exists()


def test_a_database_on_a_server_is_not_guessed(primary: Country) -> None:
    primary.edit(primary.primary, "sqlite:///primary.db", "postgresql:///msupply")
    status, _, err = done(primary, "sites", "add", "4", "--write", "x.yaml", "--primary-url", "https://a.org")
    assert (status, "--write without --database" in err) == (2, True)


def test_sites_are_named_in_the_primarys_file_only(primary: Country) -> None:
    for words in (["sites", "add", "4"], ["sites", "remove", "1"], ["stores", "move", "KAL", "2"]):
        result = run(*words, "-c", primary.satellite)
        assert (result.returncode, result.stdout) == (2, "")
        assert "this is a satellite" in result.stderr


def test_a_file_with_errors_is_not_edited(primary: Country) -> None:
    primary.write("primary.yaml", YAML + "colour: blue\n")
    assert done(primary, "sites", "add", "4")[0] == 78
    assert primary.primary.read_text() == YAML + "colour: blue\n"


# --- the hand-over file -----------------------------------------------------------------------------------------------


def test_the_hand_over_file_is_a_satellites_whole_configuration(primary: Country) -> None:
    target = primary.folder / "dorsi" / "msyncd.yaml"
    target.parent.mkdir()
    words = ["--name", "Dorsi", "--primary-url", "https://central.example.org:8443", "--database", "sqlite:///store.db"]
    status, out, _ = done(primary, "sites", "add", "4", *words, "--write", target)
    assert status == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert out.splitlines()[-1] == (
        f"carry {target} to the new server as /etc/msyncd/msyncd.yaml, and beside it types.yaml, "
        "the password, as the file `password`"
    )
    for name in ("types.yaml", "password"):
        (target.parent / name).write_bytes((primary.folder / name).read_bytes())
    loaded = load(target, environment={})
    mine, there = loaded.settings.this_site, loaded.settings.sync_with[0]
    assert loaded.warnings == ()
    assert (mine.sync_id, mine.name, mine.user_name, read_secret(mine.password)) == (4, "Dorsi", "sync", "secret")
    assert (there.sync_id, there.name, there.url) == (1, "Central", "https://central.example.org:8443")
    assert loaded.settings.record_types == load(primary.primary, environment={}).settings.record_types


def test_the_state_directory_of_the_service_is_that_of_the_satellites_too(primary: Country, tmp_path: Path) -> None:
    elsewhere = tmp_path.parent / f"{tmp_path.name}-state"
    primary.edit(primary.primary, "state_directory: state1", f"max_sync_id: 200\nstate_directory: {elsewhere}")
    target = primary.folder / "far.yaml"
    words = ["--primary-url", "https://a.org", "--database", "sqlite:///s.db", "--write", target]
    assert done(primary, "sites", "add", "150", *words)[0] == 0
    satellite = load(target, environment={}).settings
    assert (satellite.state_directory, satellite.max_sync_id) == (elsewhere, 200)


def test_a_site_with_a_password_of_its_own(primary: Country) -> None:
    target = primary.folder / "dorsi.yaml"
    words = ["--own-password", "--user-name", "dorsi", "--primary-url", "https://a.org", "--database", "sqlite:///s.db"]
    status, out, err = done(primary, "sites", "add", "4", *words, "--ca-certificate", "ca.pem", "--write", target)
    assert status == 0, err
    (primary.folder / "ca.pem").write_text("")
    satellite = load(target, environment={}).settings
    password = read_secret(satellite.this_site.password)
    entry = load(primary.primary, environment={}).settings.sync_with[-1]
    assert entry.password is not None
    assert entry.password.hash is not None
    assert verify_password(entry.password, password)
    assert (satellite.this_site.user_name, entry.user_name) == ("dorsi", "dorsi")
    assert satellite.sync_with[0].ca_certificate == primary.folder / "ca.pem"
    assert len(password) >= 24
    assert password not in out + err + primary.primary.read_text()


def test_no_file_is_written_over_and_then_no_site_is_added(primary: Country) -> None:
    target = primary.write("dorsi.yaml", "mine\n")
    words = ["--primary-url", "https://a.org", "--database", "sqlite:///s.db", "--write", target]
    status, _, err = done(primary, "sites", "add", "4", *words)
    assert (status, "is there already" in err) == (2, True)
    assert (target.read_text(), primary.primary.read_text()) == ("mine\n", YAML)


def test_a_file_that_cannot_be_saved_leaves_no_hand_over_file(
    primary: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    from msyncd.settings.editing import ChangedUnderneath

    def theirs(_document: object) -> None:
        raise ChangedUnderneath("somebody else was first")

    monkeypatch.setattr("msyncd.settings.editing.save", theirs)
    target = primary.folder / "dorsi.yaml"
    words = ["--primary-url", "https://a.org", "--database", "sqlite:///s.db", "--write", target]
    result = invoke("sites", "add", "4", *map(str, words), "-c", primary.primary)
    assert result.exit_code == 75
    assert not target.exists()
    assert primary.primary.read_text() == YAML


# --- removing ---------------------------------------------------------------------------------------------------------


def test_a_site_is_removed_with_its_line(primary: Country) -> None:
    done(primary, "sites", "add", "4", "--name", "Dorsi")
    status, out, _ = done(primary, "sites", "remove", "4")
    assert (status, primary.primary.read_text()) == (0, YAML)
    assert "nothing would change" not in out
    status, _, err = done(primary, "sites", "remove", "9")
    assert (status, "site 9 does not stand in sync_with" in err) == (1, True)


def test_a_site_whose_stores_have_records_is_removed_only_by_force(primary: Country) -> None:
    primary.execute("primary", "DROP TRIGGER IF EXISTS msyncd_transact_guard_insert")
    _write_transact(primary, "S2")
    status, out, err = done(primary, "sites", "remove", "2")
    assert (status, out, primary.primary.read_text()) == (1, "", YAML)
    assert "stores with records are active on site 2: BUM (1 record)" in err
    status, out, _ = done(primary, "sites", "remove", "2", "--force", "--json")
    document = json.loads(out)
    assert (status, document["state"], document["plan"]["stores"][0]["code"]) == (0, "written", "BUM")
    assert "sync_with: []" in primary.primary.read_text()


def _write_transact(country: Country, store: str) -> None:
    """A record of a store that is not active here, as it would have come from its site."""
    triggers = country.rows(
        "primary", "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'transact'"
    )
    drop = "".join(f'DROP TRIGGER "{name}";' for (name,) in triggers)
    country.execute("primary", f"{drop} INSERT INTO transact VALUES ('T1', '{store}', NULL, 'ok');")
    assert run("init", "-c", country.primary).returncode == 0


# --- stores -----------------------------------------------------------------------------------------------------------


def test_where_stores_are(primary: Country) -> None:
    found: list[dict[str, Any]] = answer("stores", "list", "-c", primary.primary)
    assert found == [
        _store("BUM", "S2", 2, "Bumban", 2, [1]),
        _store("CMS", "S1", 1, "Central", 1, [2]),
        _store("KAL", "S3", None, None, None, [1]),
        _store("NEW", "S4", None, None, None, [1]),
    ]
    assert invoke("stores", "list", "-c", primary.primary).stdout.splitlines()[:2] == [
        "store  value  active on  name     wished  copies on",
        "BUM    S2             2  Bumban        2  1",
    ]
    assert answer("stores", "list", "-c", primary.satellite) == [], "it has not met its primary yet"


def _store(code: str, value: str, active: int | None, name: str | None, wish: int | None, copies: list[int]) -> Any:
    place = {
        "active_site": active,
        "name": name,
        "wished_site": wish,
        "copies_on": copies,
        "epoch": 1,
        "hand_over": None,
    }
    return {"store": code, "value": value, **place}


def test_a_store_without_records_is_moved(primary: Country) -> None:
    status, out, _ = done(primary, "stores", "move", "BUM", "1")
    assert status == 0
    assert primary.primary.read_text() == YAML.replace("[CMS], copies_of: all", "[CMS, BUM], copies_of: all").replace(
        "active_stores: [BUM]", "active_stores: []"
    )
    assert "store BUM moves from site 2, Bumban to site 1, Central; it has no records" in out
    assert run("init", "-c", primary.primary).returncode == 0
    assert {one["store"]: one["active_site"] for one in answer("stores", "list", "-c", primary.primary)}["BUM"] == 1
    assert done(primary, "stores", "move", "S2", "2")[0] == 0, "by its value too"
    assert primary.primary.read_text() == YAML


def test_a_store_that_is_active_nowhere_is_moved(primary: Country) -> None:
    assert done(primary, "stores", "move", "NEW", "2")[0] == 0
    assert primary.primary.read_text() == YAML.replace("active_stores: [BUM]", "active_stores: [BUM, NEW]")
    status, out, _ = done(primary, "stores", "move", "NEW", "2")
    assert (status, out.splitlines()[-1]) == (0, "it is so already: nothing was changed")


def test_p31_a_store_with_records_is_handed_over_and_it_is_said_what_that_waits_for(primary: Country) -> None:
    _write_transact(primary, "S2")
    status, out, _ = done(primary, "stores", "move", "BUM", "--to", "1")
    assert status == 0
    assert (
        "store BUM is handed over from site 2, Bumban to site 1, Central, with 1 record: nobody can edit them until "
        "site 2, Bumban, has sent what it has, and site 1, Central, has it all\n"
    ) in out
    assert run("init", "-c", primary.primary).returncode == 0
    (bum,) = [one for one in answer("stores", "list", "-c", primary.primary) if one["store"] == "BUM"]
    assert (bum["active_site"], bum["wished_site"]) == (None, 1)
    told = bum["hand_over"]
    assert told["since"]
    assert told | {"since": ""} == {
        "store": "S2",
        "code": "BUM",
        "from_site": 2,
        "to_site": 1,
        "step": "draining",
        "forced": False,
        "since": "",
        "waits_for": "site 2 to hear of it",
    }
    words = "store BUM is being handed over from site 2 to site 1; waits for site 2 to hear of it"
    assert words in run("stores", "list", "-c", primary.primary).stdout.splitlines()
    assert f"{words} (since " in run("status", "-c", primary.primary).stdout
    assert answer("status", "-c", primary.primary)["hand_overs"] == [told]


def test_p34_a_dead_site_is_not_waited_for(primary: Country) -> None:
    _write_transact(primary, "S2")
    assert done(primary, "stores", "move", "BUM", "1")[0] == 0
    assert run("init", "-c", primary.primary).returncode == 0
    status, out, _ = done(primary, "stores", "move", "BUM", "--to", "1", "--force")
    assert (status, out) == (
        0,
        "noted: the running daemon goes on within seconds, else msyncd does when it is started\n",
    )
    assert run("init", "-c", primary.primary).returncode == 0
    assert {one["store"]: one["active_site"] for one in answer("stores", "list", "-c", primary.primary)}["BUM"] == 1


def test_p34_a_store_that_only_the_dead_site_holds_stays(primary: Country) -> None:
    primary.write("primary.yaml", YAML.replace("copies_of: all", "copies_of: []"))
    _write_transact(primary, "S2")
    assert run("init", "-c", primary.primary).returncode == 0
    before = primary.primary.read_text()
    status, out, err = done(primary, "stores", "move", "BUM", "1", "--force")
    assert (status, out, primary.primary.read_text()) == (1, "", before)
    assert err == (
        "Error: only site 2 holds the records of store BUM: neither the primary nor site 1 has a copy; bring site 2 "
        "back; nothing was written\n"
    )


def test_where_a_store_is_to_go_must_be_said_once(primary: Country) -> None:
    assert "say where the store is to be active" in done(primary, "stores", "move", "BUM")[2]
    assert "contradict each other" in done(primary, "stores", "move", "BUM", "1", "--to", "2")[2]


@pytest.mark.parametrize(
    ("words", "said"), [(["BUN", "1"], "did you mean BUM?"), (["BUM", "9"], "site 9 is not in sync_with")]
)
def test_stores_and_sites_that_do_not_exist(primary: Country, words: list[str], said: str) -> None:
    status, out, err = done(primary, "stores", "move", *words)
    assert (status, out) == (2, "")
    assert said in err


# --- locked -----------------------------------------------------------------------------------------------------------


def test_an_edit_by_a_command_is_held_back_like_any_other(primary: Country) -> None:
    code = "authorisation: {code_hash: scrypt$16384$8$1$c2FsdHNhbHRzYWx0c2FsdA==$" + "A" * 43 + "=}\n"
    primary.write("primary.yaml", YAML + code)
    assert run("init", "-c", primary.primary).returncode == 0
    status, out, _ = done(primary, "sites", "add", "4", "--name", "Dorsi")
    assert (status, out.splitlines()[-1]) == (
        0,
        "it is held back until the authorisation code is given: `msyncd unlock`",
    )
    assert "sync_id: 4" in primary.primary.read_text()
    found = answer("status", "-c", primary.primary)["configuration"]
    assert found["held"]["plan"]["settings"][0]["setting"] == "sync_with.4"
    assert [one["sync_id"] for one in answer("sites", "list", "-c", primary.primary)] == [1, 2]
    # a second edit is made to the file as it stands, and both are shown
    status, out, _ = done(primary, "stores", "move", "NEW", "4")
    assert status == 0
    assert "sync_with.4 was added: name Dorsi, active_stores [NEW]" in out
