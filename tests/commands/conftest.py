"""Sites for the tests of commands."""

from pathlib import Path

import pytest

from tests.commands.support import Country


@pytest.fixture
def country(tmp_path: Path) -> Country:
    """A primary and a satellite, before `msyncd init`."""
    return Country(tmp_path)
