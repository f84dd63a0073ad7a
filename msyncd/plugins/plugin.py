"""One loaded plugin: what it implements, from where it comes, and how its calls went."""

import inspect
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from msyncd.errors import TryLater
from msyncd.plugins.answers import Failed
from msyncd.plugins.context import PluginContext
from msyncd.plugins.options import displayed

_BY_KEYWORD = inspect.Parameter.KEYWORD_ONLY


@dataclass(frozen=True, slots=True)
class PluginReport:
    """A plugin for `msyncd plugins`: from where, its hooks, time spent, failures; its settings without secrets."""

    name: str
    origin: str
    builtin: bool
    hooks: tuple[str, ...]
    calls: int
    seconds: float
    failures: int
    last_failure: str | None
    settings: Mapping[str, Any]


@dataclass(eq=False)
class Plugin:
    """A plugin as it was loaded, and the count of its calls. `fingerprint` changes with its file and settings."""

    name: str
    origin: Path
    functions: Mapping[str, Callable[..., Any]]
    context: PluginContext
    settings: BaseModel | None
    fingerprint: str
    builtin: bool = False
    calls: int = 0
    seconds: float = 0.0
    failures: int = 0
    last_failure: str | None = None
    _wanted: dict[str, tuple[list[str], list[str]]] = field(init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self._wanted = {hook: _wanted(function) for hook, function in self.functions.items()}

    def call(self, hook: str, arguments: Mapping[str, Any]) -> Any:
        """Call the hook with those of the arguments that the implementation names, and `context`."""
        positional, keyword = self._wanted[hook]
        offered = {**arguments, "context": self.context}
        started = time.perf_counter()
        try:
            return self.functions[hook](*[offered[name] for name in positional], **{n: offered[n] for n in keyword})
        finally:
            spent = time.perf_counter() - started
            with self._lock:
                self.calls += 1
                self.seconds += spent

    def failed(self, hook: str, error: Exception, indexes: Sequence[int] | None = None) -> Failed:
        """Count a failure and describe it."""
        text = "".join(traceback.format_exception(error)).rstrip()
        return self.note(hook, f"{type(error).__name__}: {error}", text, indexes)

    def note(self, hook: str, reason: str, text: str = "", indexes: Sequence[int] | None = None) -> Failed:
        """Count a failure that has no exception, such as an answer that makes no sense."""
        reason = f"plugin {self.name} failed in {hook}: {reason}"
        with self._lock:
            self.failures += 1
            self.last_failure = reason
        return Failed(self.name, hook, reason, text or reason, None if indexes is None else tuple(indexes))

    def report(self) -> PluginReport:
        """The plugin for people to read."""
        with self._lock:
            return PluginReport(
                self.name,
                str(self.origin),
                self.builtin,
                tuple(self.functions),
                self.calls,
                self.seconds,
                self.failures,
                self.last_failure,
                displayed(self.settings),
            )


@dataclass(frozen=True, slots=True)
class Asked:
    """The answers to one question: each for the places that it is about, and the places where the plugin raised."""

    pieces: list[tuple[Sequence[int], Any]]
    failed: list[Failed]


def ask(plugin: Plugin, hook: str, at: Sequence[int], arguments: Callable[[Sequence[int]], Mapping[str, Any]]) -> Asked:
    """Ask a plugin about the changes at these places; where it raises, ask about each half by itself.

    So one bad record costs about 2·log2(n) further calls, and only that record is lost. What waiting can mend, such as
    a locked database, is no fault of a change: it is raised, for the whole batch.
    """
    pieces: list[tuple[Sequence[int], Any]] = []
    raised: dict[str, tuple[Exception, list[int]]] = {}
    parts = [at] if at else []
    while parts:
        part = parts.pop()
        try:
            pieces.append((part, plugin.call(hook, arguments(part))))
        except TryLater:
            raise
        except Exception as error:  # noqa: BLE001  # a plugin may raise anything; it is kept with its traceback
            if len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            else:
                raised.setdefault(f"{type(error).__name__}: {error}", (error, []))[1].extend(part)
    return Asked(pieces, [plugin.failed(hook, error, indexes) for error, indexes in raised.values()])


def _wanted(function: Callable[..., Any]) -> tuple[list[str], list[str]]:
    """The arguments that a function names: by position, by keyword."""
    parameters = inspect.signature(function).parameters.values()
    positional = [parameter.name for parameter in parameters if parameter.kind is not _BY_KEYWORD]
    return positional, [parameter.name for parameter in parameters if parameter.kind is _BY_KEYWORD]
