"""The flow's tests make hundreds of databases, and each commit is synced to the disk: one in memory, if there is."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.beside import beside
from tests.flow.odd import odd_cursors
from tests.flow.support import swift_folder

__all__ = ["beside", "odd_cursors", "tmp_path"]


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder for one test, of real files."""
    with tempfile.TemporaryDirectory(prefix="msyncd-", dir=swift_folder()) as folder:
        yield Path(folder)
