"""Which wishes this installation took in last, in `state_directory/wishes.json` (P31; see flow/wishes.py).

It is noted before the database commits, as what is being taken in, and counts once the database has it: so a process
that is killed in between finds both as they were, or both as they are now.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from msyncd.errors import MsyncdError
from msyncd.settings.durable import StateUnreadable, write_private

FILE: Final = "wishes.json"


@dataclass(frozen=True, slots=True)
class Mark:
    """Wishes, by the number under which the primary's database took them in, and their digest."""

    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """Of the database with this ID: the wishes that were heard here `last`, and those that were being taken in."""

    database: str
    last: Mark | None = None
    taking: Mark | None = None


def remembered(state_directory: Path, database: str) -> Remembered:
    """What is remembered of a database; nothing if it was of another one. Raises StateUnreadable."""
    file = state_directory / FILE
    try:
        found = json.loads(file.read_bytes())
        if found["database"] != database:
            return Remembered(database)
        last, taking = (Mark(**found[one]) if found[one] else None for one in ("last", "taking"))
        return Remembered(database, last, taking)
    except (FileNotFoundError, NotADirectoryError):
        return Remembered(database)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        hint = "correct its rights; if it is damaged, take it away"
        raise StateUnreadable(f"{file} cannot be read: {reason}", hint=hint) from error


def remember(state_directory: Path, known: Remembered) -> None:
    """Note it. Raises MsyncdError."""
    try:
        write_private(state_directory / FILE, json.dumps({"format": 1, **asdict(known)}).encode())
    except OSError as error:
        raise MsyncdError(
            f"{state_directory / FILE} cannot be written: {error.strerror or error}",
            hint="the user of msyncd must be able to write there",
        ) from error
