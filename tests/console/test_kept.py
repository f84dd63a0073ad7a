"""A bundle that waits for an earlier one is shown on its site's page, with what it waits for (P37)."""

import json
import re
import signal

import pytest

from tests.commands.support import run
from tests.console.conftest import Consoles, Person, until

pytestmark = pytest.mark.timeout(400)


def test_p37_the_page_of_a_site_shows_the_bundles_that_are_kept(consoles: Consoles, amara: Person) -> None:
    amara.get("/sites/2")
    assert "Bundles kept" not in amara.text
    until(lambda: consoles.db[2].execute("SELECT 1 FROM msyncd_store WHERE active_site = 2").fetchone())
    consoles.signal(2, signal.SIGTERM)
    consoles.ended(2)
    first, second = consoles.folder / "first.msyncd", consoles.folder / "second.msyncd"
    consoles.stock(2, "a", "s2")
    assert run("export", first, "-c", consoles.config(2)).returncode == 0
    consoles.stock(2, "b", "s2")
    written = run("export", "--further", "--json", second, "-c", consoles.config(2))
    assert run("import", second, "-c", consoles.config(1)).returncode == 0

    def shown() -> "re.Match[str] | None":
        amara.get("/sites/2")
        return re.search(r"Bundles kept .*? (\d+) \S+ \S+ 1 from (\d+) to (\d+)", amara.text)

    until(shown)
    told = shown()
    assert told
    assert int(told[1]) == json.loads(written.stdout)["number"]
    assert int(told[2]) < int(told[3])
    amara.get("/sites/3")
    assert "Bundles kept" not in amara.text
    consoles.begin(2)  # the line brings what is missing, and the bundle is applied or dropped
    until(lambda: consoles.has(1, "stock", "b"))
    until(lambda: not shown())
