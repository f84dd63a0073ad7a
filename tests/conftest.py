"""What tests of every folder use, and what holds for all of them."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import Databases

# How busy the machine is decides no test: neither an example nor the making of examples has to be quick. Nor does
# chance: the same examples each time, until somebody looks for others (--hypothesis-profile=searching).
settings.register_profile("searching", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("msyncd", settings.get_profile("searching"), derandomize=True, database=None)
settings.load_profile("msyncd")

SERVERS = ("postgresql", "mariadb")
OUTSIDE = {*SERVERS, "workers", "browser"}
"""Folders whose tests need a database server or a browser; and test_booted.py needs a systemd of its own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs more than Python: `run.py test` leaves it out, `run.py test --all` does not."""
    for item in items:
        if _needs_more_than_python(item):
            item.add_marker("outside")


def _needs_more_than_python(item: pytest.Item) -> bool:
    """By the place where it stands, or by the kind of database that it asks for."""
    if OUTSIDE & {*item.path.parent.parts} or item.path.name == "test_booted.py":
        return True
    given = getattr(item, "callspec", None)
    asks = "databases" in getattr(item, "fixturenames", ()) or item.get_closest_marker("everywhere") is not None
    if given is None or not asks:
        return False
    parameters = " ".join(str(value) for value in given.params.values())
    return any(name in parameters for name in SERVERS)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Where tests get empty databases of any kind from."""
    with closing(Databases()) as made:
        yield made
