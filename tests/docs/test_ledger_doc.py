"""docs/ledger.md tells of every table that msyncd makes, and of no other."""

import re
from pathlib import Path

from msyncd.databases.ledger import TABLES
from msyncd.databases.sqlite.triggers import LEDGER_DDL_FOR_CAPTURE

TEXT = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("| `")]


def made() -> set[str]:
    """Every table's name, from the texts that make them."""
    captured = {sql.removeprefix("CREATE TABLE ").split()[0] for sql in LEDGER_DDL_FOR_CAPTURE}
    return captured | set(TABLES)


def test_every_table_has_its_row_and_every_row_its_table() -> None:
    named = [row[0].strip("`") for row in ROWS]
    assert sorted(named) == sorted(made())


def test_every_row_says_what_for_by_whom_and_until_when() -> None:
    assert [row[0] for row in ROWS if len(row) != 4 or not all(row)] == []


def test_what_the_text_names_besides_exists_in_the_database_or_the_code() -> None:
    code = "\n".join(path.read_text() for path in (Path(__file__).parents[2] / "msyncd" / "databases").rglob("*.py"))
    named = set(re.findall(r"`(msyncd_\w+)`", TEXT))
    assert sorted(one for one in named if f'"{one}"' not in code and one not in made()) == []
