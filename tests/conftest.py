"""What tests of every folder use, and what holds for all of them."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import Databases

# How busy the machine is decides no test: neither an example nor the making of examples has to be quick.
settings.register_profile("msyncd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("msyncd")


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Where tests get empty databases of any kind from."""
    with closing(Databases()) as made:
        yield made
