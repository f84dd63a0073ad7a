"""From an entry of the YAML to the plugin files that it means."""

import difflib
import importlib.util
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from msyncd.errors import Problem

GROUP = "msyncd"
"""The entry-point group by which installed packages announce their plugins."""


class Place(Protocol):
    """Where in the YAML something stands, line and column counted from 1."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class Entry(Protocol):
    """One entry of `plugins` in the YAML. Relative paths are relative to `base`.

    `place` is that of the module, `places` those of its settings by dotted path, the settings as a whole at "".
    """

    @property
    def module(self) -> str: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def base(self) -> Path: ...
    @property
    def place(self) -> Place: ...
    @property
    def places(self) -> Mapping[str, Place]: ...


@dataclass(frozen=True, slots=True)
class PluginFile:
    """A file to load as the plugin `name`. `module` is its dotted name if it is an installed module, else empty."""

    name: str
    path: Path
    module: str = ""


def problem_at(place: Place, message: str, hint: str = "", severity: str = "error") -> Problem:
    """A problem with its place in the YAML."""
    return Problem(place.file, place.line, place.column, message, hint, severity)


def shipped_folder() -> Path | None:
    """Where the plugins that come with msyncd stand: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).parents[1]
    if (package / "_plugins").is_dir():
        return package / "_plugins"
    # Beside an installed package `plugins` could be anybody's; beside pyproject.toml it is ours.
    if (package.parent / "pyproject.toml").is_file() and (package.parent / "plugins").is_dir():
        return package.parent / "plugins"
    return None


def find(entry: Entry, shipped: Path | None) -> tuple[list[PluginFile], list[Problem]]:
    """The plugin files that an entry means, and what is wrong with it."""
    module = entry.module
    if module.endswith(".py"):
        return _file(entry)
    if module.endswith("/"):
        return _folder(entry)
    found = _installed(module) or _shipped(module, shipped)
    if found is None:
        found, problem = _dotted(entry, shipped)
        if problem is not None:
            return [], [problem]
    return ([found] if found else []), []


def _file(entry: Entry) -> tuple[list[PluginFile], list[Problem]]:
    path = entry.base / entry.module
    if path.is_file():
        open_to_all = _open_to_all(entry, path)
        return ([], [open_to_all]) if open_to_all else ([PluginFile(path.stem, path)], [])
    return [], [problem_at(entry.place, f"there is no file {path}", "correct the path, which is relative to this file")]


def _folder(entry: Entry) -> tuple[list[PluginFile], list[Problem]]:
    folder = entry.base / entry.module
    if not folder.is_dir():
        hint = "correct the path, which is relative to this file"
        return [], [problem_at(entry.place, f"there is no folder {folder}", hint)]
    paths = [path for path in sorted(folder.glob("*.py")) if not path.name.startswith("_")]
    problems = [problem for path in paths if (problem := _open_to_all(entry, path))]
    files = [] if problems else [PluginFile(path.stem, path) for path in paths]
    if entry.settings:
        problems.append(problem_at(entry.place, "a folder takes no settings", "list the plugin's file by itself"))
    if not paths:
        hint = "a plugin's file ends in .py and does not begin with _"
        problems.append(problem_at(entry.place, f"there is no plugin in {folder}", hint, "warning"))
    return files, problems


def _open_to_all(entry: Entry, path: Path) -> Problem | None:
    """What is wrong with a file that anybody on this machine can change, or replace: its code runs as msyncd."""
    folder = path.parent
    if path.stat().st_mode & stat.S_IWOTH:
        what, remedy = path, f"chmod o-w {path}"
    elif folder.stat().st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
        what, remedy = folder, f"chmod o-w {folder}"
    else:
        return None
    return problem_at(entry.place, f"{entry.module} is not loaded: everybody may change {what}", remedy)


def _installed(name: str) -> PluginFile | None:
    """The plugin that an installed package announces by this name. Only its place is looked up: nothing is run."""
    for announced in entry_points(group=GROUP, name=name):
        path = _origin(announced.module)
        if path is not None:
            return PluginFile(name, path, announced.module)
    return None


def _shipped(name: str, folder: Path | None) -> PluginFile | None:
    path = folder / f"{name}.py" if folder is not None and name.isidentifier() else None
    return PluginFile(name, path) if path is not None and path.is_file() else None


def _dotted(entry: Entry, shipped: Path | None) -> tuple[PluginFile | None, Problem | None]:
    path = _origin(entry.module)
    if path is not None:
        return PluginFile(entry.module, path, entry.module), None
    return None, problem_at(entry.place, f"there is no plugin {entry.module}", _suggestion(entry.module, shipped))


def _origin(module: str) -> Path | None:
    """The source file of a module that Python can find, or None."""
    if not all(part.isidentifier() for part in module.split(".")):
        return None
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # noqa: BLE001  # finding a.b runs a's own code, and one bad package must not stop the others
        return None
    return Path(spec.origin) if spec is not None and spec.origin and spec.origin.endswith(".py") else None


def _suggestion(name: str, shipped: Path | None) -> str:
    known: Iterable[str] = {point.name for point in entry_points(group=GROUP)}
    if shipped is not None:
        known = {*known, *(path.stem for path in shipped.glob("*.py") if not path.name.startswith("_"))}
    close = difflib.get_close_matches(name, sorted(known), 1)
    if close:
        return f"did you mean {close[0]}?"
    return "install it, or give a file ending in .py or a folder ending in /"
