"""Reading how this site stands, with or without a running daemon."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msyncd.commands.running import is_running, status_of_daemon
from msyncd.commands.site import plugins_of
from msyncd.errors import Problem

if TYPE_CHECKING:
    from msyncd.flow.looking import Look
    from msyncd.flow.status import Heard, LockStatus, Status
    from msyncd.settings.in_force import InForce


def status_here(config: Path) -> dict[str, Any]:
    """How this site stands, as `--json` has it. A running daemon tells, since it knows what is in force.

    Raises ConfigurationInvalid if the files have errors and no daemon runs with what was good before.
    """
    from msyncd.flow.looking import look
    from msyncd.flow.wishes import behind
    from msyncd.settings.in_force import home_of, in_force

    told = status_of_daemon(home_of(config))
    if told is not None:
        return told
    now = in_force(config)
    plugins, problems = plugins_of(now.settings)
    found = look(now.settings, plugins)
    with found.here.database.read() as reader:
        late = behind(reader, found.here) if found.installed else None
    shown = (*now.problems, *problems, *found.problems, *((late,) if late is not None else ()))
    return asdict(status_of(found, shown, lock_status(now)))


def lock_status(now: "InForce") -> "LockStatus":
    """Whether an edit needs the authorisation code, and what the one that is held back would change."""
    from msyncd.daemon.planned import plan_of
    from msyncd.flow.status import LockStatus
    from msyncd.settings.in_force import held_since

    held = None
    if now.held is not None:
        held = {"since": held_since(now), "plan": plan_of(now.settings, now.held, held=True).document()}
    return LockStatus(now.locked, now.unlocked_until, held)


def status_of(found: "Look", problems: tuple[Problem, ...] = (), lock: "LockStatus | None" = None) -> "Status":
    """How a site stands that was looked at: by its ledger, and by what its daemon wrote of the last cycle."""
    from msyncd.daemon.report import read_report
    from msyncd.flow.status import read_status

    directory = found.here.settings.state_directory
    running = is_running(directory)
    heard = heard_in(read_report(directory) or {}, running=running)
    return read_status(found, running=running, problems=problems, heard=heard, lock=lock)


def heard_in(report: Mapping[str, Any], *, running: bool) -> "dict[int, Heard]":
    """What the daemon wrote of each peer. What went wrong counts while it runs: else it may be long over."""
    from msyncd.flow.status import Heard

    heard = {}
    for number, peer in report.get("peers", {}).items():
        words = peer.get("last_error") or "; ".join(peer.get("problems") or ())
        heard[int(number)] = Heard(
            peer.get("last_success"),
            words or None if running else None,
            refused=bool(peer.get("refused")) and running,
            to_receive=peer.get("left_to_receive"),
        )
    return heard
