"""Filters, one after the other, each on what the one before let through."""

from collections.abc import Sequence
from typing import Any

from msyncd.model import Changes, Direction, RecordType, Site
from msyncd.plugins.answers import Failed, Filtered
from msyncd.plugins.plugin import Plugin, ask

_HOOK = "msyncd_filter"


def filter_changes(
    plugins: Sequence[Plugin], record_type: RecordType, changes: Changes, peer: Site, direction: Direction
) -> Filtered:
    """What every filter lets through, in the order of the changes."""
    at: Sequence[int] = range(len(changes))
    left_out_by: dict[str, int] = {}
    failed: list[Failed] = []

    def arguments(part: Sequence[int]) -> dict[str, Any]:
        return {
            "record_type": record_type,
            "changes": changes if len(part) == len(changes) else changes.select(part),
            "peer": peer,
            "direction": direction,
        }

    for plugin in plugins:
        asked = ask(plugin, _HOOK, at, arguments)
        failed += asked.failed
        kept: list[int] = []
        for part, answer in asked.pieces:
            reason = _nonsense(changes, part, answer)
            if reason:
                failed.append(plugin.note(_HOOK, reason, indexes=part))
                continue
            chosen = part if answer is None else _places(changes, part, answer)
            kept += chosen
            if len(chosen) < len(part):
                left_out_by[plugin.name] = left_out_by.get(plugin.name, 0) + len(part) - len(chosen)
        at = sorted(kept)
    through = changes if len(at) == len(changes) else changes.select(at)
    return Filtered(through, at, sum(left_out_by.values()), left_out_by, tuple(failed))


def _places(changes: Changes, part: Sequence[int], answer: Changes) -> Sequence[int]:
    if answer.keys is changes.keys:
        return part
    by_key = {changes.keys[i]: i for i in part}
    return sorted({by_key[key] for key in answer.keys})


def _nonsense(changes: Changes, part: Sequence[int], answer: Any) -> str:
    """Why an answer makes no sense: a filter chooses among what it was given, and alters nothing. Empty if it does."""
    if answer is None or (isinstance(answer, Changes) and answer.keys is changes.keys and answer.rows is changes.rows):
        return ""
    if not isinstance(answer, Changes):
        return f"it answered {_kind(answer)}, not changes.select(…) or None"
    by_key = {changes.keys[i]: i for i in part}
    for key, row in zip(answer.keys, answer.rows, strict=True):
        place = by_key.get(key)
        if place is None:
            return f"it answered with {key}, about which it was not asked"
        if row is not changes.rows[place] and row != changes.rows[place]:
            return f"it altered {key}; a filter leaves out, msyncd_check can Replace"
    return ""


def _kind(answer: Any) -> str:
    return f"a {type(answer).__name__}"
