"""The running daemon, as commands ask it: whether there is one, how it goes, and to sync now."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msyncd.commands.progress import Progress
from msyncd.errors import MsyncdError, TryLater, WrongUsage


class ToldInvalid(MsyncdError):
    """The daemon says that its configuration is invalid."""

    exit_status = 78


_ERRORS: Final[Mapping[int, type[MsyncdError]]] = {2: WrongUsage, 75: TryLater, 78: ToldInvalid}


def asked(state_directory: Path, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the running daemon answers; None if none runs. Raises its errors."""
    from msyncd.daemon.control import ask

    lines = ask(state_directory, request)
    if lines is None:
        return None
    for line in lines:
        if "error" in line:
            raise _error(line["error"])
        if "result" in line:
            result: dict[str, Any] = line["result"]
            return result
    raise TryLater("the daemon ended before it had answered", hint="run it again")


def is_running(state_directory: Path) -> bool:
    """Whether a daemon keeps its state there, even if it is too busy to answer."""
    from msyncd.daemon.single import daemon_runs

    return daemon_runs(state_directory)


def ask_sync(state_directory: Path, trust: Mapping[str, str], show: Progress) -> Mapping[str, Any] | None:
    """One cycle by the running daemon: how much was sent, received, refused. None if none runs. Raises its errors."""
    from msyncd.daemon.control import ask

    lines = ask(state_directory, {"do": "sync", "trust": dict(trust)})
    if lines is None:
        return None
    return _result(lines, show)


def _result(lines: Iterable[Mapping[str, Any]], show: Progress) -> Mapping[str, Any]:
    """What the daemon did at last, its progress shown meanwhile. Raises its errors."""
    for line in lines:
        if "progress" in line:
            show(**line["progress"])
        elif "error" in line:
            raise _error(line["error"])
        elif "result" in line:
            result: Mapping[str, Any] = line["result"]
            return result
    raise TryLater("the daemon ended before it had finished", hint="run this again")


def ask_compare(
    state_directory: Path, types: Sequence[str], show: Progress, *, repair: bool
) -> Sequence[Mapping[str, Any]] | None:
    """A comparison by the running daemon: what it found of each record type. None if none runs. Raises its errors."""
    from msyncd.daemon.control import ask

    lines = ask(state_directory, {"do": "compare", "types": list(types), "repair": repair})
    found: Sequence[Mapping[str, Any]] | None = None if lines is None else _result(lines, show)["record_types"]
    return found


def _error(told: Mapping[str, Any]) -> MsyncdError:
    kind = _ERRORS.get(told["exit_status"], MsyncdError)
    return kind(told["what"], hint=told["hint"])


def status_of_daemon(state_directory: Path) -> dict[str, Any] | None:
    """The status as the running daemon tells it; None if none runs, or if it has not begun yet."""
    return _told(state_directory, "status")


def plugin_figures(state_directory: Path) -> dict[str, dict[str, Any]]:
    """What the running daemon tells of each of its plugins (daemon/answering.py); nothing if none runs."""
    told = _told(state_directory, "plugins") or {}
    return {name: {**one, "last_failure": one.get("last")} for name, one in told.items()}


def _told(state_directory: Path, do: str) -> dict[str, Any] | None:
    """The result of a question that has only one line of answer."""
    from msyncd.daemon.control import ask

    told: dict[str, Any] | None = next(iter(ask(state_directory, {"do": do}) or ()), {}).get("result")
    return told
