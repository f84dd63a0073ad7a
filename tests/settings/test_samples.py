"""The samples run as they are, and what editors and docs say of the settings is what the daemon takes."""

import json
import re
from pathlib import Path

import pytest

from msyncd.settings import load
from msyncd.settings.json_schema import json_schema, settings_in
from msyncd.settings.secrets import read_secret

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"


@pytest.mark.parametrize("name", ["primary.yaml", "satellite.yaml"])
def test_a_sample_loads_without_a_word(name: str) -> None:
    loaded = load(CONFIG / name, environment={})
    assert loaded.warnings == ()
    assert {one.name for one in loaded.settings.record_types} >= {"item", "transact", "trans_line"}


def test_the_samples_fit_together() -> None:
    primary = load(CONFIG / "primary.yaml", environment={}).settings
    satellite = load(CONFIG / "satellite.yaml", environment={}).settings
    expected = next(peer for peer in primary.sync_with if peer.sync_id == satellite.this_site.sync_id)
    assert satellite.this_site.active_stores == expected.active_stores == ("BUM",)
    assert satellite.this_site.copies_of == expected.copies_of == ("CMS",)
    assert satellite.sync_with[0].url == f"http://{primary.listen.host}:{primary.listen.port}"
    assert read_secret(satellite.this_site.password) == read_secret(primary.this_site.password)
    # On one machine, two sites must share neither database nor state.
    assert satellite.this_site.database != primary.this_site.database
    assert satellite.state_directory != primary.state_directory
    assert {store for peer in primary.sync_with for store in peer.active_stores} == {"BUM", "KAL"}


def test_the_schema_file_is_what_msyncd_exports() -> None:
    shipped = json.loads((CONFIG / "msyncd.schema.json").read_text(encoding="utf-8"))
    assert shipped == json_schema(), "write it anew: msyncd schema > config/msyncd.schema.json"


def test_the_schema_file_reads_like_the_output_of_the_command() -> None:
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    assert (CONFIG / "msyncd.schema.json").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("file", ["primary.yaml", "satellite.yaml", "record_types/msupply.yaml"])
def test_editors_find_the_schema(file: str) -> None:
    first = (CONFIG / file).read_text(encoding="utf-8").splitlines()[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert found
    assert (CONFIG / file).parent.joinpath(found[1]).resolve() == CONFIG / "msyncd.schema.json"


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    schema = json_schema()
    references = set(re.findall(r'"\$ref": "#/\$defs/(\w+)"', json.dumps(schema)))
    assert references
    assert references <= set(schema["$defs"])
    assert "x-definition" not in json.dumps(schema)


def test_every_setting_is_described_with_an_example() -> None:
    for section, name, setting in settings_in(json_schema()):
        assert setting.get("description"), (section, name)
        assert setting.get("examples"), (section, name)


def test_every_setting_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    missing = []
    for section, name, _ in settings_in(json_schema()):
        part = re.search(rf"<!-- {section} -->(.*?)(?=<!-- \w+ -->|\Z)", text, re.DOTALL)
        if part is None or not re.search(rf"^\| `{name}` \|", part[1], re.MULTILINE):
            missing.append(f"{section}.{name}")
    assert missing == []


def test_the_documentation_names_no_setting_that_is_gone() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    known = {(section, name) for section, name, _ in settings_in(json_schema())}
    found = set()
    for part in re.finditer(r"<!-- (\w+) -->(.*?)(?=<!-- \w+ -->|\Z)", text, re.DOTALL):
        found |= {(part[1], name) for name in re.findall(r"^\| `(\w+)` \|", part[2], re.MULTILINE)}
    assert found == known
