"""The sample record types and the schema beside them: both must agree, with each other and with the field."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from msyncd.commands.demo import application

# The record types of the field, by the level at which they are integrated: who edits them and who receives them.
CENTRAL, ABOUT_A_STORE = ("primary", "every_site"), ("primary", "sites_of_store")
OF_A_STORE = ("active_site", "sites_of_store")
FIELD: dict[int, dict[tuple[str, str], str]] = {
    0: {
        CENTRAL: "unit currency location_type options item_category name_tag period_schedule ship_method diagnosis"
        " abbreviation",
        ABOUT_A_STORE: "pref",
    },
    1: {CENTRAL: "item name list_master period"},
    2: {CENTRAL: "store list_master_line list_master_name_join name_tag_join barcode item_direction"},
    3: {ABOUT_A_STORE: "name_store_join", OF_A_STORE: "location requisition purchase_order activity_log"},
    4: {
        ABOUT_A_STORE: "item_store_join",
        OF_A_STORE: "item_line transact requisition_line purchase_order_line sensor",
    },
    5: {OF_A_STORE: "trans_line stock_take location_movement temperature_breach"},
    6: {OF_A_STORE: "stock_take_lines goods_received_line temperature_log"},
}
LEVELS = {name: level for level, groups in FIELD.items() for names in groups.values() for name in names.split()}
RULES = {name: rule for groups in FIELD.values() for rule, names in groups.items() for name in names.split()}
KNOWN_KEYS = {
    "table",
    "key",
    "edited_on",
    "sent_to",
    "store",
    "also_sent_to",
    "when_missing",
    "columns",
    "guard",
    "application_triggers",
}


@pytest.fixture(scope="module")
def sample() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(application.sample_file("msupply.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    application.new_database(tmp_path / "store.db")
    with closing(application.open_database(tmp_path / "store.db")) as connection:
        yield connection


def columns(connection: sqlite3.Connection, table: str) -> dict[str, sqlite3.Row]:
    return {row[1]: row for row in connection.execute(f"PRAGMA table_info({table})")}


def references(connection: sqlite3.Connection, table: str) -> dict[str, tuple[str, str]]:
    """The foreign keys of a table: column to (table, ON DELETE)."""
    return {row[3]: (row[2], row[6]) for row in connection.execute(f"PRAGMA foreign_key_list({table})")}


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def rows(connection: sqlite3.Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    return connection.execute(query, values).fetchall()


def test_every_record_type_of_the_field_is_declared_with_its_owner_and_audience(sample: dict[str, Any]) -> None:
    declared = {name: (entry["edited_on"], entry["sent_to"]) for name, entry in sample["record_types"].items()}
    assert declared == RULES


def test_the_declaration_uses_known_keys_only(sample: dict[str, Any]) -> None:
    assert set(sample) == {"stores", "record_types"}
    for name, entry in sample["record_types"].items():
        assert set(entry) <= KNOWN_KEYS, name


def test_an_editor_finds_the_schema_of_the_declaration() -> None:
    first = application.sample_file("msupply.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../msyncd.schema.json"


def test_the_schema_has_exactly_the_declared_tables(sample: dict[str, Any], database: sqlite3.Connection) -> None:
    assert {entry["table"] for entry in sample["record_types"].values()} == tables(database)
    stores = sample["stores"]
    assert {stores["key"], stores["code"], stores["name"]} <= columns(database, stores["table"]).keys()
    assert references(database, stores["table"])[stores["name"]][0] == "name"


def test_every_declared_column_exists_and_every_key_is_the_primary_key(
    sample: dict[str, Any], database: sqlite3.Connection
) -> None:
    for name, entry in sample["record_types"].items():
        have = columns(database, entry["table"])
        assert [column for column, info in have.items() if info[5]] == [entry["key"]], name
        assert have[entry["key"]][3], f"the key of {name} may be NULL"
        assert len({column.lower() for column in have}) == len(have), f"{name}: columns that differ by case only"
        store = entry.get("store", [])
        named = {store["through"]} if isinstance(store, dict) else {store} if store else set()
        named |= {*entry.get("also_sent_to", {}).values(), *entry.get("when_missing", {})}
        named |= {*entry.get("columns", {}).get("exclude", [])}
        assert named <= have.keys(), name


def test_a_record_that_goes_to_the_sites_of_its_store_always_names_one(
    sample: dict[str, Any], database: sqlite3.Connection
) -> None:
    for name, entry in sample["record_types"].items():
        assert ("store" in entry) == (entry["sent_to"] == "sites_of_store"), name
        if "store" not in entry:
            continue
        store = entry["store"]
        column = store["through"] if isinstance(store, dict) else store
        assert columns(database, entry["table"])[column][3], f"{name}.{column} may be NULL"
        if isinstance(store, dict):
            parent = sample["record_types"][store["of"]]
            assert isinstance(parent["key"], str)
            assert references(database, entry["table"])[column] == (parent["table"], "CASCADE"), name


def test_a_reference_goes_to_a_lower_level_so_parents_can_be_written_first(database: sqlite3.Connection) -> None:
    for table, level in LEVELS.items():
        for column, (parent, _) in references(database, table).items():
            assert LEVELS[parent] < level, f"{table}.{column} refers to {parent}"


def test_every_reference_has_an_index_that_a_cascade_can_use(database: sqlite3.Connection) -> None:
    for table in LEVELS:
        indexes = [row[1] for row in database.execute(f"PRAGMA index_list({table})")]
        leading = {rows(database, f"PRAGMA index_info({index})")[0][2] for index in indexes}
        assert references(database, table).keys() <= leading, table


def test_the_other_party_of_a_transfer_can_hold_what_it_is_sent(
    sample: dict[str, Any], database: sqlite3.Connection
) -> None:
    """Where a transfer's reference to the sender's own records leads nowhere it is cleared: nothing waits for ever."""
    types = sample["record_types"]
    shared = {name for name, entry in types.items() if "store_of_name" in entry.get("also_sent_to", {})}
    assert shared == {"transact", "requisition"}
    lines = {
        name for name, entry in types.items() if isinstance(entry.get("store"), dict) and entry["store"]["of"] in shared
    }
    assert lines == {"trans_line", "requisition_line"}
    for name in shared | lines:
        entry = types[name]
        own = {column for column, (parent, _) in references(database, name).items() if RULES[parent] == OF_A_STORE}
        if name in lines:
            own.discard(entry["store"]["through"])
        assert entry.get("when_missing", {}) == dict.fromkeys(own, "clear"), name
        assert not [column for column in own if columns(database, name)[column][3]], f"{name}: cannot be cleared"
