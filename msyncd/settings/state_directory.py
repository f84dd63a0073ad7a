"""Where the installation keeps its state: one place for the daemon and for every command, however they are started.

The service manager sets $STATE_DIRECTORY for the daemon, and for nothing that is typed by hand. A command that took
another folder for that would make a second installation ID, and the primary would refuse one of the two as a clone. So
what is on the disk decides: where one of the folders holds an installation ID, that one it is.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

INSTALLATION: Final = "installation.json"
REPORT: Final = "daemon.json"
"""What the daemon writes of itself (daemon/report.py), with the configuration with which it runs or ran last."""
BESIDE: Final = ".msyncd"
SYSTEM: Final = Path("/var/lib/msyncd")
"""The state directory of the shipped unit."""


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """The folder, and if there is anything to say of it, what and what to do."""

    path: Path
    message: str = ""
    hint: str = ""


def choose(
    written: str | None, file: Path, environment: Mapping[str, str], *, system: Path | None = None
) -> StateDirectory:
    """The state directory of a configuration: as written; else where an installation ID is; else the default.

    The default is $STATE_DIRECTORY, else .msyncd beside the file. `system` is the folder of the shipped unit: it counts
    only if it is this very file's.
    """
    system = SYSTEM if system is None else system
    beside = file.parent / BESIDE
    given = environment.get("STATE_DIRECTORY", "").split(os.pathsep)[0]
    from_environment = [_absolute(file.parent, given)] if given else []
    candidates = [*from_environment, *([system] if _is_of(system, file) else []), beside]
    if written:
        return _as_written(_absolute(file.parent, written), candidates)
    if not from_environment and _is_hidden(system, file):
        return StateDirectory(
            system, f"the state directory {system} cannot be looked into", "run msyncd as the service's user"
        )
    holders = {one: known for one in candidates if (known := _installation(one)) is not None}
    default = candidates[0] if from_environment else beside
    path = next(iter(holders), default)
    others = [one for one, known in holders.items() if known.get("id") != holders[path].get("id")]
    if others:
        message = f"there are two installation IDs, in {path} and in {others[0]}; the first is used"
        return StateDirectory(
            path, message, f"keep the one that the primary knows, and name it: state_directory: {path}"
        )
    if path != default:
        message = f"the installation's ID is in {path}, so this state directory is used, and not {default}"
        return StateDirectory(path, message, f"name it: state_directory: {path}")
    return StateDirectory(path)


def installation_id(state_directory: Path) -> str | None:
    """The ID of the installation that keeps its state there; None if there is none that can be read."""
    found = _installation(state_directory)
    return None if found is None else str(found.get("id", "")) or None


def _as_written(path: Path, candidates: list[Path]) -> StateDirectory:
    """A folder that is named counts. If it holds no ID and another does, that was this installation's until now."""
    if _exists(path / INSTALLATION):
        return StateDirectory(path)
    for other in candidates:
        if other != path and _installation(other) is not None:
            message = f"the state directory {path} holds no installation ID, and {other} does"
            hint = (
                f"if this site has synced before: stop msyncd and move {other / INSTALLATION} there, lest it be a clone"
            )
            return StateDirectory(path, message, hint)
    return StateDirectory(path)


def _is_of(folder: Path, file: Path) -> bool:
    """Whether a file's state is kept in a folder: the ID there was made for it, or its daemon has run there."""
    made_for = (_installation(folder) or {}).get("configuration")
    told = (_document(folder / REPORT) or {}).get("configuration")
    ran_with = told.get("file") if isinstance(told, dict) else None
    return os.path.realpath(file) in [os.path.realpath(str(one)) for one in (made_for, ran_with) if one]


def _is_hidden(folder: Path, file: Path) -> bool:
    """Whether the folder of the unit is closed to this user, and the file is the unit's."""
    try:
        (folder / INSTALLATION).stat()
    except PermissionError:
        return file == Path("/etc/msyncd/msyncd.yaml")
    except OSError:
        pass
    return False


def _installation(folder: Path) -> dict[str, Any] | None:
    """What is known of the installation in a folder. A file that cannot be read is one all the same."""
    known = _document(folder / INSTALLATION)
    return {} if known is None and _exists(folder / INSTALLATION) else known


def _document(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:
        return False


def _absolute(base: Path, text: str) -> Path:
    return Path(os.path.normpath(base / text))
