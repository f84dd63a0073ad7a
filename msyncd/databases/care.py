"""Work in a swift transaction, which keeps no savepoints: see `Database.write` and `Database.with_care`."""

from collections.abc import Iterator
from contextlib import contextmanager

from msyncd.databases.interface import CareNeeded
from msyncd.errors import TryLater


@contextmanager
def asking_for_care() -> Iterator[None]:
    """In place of a savepoint: what fails inside makes the whole transaction fail, to be done again with care.

    But for what is only to be tried later: with savepoints it would fail as well.
    """
    try:
        yield
    except TryLater:
        raise
    except Exception as error:
        raise CareNeeded(str(error)) from error
