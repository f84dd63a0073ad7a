"""`msyncd check` and `msyncd schema`: every problem at once, nothing changed."""

import json
import re
from hashlib import sha256
from pathlib import Path

import pytest

from msyncd.settings.json_schema import json_schema
from tests.commands.support import ROOT, Country, answer, invoke, run

LINE = re.compile(r"^[^:\s]+:\d+:\d+: \S.*; \S.*$")


def digest(folder: Path) -> dict[str, str]:
    """Every file of a folder, by what stands in it."""
    return {str(one): sha256(one.read_bytes()).hexdigest() for one in sorted(folder.rglob("*")) if one.is_file()}


@pytest.mark.parametrize("name", ["primary", "satellite"])
def test_a_good_configuration(country: Country, name: str) -> None:
    before = digest(country.folder)
    done = run("check", "-c", country.folder / f"{name}.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{name}.yaml is in order: site ")
    assert digest(country.folder) == before, "check changes nothing, not even by making the ledger"
    assert country.traces(name) == []


def test_every_problem_of_the_files_at_once_on_standard_output(country: Country) -> None:
    country.edit(country.satellite, "sync_id: 2", "sync_id: 99")
    country.edit(country.satellite, "record_types:", "colour: blue\nrecord_types:")
    done = run("check", "-c", country.satellite, COLUMNS="40", TERM="dumb")
    lines = done.stdout.splitlines()
    assert done.returncode == 78
    assert len(lines) == 2
    assert all(map(LINE.match, lines)), lines
    assert lines[0].startswith("satellite.yaml:1:22: sync_id must be from 1 to 64, not 99; ")
    assert lines[1].startswith("satellite.yaml:4:1: ")
    assert done.stderr == "2 errors: see docs/configuration.md; the tables are looked at when the files are in order\n"


def test_broken_plugins_are_named_beside_errors_of_the_files(country: Country) -> None:
    """But not those in whose own entries something is wrong: what they say would only follow from it."""
    plugins = (
        "plugins:\n"
        "  - {module: transfers, settings: {finalized_status: fn}}\n"
        "  - {module: gone.py}\n"
        "  - {module: transfers, settings: {finalised_status: '${NOT_SET}'}}\n"
        "  - {settings: {}}\n"
    )
    country.edit(country.satellite, "record_types:", f"colour: blue\n{plugins}record_types:")
    done = run("check", "-c", country.satellite)
    assert done.returncode == 78
    places = [":".join(line.split(":")[1:3]) for line in done.stdout.splitlines()]
    assert places == ["4:1", "6:54", "7:14", "8:54", "9:5"], done.stdout
    assert "gone.py" in done.stdout


def test_what_plugins_have_and_a_database_that_is_away_are_both_said(country: Country) -> None:
    country.edit(country.satellite, "record_types:", "plugins: [{module: gone.py}]\nrecord_types:")
    country.database("satellite").unlink()
    done = run("check", "-c", country.satellite)
    assert done.returncode == 78
    assert done.stdout.startswith("satellite.yaml:4:20: ")
    assert "satellite.db: there is no database; start the application once" in done.stderr


def test_what_is_wrong_with_the_table_of_stores_is_found_in_its_own_file(country: Country) -> None:
    country.edit(country.folder / "types.yaml", "code: code, name: name_ID", "code: kode, name: nom")
    lines = run("check", "-c", country.satellite).stdout.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        "types.yaml:1:39: stores: table store has no column kode",
        "types.yaml:1:51: stores: table store has no column nom",
    ]
    country.edit(country.folder / "types.yaml", "stores: {table: store,", "stores: {table: stor,")
    (line,) = run("check", "-c", country.satellite).stdout.splitlines()
    assert line == "types.yaml:1:17: stores: the database has no table stor; correct the name"


def test_what_the_tables_say_is_found_with_its_place(country: Country) -> None:
    country.edit(country.folder / "types.yaml", "{table: item,", "{table: itm,")
    country.edit(country.folder / "types.yaml", "store: store_ID", "store: shop_ID")
    country.edit(
        country.folder / "types.yaml",
        "{table: store, key: ID, edited_on: primary, sent_to: every_site}",
        "{table: store, key: [ID, kode], edited_on: primary, sent_to: every_site, columns: {exclude: [colour]}}",
    )
    done = run("check", "-c", country.satellite)
    assert done.returncode == 78
    places = [[int(part) for part in line.split(": ")[0].split(":")[1:]] for line in done.stdout.splitlines()]
    assert places == sorted(places)
    assert "types.yaml:3:17: item: the database has no table itm; " in done.stdout
    assert "types.yaml:4:35: store: table store has no column kode; " in done.stdout
    assert "types.yaml:4:103: store: table store has no column colour; " in done.stdout
    assert "types.yaml:10:12: transact: table transact has no column shop_ID; " in done.stdout
    assert all(map(LINE.match, done.stdout.splitlines()))


def test_the_applications_triggers_and_the_keys_collation(country: Country) -> None:
    country.execute(
        "satellite",
        "CREATE TRIGGER stamp AFTER INSERT ON transact BEGIN SELECT 1; END;"
        "DROP TABLE item; CREATE TABLE item (ID TEXT COLLATE NOCASE PRIMARY KEY, name TEXT);",
    )
    result = invoke("check", "-c", country.satellite)
    assert result.exit_code == 78
    assert (
        "transact: the application has triggers on transact: stamp; say `application_triggers: fire`" in result.stdout
    )
    assert "item: key column ID has collation NOCASE; " in result.stdout


def test_a_reference_without_an_index_is_a_warning(country: Country) -> None:
    country.execute("satellite", "DROP INDEX trans_line_item")
    done = run("check", "-c", country.satellite)
    assert done.returncode == 0
    found, summary = done.stdout.splitlines()
    assert found.startswith("types.yaml:12:3: warning: trans_line: table trans_line has no index on item_ID, ")
    assert summary.startswith("satellite.yaml is in order")


def test_a_circle_of_references_that_is_checked_at_once_is_a_warning(country: Country) -> None:
    country.execute(
        "satellite",
        "DROP TABLE item; CREATE TABLE item (ID TEXT PRIMARY KEY, name TEXT,"
        " parent_ID TEXT REFERENCES item ON DELETE RESTRICT); CREATE INDEX item_parent ON item (parent_ID);",
    )
    result = invoke("check", "-c", country.satellite)
    assert "types.yaml:3:3: warning: item: parent_ID refers to itself by ON DELETE RESTRICT" in result.stdout
    country.execute("satellite", "DROP TABLE item; CREATE TABLE item (ID TEXT PRIMARY KEY, parent_ID REFERENCES item);")
    assert "RESTRICT" not in invoke("check", "-c", country.satellite).stdout


def test_unique_indexes_that_cannot_be_told_or_not_wholly(country: Country) -> None:
    country.execute(
        "satellite",
        "ALTER TABLE item ADD COLUMN upper_name GENERATED ALWAYS AS (upper(name)) VIRTUAL;"
        "CREATE UNIQUE INDEX loud ON item (upper_name); CREATE UNIQUE INDEX quiet ON item (lower(name));",
    )
    done = invoke("check", "-c", country.satellite)
    (warned,) = (line for line in done.stdout.splitlines() if "unique" in line)
    assert done.exit_code == 0
    assert warned == (
        "types.yaml:3:3: warning: item: upper_name does not travel, and is a part of what is unique in table item"
        " (upper_name); let it travel: else records that pass such a value on may be kept aside"
    )
    country.execute("satellite", "CREATE UNIQUE INDEX strange ON item (name) WHERE rowid > 3;")
    done = invoke("check", "-c", country.satellite)
    assert (done.exit_code, "item: item has the unique index strange: msyncd cannot tell" in done.stdout) == (78, True)


def test_a_plugin_that_does_not_load(country: Country) -> None:
    country.write("broken.py", "from msyncd import hookimpl\n\n@hookimpl\ndef msyncd_chek(record_type): ...\n")
    country.edit(country.satellite, "state_directory", "plugins: [{module: broken.py}]\nstate_directory")
    result = invoke("check", "-c", country.satellite)
    assert result.exit_code == 78
    assert re.search(r"broken\.py:\d+:\d+: .*msyncd_chek", result.stdout)


def test_a_store_with_records_that_an_edit_would_move(country: Country) -> None:
    assert invoke("init", "-c", country.primary).exit_code == 0
    country.edit(country.primary, "active_stores: [CMS]", "active_stores: [CMS, BUM]")
    country.edit(country.primary, "active_stores: [BUM]", "active_stores: []")
    assert invoke("check", "-c", country.primary).exit_code == 0, "a store without records may move"
    country.execute("primary", "INSERT INTO transact VALUES ('T1', 'S1', NULL, 'nw')")
    country.edit(country.primary, "active_stores: [CMS, BUM]", "active_stores: [BUM]")
    country.edit(country.primary, "active_stores: []", "active_stores: [CMS]")
    result = invoke("check", "-c", country.primary)
    assert (result.exit_code, "CMS" in result.stdout) == (0, False), "it is handed over, as `msyncd plan` says"
    assert "store CMS" in invoke("plan", "-c", country.primary).stdout


def test_a_database_that_cannot_be_synced_is_a_problem_with_its_place(country: Country) -> None:
    country.edit(country.satellite, "sqlite:///satellite.db", "mysql://root@127.0.0.1/store?colour=blue")
    result = invoke("check", "-c", country.satellite)
    assert result.exit_code == 78
    place = country.satellite.read_text().index('"mysql') + 1
    assert result.stdout.startswith(f"satellite.yaml:1:{place}: the URL of the database has an unknown option colour; ")


def test_a_database_of_another_site(country: Country) -> None:
    assert invoke("init", "-c", country.satellite).exit_code == 0
    country.edit(country.satellite, "sync_id: 2", "sync_id: 3")
    result = invoke("check", "-c", country.satellite)
    assert result.exit_code == 78
    assert result.stdout.startswith("satellite.yaml:1:22: this database has synced as site 2, not 3; ")
    for command in ("init", "sync"):
        result = invoke(command, "-c", country.satellite)
        assert result.exit_code == 78, "nothing that waiting, or the other end, could mend"
        assert result.stderr.startswith("satellite.yaml:1:22: this database has synced as site 2, not 3; ")


def test_a_site_that_stands_alone(country: Country) -> None:
    alone = 'this_site: {sync_id: 2, database: "sqlite:///satellite.db"}\nrecord_types: [types.yaml]\n'
    file = country.write("alone.yaml", alone)
    done = run("check", "-c", file)
    assert done.returncode == 0
    assert "it stands alone: there is nothing to sync with" in done.stdout
    assert answer("check", "-c", file)["stands_alone"] is True


def test_a_database_that_cannot_be_reached(country: Country) -> None:
    country.database("satellite").unlink()
    country.edit(country.satellite, "password_file: password", "password: secret")
    country.satellite.chmod(0o644)
    done = run("check", "-c", country.satellite)
    assert done.returncode == 75
    assert done.stdout.startswith("satellite.yaml:1:")
    assert ": warning: " in done.stdout
    assert "there is no database" in done.stderr
    assert not country.database("satellite").exists()
    country.edit(country.satellite, "sync_id: 2", "sync_id: 99")
    assert run("check", "-c", country.satellite).returncode == 78


def test_the_document(country: Country) -> None:
    country.edit(country.satellite, "sync_id: 2", "sync_id: 99")
    document = answer("check", "-c", country.satellite)
    assert document["ok"] is False
    (problem,) = document["problems"]
    assert (problem["file"], problem["line"], problem["column"], problem["severity"]) == (
        "satellite.yaml",
        1,
        22,
        "error",
    )
    country.edit(country.satellite, "sync_id: 99", "sync_id: 2")
    assert answer("check", "-c", country.satellite)["ok"] is True


def test_the_samples_are_in_order(tmp_path: Path) -> None:
    import shutil
    import sqlite3

    shutil.copytree(ROOT / "config", tmp_path / "config")
    for name in ("primary", "satellite"):
        with sqlite3.connect(tmp_path / "config" / f"{name}.db") as connection:
            connection.executescript((ROOT / "config/record_types/msupply.sql").read_text(encoding="utf-8"))
        connection.close()
        result = invoke("check", "-c", tmp_path / "config" / f"{name}.yaml")
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) == 1, "without a warning"


def test_the_schema() -> None:
    shipped = (ROOT / "config/msyncd.schema.json").read_text(encoding="utf-8")
    assert run("schema").stdout == shipped
    assert json.loads(shipped) == json_schema()


def test_a_plan_says_that_other_plugins_may_fill_sites_anew(country: Country) -> None:
    warning = "warning: the plugins are others then: what they route, or did, every site is filled with anew"
    assert invoke("init", "-c", country.primary).exit_code == 0
    assert warning not in invoke("plan", "-c", country.primary).stdout
    country.edit(country.primary, "state_directory", "plugins: [{module: example}]\nstate_directory")
    assert warning in invoke("plan", "-c", country.primary).stdout.splitlines()
    assert invoke("init", "-c", country.primary).exit_code == 0
    country.edit(country.primary, "plugins:", "# a line more\nplugins:")
    assert warning not in invoke("plan", "-c", country.primary).stdout
