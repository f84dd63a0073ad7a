"""What a filled-in form means: only what somebody changed becomes an edit."""

from pathlib import Path

import pytest

from msyncd.console.filling import (
    Meant,
    fields_of,
    fields_of_site,
    given_in,
    keep_secret,
    meant_here,
    meant_of_site,
    minutes,
)
from msyncd.settings import load
from msyncd.settings.editing import AddSite, Edit, Set, SetSite, Unset, UnsetSite
from msyncd.settings.secrets import verify_password
from msyncd.settings.values import Secret, Settings

PRIMARY = """
this_site: {sync_id: 1, name: Central, database: "sqlite:///a.db", active_stores: [CMS], copies_of: all, password: x}
sync_with:
  - {sync_id: 2, name: Bumban, active_stores: [BUM, 010], copies_of: [CMS], user_name: bum, password_file: bum}
  - {sync_id: 3}
"""
SATELLITE = """
this_site: {sync_id: 2, database: "sqlite:///b.db", password_file: secret}
sync: {interval: 90s}
sync_with: [{sync_id: 1, url: "https://central.example.org:8443", ca_certificate: ca.pem}]
"""


def settings(folder: Path, text: str) -> Settings:
    (folder / "msyncd.yaml").write_text(text)
    (folder / "msyncd.yaml").chmod(0o600)
    (folder / "ca.pem").touch()
    return load(folder / "msyncd.yaml", environment={}).settings


@pytest.fixture
def primary(tmp_path: Path) -> Settings:
    return settings(tmp_path, PRIMARY)


@pytest.fixture
def satellite(tmp_path: Path) -> Settings:
    return settings(tmp_path, SATELLITE)


@pytest.mark.parametrize("text", [PRIMARY, SATELLITE], ids=["primary", "satellite"])
def test_a_form_that_nobody_changed_means_nothing(tmp_path: Path, text: str) -> None:
    one = settings(tmp_path, text)
    assert meant_here(one, fields_of(one), locked=False) == Meant(())
    for entry in one.sync_with:
        assert meant_of_site(one, entry, fields_of_site(one, entry)) == Meant(())


def test_fields_show_what_the_yaml_says(primary: Settings, satellite: Settings) -> None:
    shown = fields_of(primary)
    assert (shown["sync_id"], shown["name"], shown["active_stores"], shown["copies_of"]) == (
        "1",
        "Central",
        "CMS",
        "all",
    )
    entry = fields_of_site(primary, primary.sync_with[0])
    assert (entry["active_stores"], entry["copies_of"], entry["user_name"]) == ("BUM, 010", "CMS", "bum")


def test_defaults_stay_defaults(tmp_path: Path) -> None:
    satellite = settings(tmp_path, SATELLITE)
    shown = fields_of(satellite)
    assert shown["name"] == ""
    assert shown["interval"] == "90s"
    assert fields_of_site(satellite, satellite.sync_with[0])["ca_certificate"] == "ca.pem"


def edits(one: Settings, **given: str) -> list[Edit]:
    return list(meant_here(one, fields_of(one) | given, locked=False).edits)


def test_each_field_becomes_the_value_that_the_yaml_has(tmp_path: Path) -> None:
    one = settings(tmp_path, SATELLITE)
    assert edits(one, name="Bumban") == [Set("this_site.name", "Bumban")]
    assert edits(one, sync_id="7") == [Set("this_site.sync_id", 7)]
    assert edits(one, sync_id="seven") == [Set("this_site.sync_id", "seven")]  # complained of with all the rest
    assert edits(one, interval="0") == [Set("sync.interval", 0)]
    assert edits(one, interval="30s") == [Set("sync.interval", "30s")]
    assert edits(one, live="") == [Set("sync.live", False)]
    assert edits(one, active_stores="BUM, KAL ; DOR,") == [Set("this_site.active_stores", ["BUM", "KAL", "DOR"])]
    assert edits(one, copies_of="All") == [Set("this_site.copies_of", "all")]
    assert edits(one, name="${HOME}") == [Set("this_site.name", "$${HOME}")]


def test_an_emptied_field_takes_the_setting_away(tmp_path: Path) -> None:
    one = settings(tmp_path, PRIMARY)
    assert edits(one, name="", copies_of="") == [Unset("this_site.name"), Unset("this_site.copies_of")]
    assert edits(one, active_stores=" CMS ,") == []
    entry = one.sync_with[0]
    meant = meant_of_site(one, entry, fields_of_site(one, entry) | {"user_name": "", "url": "kalo.example.org"})
    assert list(meant.edits) == [SetSite(2, "url", "kalo.example.org"), UnsetSite(2, "user_name")]


def test_while_it_is_locked_only_the_interval_counts(tmp_path: Path) -> None:
    one = settings(tmp_path, SATELLITE)
    given = fields_of(one) | {"interval": "0", "name": "Other", "request_size": "5", "password": "new one"}
    assert meant_here(one, given, locked=True) == Meant((Set("sync.interval", 0),))


def test_a_primary_has_no_interval(tmp_path: Path) -> None:
    one = settings(tmp_path, PRIMARY)
    assert edits(one, interval="0", request_size="5") == []


def test_of_a_new_password_the_primary_keeps_a_hash(tmp_path: Path) -> None:
    one = settings(tmp_path, PRIMARY)
    meant = meant_here(one, fields_of(one) | {"password": "new one"}, locked=False)
    *others, kept = meant.edits
    assert others == [Unset("this_site.password"), Unset("this_site.password_file")]
    assert isinstance(kept, Set)
    assert kept.path == "this_site.password_hash"
    assert verify_password(Secret(hash=str(kept.value)), "new one")
    assert meant.secret is None
    entry = meant_of_site(one, one.sync_with[0], fields_of_site(one, one.sync_with[0]) | {"password": "its own"})
    assert list(entry.edits[:2]) == [UnsetSite(2, "password"), UnsetSite(2, "password_file")]
    assert isinstance(entry.edits[2], SetSite)
    assert entry.edits[2].name == "password_hash"


def test_a_satellite_keeps_it_in_a_file_of_its_own_that_is_shown_nowhere(tmp_path: Path) -> None:
    one = settings(tmp_path, SATELLITE)
    meant = meant_here(one, fields_of(one) | {"password": "new one "}, locked=False)
    assert meant.edits[:2] == (Unset("this_site.password"), Unset("this_site.password_hash"))
    kept = meant.edits[2]
    assert isinstance(kept, Set)
    assert kept.path == "this_site.password_file"
    file = tmp_path / str(kept.value)
    assert "new one" not in repr(meant)
    assert not file.exists()
    keep_secret(meant)
    assert file.read_text() == "new one "
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_new_site_has_what_was_filled_in(tmp_path: Path) -> None:
    one = settings(tmp_path, PRIMARY)
    given = fields_of_site(one, None) | {"sync_id": "4", "name": "Dorsi", "active_stores": "DOR", "copies_of": ""}
    assert meant_of_site(one, None, given).edits == (
        AddSite({"sync_id": 4, "name": "Dorsi", "active_stores": ["DOR"]}),
    )


@pytest.mark.parametrize(("seconds", "written"), [(300, "5"), (0, "0"), (90, "90s"), (3600, "60"), (1, "1s")])
def test_intervals_are_shown_in_minutes_where_they_are_whole(seconds: float, written: str) -> None:
    assert minutes(seconds) == written


def test_a_box_that_is_not_ticked_is_told_by_its_hidden_twin_and_a_password_keeps_its_spaces() -> None:
    form = {"live": [""], "name": [" Bumban "], "password": [" a b "], "csrf": ["x"]}
    assert given_in(form) == {"live": "", "name": "Bumban", "password": " a b "}
    assert given_in({"live": ["", "yes"]}) == {"live": "yes"}
