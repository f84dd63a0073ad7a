"""The flow's tests make hundreds of databases, and each commit is synced to the disk: one in memory, if there is."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.beside import beside
from tests.flow.odd import odd_cursors
from tests.flow.pairs import ALL, ASKED, on
from tests.flow.support import swift_folder

__all__ = ["beside", "odd_cursors", "pair", "tmp_path"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests marked `everywhere` run on every pair of databases; all of them on those that were asked for."""
    pairs = ASKED or (ALL if metafunc.definition.get_closest_marker("everywhere") else ())
    if pairs:
        metafunc.parametrize("pair", pairs, indirect=True)


@pytest.fixture(autouse=True)
def pair(request: pytest.FixtureRequest) -> Iterator[str]:
    """The pair of databases on which the sites of this test stand."""
    name = str(getattr(request, "param", "sqlite-sqlite"))
    if name == "sqlite-sqlite":
        yield name
        return
    with on(name, request.getfixturevalue("databases")):
        yield name


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder for one test, of real files."""
    with tempfile.TemporaryDirectory(prefix="msyncd-", dir=swift_folder()) as folder:
        yield Path(folder)
