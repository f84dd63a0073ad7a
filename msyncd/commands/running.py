"""The running daemon, as commands ask it: whether there is one, how it goes, and to sync now."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_STATE: Final = re.compile(r"^state_directory:[ \t]*['\"]?([^'\"#\n]+)", re.MULTILINE)
_FIGURES: Final = ("calls", "seconds", "failures", "last_failure")


def ask_daemon(state_directory: Path, question: str, **more: Any) -> Mapping[str, Any] | None:
    """The answer of the daemon that keeps its state there; None if none runs. Raises what the daemon raised."""
    try:
        from msyncd.daemon.control import ask
    except ModuleNotFoundError:  # an installation without the daemon
        return None
    answer: Mapping[str, Any] | None = ask(state_directory, question, **more)
    return answer


def is_running(state_directory: Path) -> bool:
    """Whether a daemon answers."""
    return ask_daemon(state_directory, "ping") is not None


def status_of_daemon(state_directory: Path) -> dict[str, Any] | None:
    """The whole status as the running daemon has it; None if none runs."""
    told = ask_daemon(state_directory, "status")
    return None if told is None else dict(told)


def ask_sync(state_directory: Path, trust: Mapping[str, str]) -> Mapping[str, Any] | None:
    """One cycle by the running daemon: how much was sent, received, refused. None if none runs."""
    return ask_daemon(state_directory, "sync", trust=dict(trust))


def plugin_figures(state_directory: Path) -> dict[str, dict[str, Any]]:
    """Calls, seconds and failures by plugin, of the running daemon; nothing if none runs."""
    told = ask_daemon(state_directory, "plugins") or {}
    return {one["name"]: {name: one[name] for name in _FIGURES} for one in told.get("plugins", ())}


def state_directory_of(config: Path) -> Path:
    """The state directory that a file names, also one that cannot be read as YAML just now."""
    try:
        found = _STATE.search(config.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        found = None
    written = found[1].strip() if found else os.environ.get("STATE_DIRECTORY", "").split(os.pathsep)[0] or ".msyncd"
    return Path(os.path.normpath(Path.cwd() / config.parent / written))
