"""Runs a plugin's file and says, with file and line, why it cannot be run."""

import hashlib
import importlib.util
import itertools
import sys
import traceback
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from msyncd.errors import Problem
from msyncd.plugins.finding import PluginFile

_numbers = itertools.count(1)


class _FreshLoader(SourceFileLoader):
    """Compiles what stands in the file now. The cache of bytecode goes by whole seconds, so it can miss an edit."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def load(file: PluginFile) -> tuple[ModuleType | None, Problem | None]:
    """Run the file as a new module, whatever was loaded from it before."""
    name = _unique_name(file)
    folders = [str(file.path.parent)] if file.path.name == "__init__.py" else None
    loader = _FreshLoader(name, str(file.path))
    spec = importlib.util.spec_from_file_location(name, file.path, loader=loader, submodule_search_locations=folders)
    assert spec is not None  # a loader was given
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses and pydantic look up the names in annotations.
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a plugin does must not stop the others
        sys.modules.pop(name, None)
        return None, _why(file.path, error)
    return module, None


def forget(names: list[str]) -> None:
    """Drop modules that no configuration uses any more, with what they imported from beside them."""
    for name in names:
        for loaded in [known for known in sys.modules if known == name or known.startswith(f"{name}.")]:
            sys.modules.pop(loaded, None)


def digest(path: Path) -> str:
    """A hash of the plugin's source; of every file of a package."""
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    together = hashlib.sha256()
    for file in files:
        together.update(hashlib.sha256(file.read_bytes()).digest())
    return together.hexdigest()


def shown(path: Path) -> str:
    """A path as people read it: relative if it is below the working directory."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)


def _unique_name(file: PluginFile) -> str:
    """A module name that no earlier load had. A module of a package stays in it, for its relative imports."""
    parent, _, leaf = file.module.rpartition(".")
    own = f"{leaf or 'msyncd_plugin_' + file.path.stem}__{next(_numbers)}"
    return f"{parent}.{own}" if parent and file.path.name != "__init__.py" else own


def _why(path: Path, error: BaseException) -> Problem:
    """Where in the file it went wrong."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return Problem(shown(path), error.lineno or 1, error.offset or 1, f"this is not Python: {error.msg}")
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    hint = ""
    if isinstance(error, ModuleNotFoundError):
        hint = f"install {error.name} beside msyncd" if error.name else ""
    elif isinstance(error, ImportError):
        hint = "correct the import"
    message = f"the plugin cannot be loaded: {type(error).__name__}: {error}"
    return Problem(shown(path), (lines[-1] if lines else None) or 1, 1, message, hint)
