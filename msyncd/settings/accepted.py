"""The last accepted configuration, in `state_directory/accepted.json`: the files' texts, and whether they are locked.

While it is locked, it counts and not the files, also across a restart. A small file beside the YAML then says in which
state directory it is: that setting may have been edited too.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msyncd.errors import MsyncdError
from msyncd.settings.durable import StateUnreadable, write_private
from msyncd.settings.free import Free, free_of, with_free
from msyncd.settings.loading import Attempt, Loaded, attempt
from msyncd.settings.sources import absolute
from msyncd.settings.values import Settings

FILE: Final = "accepted.json"


@dataclass(frozen=True)
class Accepted:
    """`main` is the text of the main file, `others` those of the files that it names, by their paths as seen from it.

    `free` are the values of the settings that the lock leaves open, which may have been edited since.
    """

    main: str
    others: Mapping[str, str]
    code_hash: str | None
    free: Free
    at: str = ""

    @property
    def locked(self) -> bool:
        """Whether an edit needs the authorisation code."""
        return self.code_hash is not None


def accepted_in(state_directory: Path) -> Accepted | None:
    """What was accepted there last; None if nothing ever was. Raises StateUnreadable."""
    file = state_directory / FILE
    try:
        found = json.loads(file.read_bytes())
        return Accepted(found["main"], found["others"], found["code_hash"], Free(**found["free"]), found["at"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is damaged"
        hint = "correct its rights; if it is damaged, take it away, and the files count as they are"
        raise StateUnreadable(f"{file} cannot be read: {reason}", hint=hint) from error


def accept(state_directory: Path, path: Path, made: Attempt, settings: Settings) -> None:
    """Note the files as they were read as accepted. Raises MsyncdError if that cannot be written."""
    main = absolute(Path.cwd(), str(path))
    others = {os.path.relpath(one, main.parent): text for one, text in made.contents.items() if one != main}
    _write(
        state_directory,
        main,
        Accepted(
            made.contents[main].decode("utf-8"),
            {name: text.decode("utf-8") for name, text in others.items()},
            settings.code_hash,
            free_of(settings),
        ),
    )


def accept_free(state_directory: Path, path: Path, was: Accepted, settings: Settings) -> None:
    """Note only the settings that the lock leaves open."""
    free = free_of(settings)
    _write(state_directory, absolute(Path.cwd(), str(path)), Accepted(was.main, was.others, was.code_hash, free))


def _write(state_directory: Path, main: Path, accepted: Accepted) -> None:
    """Write it, unless it stands there already."""
    known = accepted_in(state_directory)
    try:
        if known is None or _document(known) != _document(accepted):
            at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            document = {"format": 1, **_document(accepted), "at": at}
            text = json.dumps(document, ensure_ascii=False, indent=1)
            write_private(state_directory / FILE, text.encode("utf-8"))
        _point(main, state_directory, locked=accepted.locked)
    except OSError as error:
        reason = error.strerror or str(error)
        raise MsyncdError(
            f"the accepted configuration cannot be noted: {reason}",
            hint=f"the user of msyncd must be able to write in {state_directory} and {main.parent}",
        ) from error


def _document(accepted: Accepted) -> dict[str, Any]:
    return {
        "main": accepted.main,
        "others": dict(accepted.others),
        "code_hash": accepted.code_hash,
        "free": asdict(accepted.free),
    }


def load_accepted(accepted: Accepted, path: Path, environment: Mapping[str, str]) -> Attempt:
    """What the accepted files say, whatever stands in the files now; with the open settings as they were last."""
    main = absolute(Path.cwd(), str(path))
    instead = {absolute(main.parent, name): text.encode("utf-8") for name, text in accepted.others.items()}
    made = attempt(main, environment, {**instead, main: accepted.main.encode("utf-8")})
    if made.loaded is None:
        return made
    loaded = Loaded(with_free(made.loaded.settings, accepted.free), made.loaded.warnings)
    return Attempt(loaded, made.problems, made.files, made.contents)


# --- where it is ------------------------------------------------------------------------------------------------------


def pointer_of(path: Path) -> Path:
    """The file beside the YAML that says where its accepted configuration is; there while it is locked."""
    main = absolute(Path.cwd(), str(path))
    return main.with_name(f".{main.name}.locked")


def locked_home(path: Path) -> Path | None:
    """The state directory in which a locked configuration was accepted; None if none was."""
    try:
        found = json.loads(pointer_of(path).read_bytes())
        return Path(found["state_directory"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _point(main: Path, state_directory: Path, *, locked: bool) -> None:
    pointer = pointer_of(main)
    if not locked:
        pointer.unlink(missing_ok=True)
    elif locked_home(main) != state_directory:
        document = {
            "about": "msyncd.yaml is locked: what counts was accepted there; see `msyncd unlock`",
            "state_directory": str(state_directory),
        }
        write_private(pointer, (json.dumps(document, indent=1) + "\n").encode())
