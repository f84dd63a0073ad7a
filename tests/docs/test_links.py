"""What README and docs point to exists: files, headings, rules; and every YAML in README and docs/admin.md loads."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from msyncd.commands import SECTIONS
from msyncd.plugins import Plugins
from msyncd.rules import BUILTIN
from msyncd.settings import load

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
RULES = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
FRAGMENT_BASE = {"this_site": {"sync_id": 1, "database": "sqlite:///store.db"}}


def prose(page: Path) -> str:
    """The text without what stands in fences."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The headings as links name them: lower case, spaces to dashes, punctuation gone."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def blocks(page: Path, language: str) -> list[str]:
    """What stands in the fences of one language."""
    return [text for _, named, text in FENCE.findall(page.read_text(encoding="utf-8")) if named == language]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    astray = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, heading = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (heading and heading not in anchors(there)):
            astray.append(target)
    assert astray == []


def test_a_link_that_leads_nowhere_would_be_seen() -> None:
    assert "three-servers-in-ten-minutes" in anchors(ROOT / "README.md")
    assert "the-applications-own-triggers" in anchors(ROOT / "docs" / "databases.md")
    assert LINK.findall("[a page](nowhere.md#at-all)") == ["nowhere.md#at-all"]


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if f"({page.name})" not in index]
    assert [name for name in missing if name != "index.md"] == []


def test_the_readme_opens_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    title, sentence, first = text.split("\n\n")[:3]
    assert title == "# msyncd"
    assert sentence.count(".") == 1
    assert first == "```console\npython3 run.py demo\npython3 run.py test\n```"


@pytest.mark.parametrize("page", ["architecture.md", "rules.md", "ledger.md"])
def test_files_that_are_named_exist(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:msyncd|tests|plugins|config|bench|docs)/[\w./]*)`", text))
    assert named
    assert sorted(one for one in named if not (ROOT / one).exists()) == []


def test_every_rule_has_its_row() -> None:
    rows = re.findall(r"^\| P(\d+) \|(.*)\|$", RULES, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 39))
    assert [number for number, cells in rows if len(cells.split("|")) != 3] == []


def test_a_rule_without_a_test_is_one_that_comes_later() -> None:
    rows = re.findall(r"^\| P(\d+) \|.*\| ([^|]+) \| ([^|]+) \|$", RULES, re.MULTILINE)
    bare = {int(number) for number, held, shown in rows if shown.strip() == "–" and "*not yet*" in held}
    assert bare == {int(number) for number, _, shown in rows if shown.strip() == "–"}


def test_rules_are_shown_by_tests_that_exist() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = sorted(set(re.findall(r"`(test_p\d\d_)`", RULES)))
    assert [one for one in named if f"def {one}" not in tests] == []


SQLITES = ("constraint failed", "readonly database", "is not a database", "is malformed")
"""SQLite's own words, which the program passes on."""


def source() -> str:
    """The package's text, with strings that go on joined and what is filled in left out."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "msyncd").rglob("*.py"))
    joined = re.sub(r'"\s*\n\s*f?"', "", text)
    return re.sub(r"\{[^{}]*\}", "\0", joined)


@pytest.mark.parametrize("page", ["admin.md", "restore.md"])
def test_messages_are_quoted_as_the_program_says_them(page: str) -> None:
    code, strange, seen = source(), [], 0
    for row in re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE):
        for message in re.findall(r"`([^`]+)`", row):
            if any(own in message for own in SQLITES):
                continue
            plain = message.replace("another database", "another …").replace("another installation", "another …")
            filled_in = r"…|\b(?:[NMX]|\d+|BUM|KAL|KDI|HOST|item|transact|store_ID)\b"
            parts = [part.strip() for part in re.split(filled_in, plain)]
            strange += [part for part in parts if len(part) > 6 and part not in code]
            seen += 1
    assert strange == []
    assert seen > 6


@pytest.mark.parametrize("page", ["README.md", "docs/admin.md", "docs/restore.md", "docs/databases.md"])
def test_commands_that_are_to_be_typed_exist(page: str) -> None:
    known = {name for section in SECTIONS.values() for name in section}
    typed = "\n".join(blocks(ROOT / page, "sh") + blocks(ROOT / page, "console"))
    named = set(re.findall(r"^(?:\$ )?(?:sudo -u msyncd )?(?:msyncd|python3 run\.py) ([a-z-]+)", typed, re.MULTILINE))
    assert named - known <= {"test", "lint", "bench", "setup"}


@pytest.mark.parametrize(
    ("page", "at"),
    [(name, at) for name in ("README.md", "docs/admin.md") for at in range(len(blocks(ROOT / name, "yaml")))],
)
def test_every_yaml_block_loads(page: str, at: int, tmp_path: Path) -> None:
    """As it is if it is a whole file, else on top of the least that a file has; with the files that it names."""
    text = blocks(ROOT / page, "yaml")[at]
    content = yaml.safe_load(text)
    if "this_site" not in content:
        text = yaml.safe_dump(FRAGMENT_BASE | content)
    shutil.copytree(ROOT / "config" / "record_types", tmp_path / "record_types")
    for name in re.findall(r"[\w-]+\.pem", text):
        (tmp_path / name).touch()
    file = tmp_path / "msyncd.yaml"
    file.write_text(text, encoding="utf-8")
    loaded = load(file, environment={})
    assert loaded.warnings == ()


def test_the_readme_s_three_sites_fit_together(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config" / "record_types", tmp_path / "record_types")
    for name in ("cert.pem", "key.pem", "private-ca.pem"):
        (tmp_path / name).touch()
    whole = [text for text in blocks(ROOT / "README.md", "yaml") if "this_site" in text]
    sites = []
    for number, text in enumerate(whole):
        (tmp_path / f"{number}.yaml").write_text(text, encoding="utf-8")
        sites.append(load(tmp_path / f"{number}.yaml", environment={}).settings)
    primary, *satellites = sites
    assert [one.sync_id for one in primary.sync_with] == [one.this_site.sync_id for one in satellites] == [2, 3]
    assert [one.name for one in primary.sync_with] == [one.this_site.name for one in satellites]
    assert all(one.record_types == primary.record_types for one in satellites)
    assert {one.sync_with[0].url for one in satellites} == {f"https://central.example.org:{primary.listen.port}"}


def test_the_readme_s_plugin_loads(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "no_negative_stock.py").write_text(blocks(ROOT / "README.md", "python")[0])
    fragment = next(text for text in blocks(ROOT / "README.md", "yaml") if text.startswith("plugins:"))
    (tmp_path / "msyncd.yaml").write_text(yaml.safe_dump(FRAGMENT_BASE | yaml.safe_load(fragment)))
    plugins, problems = Plugins.load(load(tmp_path / "msyncd.yaml", environment={}).settings.plugins, builtin=BUILTIN)
    assert problems == []
    assert [one.hooks for one in plugins.report() if one.name == "no_negative_stock"] == [("msyncd_check",)]
