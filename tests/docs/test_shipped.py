"""Whoever installs msyncd has the pages that its messages name, and is told where they are."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.commands.support import invoke

ROOT = Path(__file__).parents[2]
PAGES = {path.name for path in (ROOT / "docs").glob("*.md")}


def test_messages_name_pages_that_there_are() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "msyncd").rglob("*.py"))
    named = set(re.findall(r"docs/([\w-]+\.md)", text))
    assert {"restore.md", "configuration.md"} <= named <= PAGES


def test_the_wheel_has_every_page(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.iterdir()
    inside = zipfile.ZipFile(wheel).namelist()
    assert {name.rpartition("/")[2] for name in inside if name.startswith("msyncd/_docs/")} == PAGES
    plugins = {f"msyncd/_plugins/{path.name}" for path in (ROOT / "plugins").glob("*.py")}
    assert {"msyncd/_plugins/patient_visibility.py", "msyncd/_plugins/transfers.py"} <= plugins
    assert {*plugins, "msyncd/_config/primary.yaml"} <= set(inside)


def test_the_help_says_where_they_are() -> None:
    said = re.search(r"What messages call docs/:\s+(\S.*)\n", invoke("--help").stdout)
    assert said
    assert (Path(said[1]) / "restore.md").is_file()
