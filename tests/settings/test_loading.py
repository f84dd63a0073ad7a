"""A right configuration becomes the values that an admin meant."""

from pathlib import Path

import pytest

from msyncd.errors import ConfigurationInvalid
from msyncd.model import AlsoSentTo, Through
from msyncd.settings import load
from msyncd.settings.values import LogSettings, PeerSite, Place, Secret, SyncSettings

SATELLITE = """\
this_site:
  sync_id: 2
  name: Bumban district store
  database: sqlite:///store.db
  active_stores: [BUM]
  copies_of: []
  user_name: sync
  password_file: secrets/password
sync:
  interval: 5
  request_size: 20
  live: true
sync_with:
  - sync_id: 1
    name: Central medical store
    url: https://central.example.org:8443
record_types: [record_types/stock.yaml]
plugins:
  - module: transfers
    settings: {finalised_status: fn}
log: {level: info, format: text}
state_directory: .msyncd
"""
RECORD_TYPES = """\
stores: {table: store, key: ID, code: code, name: name_ID}
record_types:
  item: {table: item, key: ID, edited_on: primary, sent_to: every_site}
  transact:
    table: transact
    key: [a, b]
    edited_on: active_site
    sent_to: sites_of_store
    store: store_ID
    also_sent_to: {store_of_name: name_ID}
    columns: {exclude: [local_note]}
    guard: off
  header: {table: header, key: ID, edited_on: active_site, sent_to: sites_of_store, store: store_ID}
  line:
    table: line
    key: ID
    edited_on: active_site
    sent_to: sites_of_store
    store: {through: header_ID, of: header}
    when_missing: {item_line_ID: clear}
    columns: {include: [quantity]}
    application_triggers: silent
"""


def write(folder: Path, text: str = SATELLITE, record_types: str = RECORD_TYPES) -> Path:
    """A configuration in a folder, as an admin would have it."""
    (folder / "record_types").mkdir(exist_ok=True)
    (folder / "record_types" / "stock.yaml").write_text(record_types, encoding="utf-8")
    file = folder / "msyncd.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_what_the_contract_shows_is_understood(tmp_path: Path) -> None:
    loaded = load(write(tmp_path), environment={})
    settings = loaded.settings
    assert loaded.warnings == ()
    assert settings.this_site.sync_id == 2
    assert settings.this_site.database == f"sqlite:///{tmp_path}/store.db"
    assert settings.this_site.active_stores == ("BUM",)
    assert settings.this_site.copies_of == ()
    assert settings.this_site.password == Secret(file=tmp_path / "secrets" / "password")
    assert settings.sync == SyncSettings(300.0, 20, True)
    assert settings.sync_with == (PeerSite(1, "Central medical store", "https://central.example.org:8443"),)
    assert settings.log == LogSettings("info", "text")
    assert settings.state_directory == tmp_path / ".msyncd"
    assert (settings.is_primary, settings.stands_alone, settings.max_sync_id) == (False, False, 64)
    assert settings.files == (tmp_path / "msyncd.yaml", tmp_path / "record_types" / "stock.yaml")
    plugin = settings.plugins[0]
    assert (plugin.module, plugin.settings, plugin.base) == ("transfers", {"finalised_status": "fn"}, tmp_path)
    assert (plugin.place, plugin.places["finalised_status"]) == (
        Place("msyncd.yaml", 19, 13),
        Place("msyncd.yaml", 20, 34),
    )
    assert settings.places["this_site.active_stores.0"] == Place("msyncd.yaml", 5, 19)


def test_record_types_are_understood(tmp_path: Path) -> None:
    settings = load(write(tmp_path), environment={}).settings
    item, transact, _, line = settings.record_types
    assert settings.stores is not None
    assert settings.stores.name == "name_ID"
    assert (item.key, item.store, item.guard, item.place) == (
        ("ID",),
        None,
        True,
        Place("record_types/stock.yaml", 3, 3),
    )
    assert (transact.key, transact.store, transact.exclude) == (("a", "b"), "store_ID", ("local_note",))
    assert transact.also_sent_to == AlsoSentTo("store_of_name", "name_ID")
    assert transact.guard is False
    assert transact.places["columns.exclude.0"] == Place("record_types/stock.yaml", 11, 25)
    assert line.store == Through("header_ID", "header")
    assert line.when_missing == {"item_line_ID": "clear"}
    # The key and what routes a record always travel.
    assert line.include == ("ID", "quantity", "header_ID")
    assert line.application_triggers == "silent"


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    text = SATELLITE.replace("sync_id: 2", "sync_id: 99").replace("live: true", "live: yes").replace("log:", "logs:")
    with pytest.raises(ConfigurationInvalid) as caught:
        load(write(tmp_path, text), environment={})
    assert [str(problem) for problem in caught.value.problems] == [
        "msyncd.yaml:2:12: sync_id must be from 1 to 64, not 99; give it a free one, or raise max_sync_id on both ends",
        "msyncd.yaml:12:9: live must be true or false, not yes",
        "msyncd.yaml:21:1: logs is not a setting; did you mean log?",
    ]
