"""What tests of faults use."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.small_disk import CannotMount, SmallDisk, mounted

MEGABYTES = 4


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path], SmallDisk]]:
    """Mounts a small disk at a folder. Skipped for want of the right to mount."""
    with ExitStack() as stack:

        def mount(folder: Path) -> SmallDisk:
            try:
                return stack.enter_context(mounted(folder, MEGABYTES))
            except CannotMount as why:
                pytest.skip(str(why))

        yield mount
