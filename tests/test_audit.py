"""What CI makes of pip-audit's report about the locked packages."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "audit.py"
GOOD = {"name": "requests", "version": "2.34.2", "vulns": []}
NOT_FOUND = {"name": "click", "skip_reason": "Dependency not found and could not be audited: click (8.3.0)"}


def flawed(*mended_in: str) -> dict[str, Any]:
    return {"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": [*mended_in], "aliases": []}]}


@pytest.mark.parametrize(
    ("packages", "status", "said"),
    [
        ([GOOD], 0, "1 packages audited, 0 vulnerabilities known"),
        ([GOOD, flawed("1.1", "2.0")], 1, "a 1: X-1, mended in 1.1, 2.0"),
        ([GOOD, flawed()], 0, "a 1: X-1, not mended yet"),
        ([GOOD, NOT_FOUND], 0, "not audited: click: Dependency not found"),
        ([NOT_FOUND, NOT_FOUND], 0, "LEFT OUT"),
        ([], 0, "LEFT OUT"),
        (None, 0, "LEFT OUT"),
    ],
)
def test_it_fails_for_what_can_be_mended_and_says_who_was_not_asked(
    tmp_path: Path, packages: list[Any] | None, status: int, said: str
) -> None:
    report = tmp_path / "report.json"
    if packages is not None:
        report.write_text(json.dumps({"dependencies": packages, "fixes": []}))
    done = subprocess.run([sys.executable, SCRIPT, report], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, "")
    assert said in done.stdout
    assert ("LEFT OUT" in done.stdout) == (said == "LEFT OUT")
