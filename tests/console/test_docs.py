"""docs/console.md names every page, every role and what is served besides, and no page that is not there."""

import re
from pathlib import Path

from msyncd.console.pages import PAGES
from msyncd.console.visit import ROLES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "console.md").read_text(encoding="utf-8")


def test_every_page_is_named_and_no_other() -> None:
    shown = {page.path.replace("{sync_id:int}", "{sync_id}").replace("{number:int}", "{id}") for page in PAGES}
    shown = {path for path in shown if not path.startswith("/preferences/") and not path.endswith(("/sync", "/check"))}
    table = TEXT[TEXT.index("| page | shows |") : TEXT.index("States mean")]
    assert set(re.findall(r"`(/[\w/{}]*)`", table)) == shown


def test_what_needs_no_log_in_is_named() -> None:
    assert {"/healthz", "/readyz", "/metrics"} <= set(re.findall(r"`(/\w+)`", TEXT))


def test_every_role_is_told() -> None:
    table = TEXT[TEXT.index("| role | may |") : TEXT.index("A log-in holds")]
    assert tuple(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == ROLES


def test_every_field_of_the_old_window_is_in_the_console() -> None:
    """The second column of docs/preferences.md: the words that the pages have."""
    templates = (ROOT / "msyncd" / "console" / "templates").glob("*.html")
    words = " ".join(path.read_text(encoding="utf-8") for path in templates)
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|.*\|$", PREFERENCES, re.MULTILINE)
    fields = [(old.strip(), new.strip()) for old, new in rows if old.strip() not in ("field or button", "---")]
    assert len(fields) == 18
    for old, new in fields:
        named = re.sub(r"^\*This site\*: |, (?:of|beside|then) .*$|\*", "", new)
        assert named in words, (old, named)


PREFERENCES = (ROOT / "docs" / "preferences.md").read_text(encoding="utf-8")
