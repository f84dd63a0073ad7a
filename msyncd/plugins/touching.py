"""Records that are routed by others: what every plugin names, together."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msyncd.model import RecordType, Row, Value
from msyncd.plugins.answers import Failed, Touched
from msyncd.plugins.plugin import Plugin, ask

_HOOK = "msyncd_touched"


def touched_by(
    plugins: Sequence[Plugin],
    record_type: RecordType,
    keys: Sequence[Row],
    named: Sequence[frozenset[Value]],
    known: Collection[str],
) -> Touched:
    """The records that plugins name because these changed; on which of these a plugin raised, or answered nonsense."""
    found: dict[str, set[Row]] = {}
    failed: list[Failed] = []

    def arguments(part: Sequence[int]) -> dict[str, Any]:
        return {"record_type": record_type, "keys": [keys[at] for at in part], "named": [named[at] for at in part]}

    for plugin in plugins:
        asked = ask(plugin, _HOOK, range(len(keys)), arguments)
        failed += asked.failed
        for part, answer in asked.pieces:
            reason, named_keys = _understood(answer, known)
            if reason:
                failed.append(plugin.note(_HOOK, reason, indexes=part))
            for name, some in named_keys.items():
                found.setdefault(name, set()).update(some)
    return Touched(found, tuple(failed))


def _understood(answer: Any, known: Collection[str]) -> tuple[str, dict[str, set[Row]]]:
    """Why an answer makes no sense (empty if it does), and the keys by record type."""
    if answer is None:
        return "", {}
    if not isinstance(answer, Mapping):
        return f"it answered a {type(answer).__name__}, not keys by record type or None", {}
    found: dict[str, set[Row]] = {}
    for name, keys in answer.items():
        if name not in known:
            return f"it named records of {name}, which is no record type", {}
        if not isinstance(keys, Iterable):
            return f"it answered a {type(keys).__name__} for {name}, not keys", {}
        found[name] = set(keys)
        if not all(isinstance(key, tuple) for key in found[name]):
            return f"it named a record of {name} by something else than a key, a tuple", {}
    return "", found
