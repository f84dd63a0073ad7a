"""What tests of every folder use."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.servers import Databases


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Where tests get empty databases of any kind from."""
    with closing(Databases()) as made:
        yield made
