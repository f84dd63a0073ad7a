"""Loads what the YAML lists, checks all of it, and reports every problem at once."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from msyncd.errors import Problem
from msyncd.plugins.context import PluginContext
from msyncd.plugins.contract import implementations
from msyncd.plugins.finding import Entry, PluginFile, find, problem_at
from msyncd.plugins.loading import digest, forget, load
from msyncd.plugins.options import validated
from msyncd.plugins.plugin import Plugin


def build(
    entries: Sequence[Entry], builtin: Sequence[ModuleType], shipped: Path | None
) -> tuple[list[Plugin], list[str], list[Problem]]:
    """The plugins in the order in which they are asked, the names of the modules made for them, and all problems."""
    plugins = [_builtin(module) for module in builtin]
    origins = {plugin.name: plugin.origin for plugin in plugins}
    modules: list[str] = []
    problems: list[Problem] = []
    for entry in entries:
        files, wrong = find(entry, shipped)
        problems += wrong
        for file in files:
            if file.name in origins:
                problems.append(_twice(entry, file, origins[file.name]))
                continue
            origins[file.name] = file.path
            plugin, wrong = _plugin(file, entry, modules)
            problems += wrong
            if plugin is not None:
                plugins.append(plugin)
    return plugins, modules, problems


def _builtin(module: ModuleType) -> Plugin:
    """A rule that comes with msyncd: an ordinary module with hooks."""
    path = Path(str(module.__file__))
    functions, problems = implementations(module, path)
    assert not problems, problems
    name = module.__name__.rpartition(".")[2]
    return Plugin(name, path, functions, PluginContext(name, None), None, digest(path), builtin=True)


def _plugin(file: PluginFile, entry: Entry, modules: list[str]) -> tuple[Plugin | None, list[Problem]]:
    """Load one file; None if it cannot be used. The name of the module made for it is added to `modules`."""
    before = digest(file.path)
    module, problem = load(file)
    if module is None:
        return None, [problem] if problem else []
    modules.append(module.__name__)
    functions, problems = implementations(module, file.path)
    settings, wrong = validated(module, file.name, entry)
    problems += wrong
    if any(problem.severity == "error" for problem in problems):
        forget([modules.pop()])
        return None, problems
    context = PluginContext(file.name, settings)
    return Plugin(file.name, file.path, functions, context, settings, _fingerprint(before, entry)), problems


def _fingerprint(source: str, entry: Entry) -> str:
    settings = json.dumps(dict(entry.settings), sort_keys=True, default=str)
    return hashlib.sha256(f"{source}\n{settings}".encode()).hexdigest()


def _twice(entry: Entry, file: PluginFile, other: Path) -> Problem:
    if file.path == other:
        return problem_at(entry.place, f"plugin {file.name} is listed twice", "remove one of the two")
    return problem_at(entry.place, f"two plugins are called {file.name}", f"rename {file.path}, or remove {other}")
