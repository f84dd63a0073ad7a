"""The console of a restored primary says for whom it waits (P35)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import warm
from tests.console.conftest import Consoles, Person, until

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Consoles]:
    """A primary whose satellites do not run yet."""
    one = Consoles(tmp_path)
    one.begin(1)
    yield one
    one.close()


def test_p35_the_console_says_for_whom_it_waits(alone: Consoles) -> None:
    amara = Person(alone.url(1))
    amara.log_in("amara")
    amara.get("/sites")
    assert 'id="asking"' not in amara.page
    warm.run("sites", "ask", "-c", alone.config(1)).check_returncode()

    def told() -> bool:
        amara.get("/sites")
        return "asks its satellites for what it lost; waits for sites 2, 3" in amara.text

    until(told)
    amara.get("/activity")
    assert "msyncd sites ask" in amara.text
    alone.begin(2, 3)

    def opened() -> bool:
        amara.get("/sites")
        return 'id="asking"' not in amara.page

    until(opened)
    alone.item("i1")
    until(lambda: alone.has(2, "item", "i1") and alone.has(3, "item", "i1"))
