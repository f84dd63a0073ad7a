"""Who decides between two versions of a record that any site may edit: the first plugin with an opinion."""

from collections.abc import Sequence
from typing import Any

from msyncd.hookspecs import Resolution
from msyncd.model import Conflict, RecordType
from msyncd.plugins.answers import Failed, Resolved
from msyncd.plugins.checking import bad_row
from msyncd.plugins.plugin import Plugin, ask

_HOOK = "msyncd_resolve"


def resolve_conflicts(plugins: Sequence[Plugin], record_type: RecordType, conflicts: Sequence[Conflict]) -> Resolved:
    """One answer for each conflict; a plugin is asked only about those on which nobody before it had an opinion."""
    answers: list[Resolution | None] = [None] * len(conflicts)
    deciders: list[str | None] = [None] * len(conflicts)
    failed: list[Failed] = []
    lost: set[int] = set()

    def arguments(part: Sequence[int]) -> dict[str, Any]:
        return {"record_type": record_type, "conflicts": [conflicts[i] for i in part]}

    for plugin in plugins:
        at = [i for i in range(len(conflicts)) if answers[i] is None and i not in lost]
        asked = ask(plugin, _HOOK, at, arguments)
        found = list(asked.failed)
        for part, answer in asked.pieces:
            if answer is None:
                continue
            if not isinstance(answer, list | tuple) or len(answer) != len(part):
                found.append(plugin.note(_HOOK, f"it did not answer a list of {len(part)}, or None", indexes=part))
                continue
            for index, resolution in zip(part, answer, strict=True):
                reason = _nonsense(record_type, conflicts[index], resolution)
                if reason:
                    found.append(plugin.note(_HOOK, reason, indexes=(index,)))
                elif resolution is not None:
                    answers[index], deciders[index] = resolution, plugin.name
        lost.update(index for failure in found for index in failure.indexes or ())
        failed += found
    return Resolved(answers, deciders, tuple(failed))


def _nonsense(record_type: RecordType, conflict: Conflict, resolution: Any) -> str:
    """Why a resolution makes no sense; empty if it does."""
    if resolution is None or resolution in ("here", "incoming"):
        return ""
    if isinstance(resolution, str):
        return f"it answered {resolution!r}, not 'here', 'incoming' or a row"
    return bad_row(record_type, conflict.key, resolution)
