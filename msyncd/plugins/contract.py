"""Holds a plugin's functions against msyncd.hookspecs: names and arguments, each with its place in the file."""

import ast
import difflib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pluggy

from msyncd import hookspecs
from msyncd.errors import Problem
from msyncd.plugins.loading import shown

_FREE = frozenset({inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD})
_ORDER_OPTIONS = ("tryfirst", "trylast", "wrapper", "hookwrapper")


def hook_arguments() -> dict[str, tuple[str, ...]]:
    """Every hook of the contract with its arguments."""
    return {
        name: tuple(inspect.signature(function).parameters)
        for name, function in vars(hookspecs).items()
        if name.startswith("msyncd_") and inspect.isfunction(function)
    }


HOOKS: Final[Mapping[str, tuple[str, ...]]] = hook_arguments()
"""The hooks and their arguments, in the order of the contract."""


def implementations(module: ModuleType, path: Path) -> tuple[dict[str, Callable[..., Any]], list[Problem]]:
    """The hooks that a module implements, and what is wrong with any of its functions."""
    manager = pluggy.PluginManager("msyncd")
    found: dict[str, Callable[..., Any]] = {}
    problems: list[Problem] = []
    source = _Source(path)
    for name, function in vars(module).items():
        options = manager.parse_hookimpl_opts(module, name)
        if options is None:
            problems += _unmarked(source, name, function)
            continue
        hook = options.get("specname") or name
        wrong = _wrong(source, name, hook, function, options)
        problems += wrong
        if not wrong:
            found[hook] = function
    if not found and not problems:
        problems.append(
            Problem(source.file, 1, 1, "no hook in this file", "mark functions with @hookimpl", severity="warning")
        )
    return found, problems


def _wrong(source: "_Source", name: str, hook: str, function: Any, options: Mapping[str, Any]) -> list[Problem]:
    """Everything wrong with one function that is marked as a hook."""
    line, column = source.function(name, function)
    if hook not in HOOKS:
        close = difflib.get_close_matches(hook, HOOKS, 1)
        hint = f"did you mean {close[0]}?" if close else "see docs/plugins.md for the hooks there are"
        return [Problem(source.file, line, column, f"there is no hook {hook}", hint)]
    problems = []
    for option in _ORDER_OPTIONS:
        if options.get(option):
            hint = "plugins are asked in the order of the configuration"
            problems.append(Problem(source.file, line, column, f"{hook} cannot be marked {option}", hint))
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        hint = "write def, and return the answer"
        problems.append(Problem(source.file, line, column, f"{hook} must be a plain function", hint))
    parameters = inspect.signature(function).parameters.values()
    unknown = [known.name for known in parameters if known.kind in _FREE or known.name not in HOOKS[hook]]
    return problems + [_unknown_argument(source, name, hook, function, argument) for argument in unknown]


def _unknown_argument(source: "_Source", name: str, hook: str, function: Any, argument: str) -> Problem:
    line, column = source.argument(name, function, argument)
    close = difflib.get_close_matches(argument, HOOKS[hook], 1)
    hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(HOOKS[hook])}"
    return Problem(source.file, line, column, f"{hook} has no argument {argument}", hint)


def _unmarked(source: "_Source", name: str, function: Any) -> list[Problem]:
    """A function with the name of a hook that was not marked would silently never be called."""
    if name not in HOOKS or not inspect.isfunction(function):
        return []
    line, column = source.function(name, function)
    return [Problem(source.file, line, column, f"{name} is not called", "mark it with @hookimpl", severity="warning")]


class _Source:
    """Where functions and their arguments stand in a plugin's file."""

    def __init__(self, path: Path) -> None:
        self.file = shown(path)
        tree = ast.parse(path.read_bytes())
        self._functions = {
            node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }

    def function(self, name: str, function: Any) -> tuple[int, int]:
        """Line and column of a function's name."""
        node = self._functions.get(name)
        if node is None:
            return _first_line(function), 1
        return node.lineno, node.col_offset + (5 if isinstance(node, ast.FunctionDef) else 11)

    def argument(self, name: str, function: Any, argument: str) -> tuple[int, int]:
        """Line and column of one of its arguments."""
        node = self._functions.get(name)
        if node is None:
            return _first_line(function), 1
        given = node.args
        for known in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
            if known is not None and known.arg == argument:
                return known.lineno, known.col_offset + 1
        return self.function(name, function)


def _first_line(function: Any) -> int:
    code = getattr(function, "__code__", None)
    return int(code.co_firstlineno) if code is not None else 1
