"""What the daemon says of itself in one line: for `systemctl status`, and of an edit that it took in."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any


def in_one_line(report: Mapping[str, Any]) -> str:
    """From the report: what runs, what is left, the last success, and what is wrong."""
    if report.get("problem"):
        return f"waiting: {report['problem']}"
    if report.get("stands_alone"):
        return "there is nothing to sync with"
    errors = [one for one in report.get("problems", ()) if one["severity"] == "error"]
    many = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
    wrong = f"; {many} in the configuration, see `msyncd status`" if errors else ""
    if report.get("held"):
        wrong += "; an edit awaits the authorisation code"
    if report.get("site") == 1:
        if report.get("listening_problem"):
            return f"primary: {report['listening_problem']}{wrong}"
        return f"primary, listening on {report.get('listening') or 'nothing yet'}{wrong}"
    return f"satellite {report.get('site')}{', paused' if report.get('paused') else ''}: {_peer(report)}{wrong}"


def files_edited(edited: Collection[Path], folder: Path) -> str:
    """Where no setting differs: the files whose text does, such as a plugin's own. In the folder, by name."""
    names = [str(one.relative_to(folder) if one.is_relative_to(folder) else one) for one in edited]
    return f"only the text of {', '.join(names)}" if names else "nothing but files"


def _peer(report: Mapping[str, Any]) -> str:
    peer = report.get("peers", {}).get("1")
    if not peer:
        return "the first cycle is to come"
    success = f"last success {peer['last_success']}" if peer.get("last_success") else "no success yet"
    if peer.get("last_error"):
        return f"{peer['last_error']}; {success}"
    left = peer.get("left_to_receive")
    return f"to send {peer.get('left_to_send')}, to receive {'not known' if left is None else left}, {success}"
