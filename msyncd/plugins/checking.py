"""Verdicts of all plugins on a batch: Refuse over Wait over Replace over Allow, and who said so."""

from collections.abc import Iterator, Sequence
from typing import Any, overload

from msyncd.hookspecs import RowsHere
from msyncd.model import Allow, Changes, RecordType, Refuse, Replace, Row, Value, Verdict, Wait
from msyncd.plugins.answers import Checked, Decision, Failed
from msyncd.plugins.plugin import Plugin, ask

_HOOK = "msyncd_check"
_NOTHING_TO_SAY = frozenset({type(None), Allow})
_RANKS: tuple[tuple[type, int], ...] = ((Refuse, 3), (Wait, 2), (Replace, 1))


class SelectedRows(Sequence[Row | None]):
    """Some of the rows that stand here: still read only when touched."""

    def __init__(self, rows: RowsHere, at: Sequence[int]) -> None:
        self._rows = rows
        self._at = at

    def __len__(self) -> int:
        return len(self._at)

    @overload
    def __getitem__(self, index: int) -> Row | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row | None]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row | None] | None:
        if isinstance(index, slice):
            return [self._rows[i] for i in self._at[index]]
        return self._rows[self._at[index]]

    @property
    def stores(self) -> list[str | None]:
        """The store of each record as it stands here."""
        stores = self._rows.stores
        return [stores[i] for i in self._at]

    def column(self, name: str) -> list[Value]:
        """The values of one column; None where no row stands."""
        values = self._rows.column(name)
        return [values[i] for i in self._at]


class _Tally:
    """The verdicts so far, by place."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self.decisions: dict[int, Decision] = {}
        self.failed: list[Failed] = []
        self._closed: set[int] = set()
        self._clashes: dict[int, Plugin] = {}

    def open_places(self) -> Sequence[int]:
        """The places about which there is still something to ask: neither refused nor lost to a failure."""
        everything = range(len(self.changes))
        return [i for i in everything if i not in self._closed] if self._closed else everything

    def fail(self, failed: Failed) -> None:
        """These changes go to quarantine, whatever others say."""
        self.failed.append(failed)
        self._closed.update(failed.indexes or ())
        for index in failed.indexes or ():
            self.decisions.pop(index, None)

    def add(self, plugin: Plugin, part: Sequence[int], answer: Any) -> None:
        """Take in what a plugin answered about the changes at these places."""
        if answer is None:
            return
        if not isinstance(answer, list | tuple) or len(answer) != len(part):
            self.fail(plugin.note(_HOOK, _wrong_shape(answer, len(part)), indexes=part))
            return
        if set(map(type, answer)) <= _NOTHING_TO_SAY:
            return
        nonsense: dict[str, list[int]] = {}
        for index, verdict in zip(part, answer, strict=True):
            reason = _nonsense(self.changes, index, verdict)
            if reason:
                nonsense.setdefault(reason, []).append(index)
            elif verdict is not None and not isinstance(verdict, Allow):
                self._decide(plugin, index, verdict)
        for reason, indexes in nonsense.items():
            self.fail(plugin.note(_HOOK, reason, indexes=indexes))

    def _decide(self, plugin: Plugin, index: int, verdict: Verdict) -> None:
        before = self.decisions.get(index)
        if before is None or _rank(verdict) > _rank(before.verdict):
            # What a built-in rule refuses, the site may not edit at all; a plugin's refusal leaves it its owner's.
            may_edit = not (plugin.builtin and isinstance(verdict, Refuse))
            self.decisions[index] = Decision(verdict, plugin.name, may_edit)
            if isinstance(verdict, Refuse):
                self._closed.add(index)
        elif isinstance(verdict, Replace) and isinstance(before.verdict, Replace) and verdict != before.verdict:
            self._clashes.setdefault(index, plugin)

    def result(self) -> Checked:
        """The decisions, once all have been asked."""
        for index, plugin in self._clashes.items():
            before = self.decisions.get(index)
            if before is not None and isinstance(before.verdict, Replace):
                reason = f"it replaces the row otherwise than plugin {before.plugin} does"
                self.fail(plugin.note(_HOOK, reason, indexes=(index,)))
        return Checked(self.decisions, tuple(self.failed))


def check_changes(
    plugins: Sequence[Plugin], record_type: RecordType, changes: Changes, rows_here: RowsHere, origin: int
) -> Checked:
    """Ask every plugin, built-in rules first; a change that is refused is not shown to those that come after."""
    tally = _Tally(changes)

    def arguments(part: Sequence[int]) -> dict[str, Any]:
        whole = len(part) == len(changes)
        return {
            "record_type": record_type,
            "changes": changes if whole else changes.select(part),
            "rows_here": rows_here if whole else SelectedRows(rows_here, part),
            "origin": origin,
        }

    for plugin in _builtin_first(plugins):
        asked = ask(plugin, _HOOK, tally.open_places(), arguments)
        for failed in asked.failed:
            tally.fail(failed)
        for part, answer in asked.pieces:
            tally.add(plugin, part, answer)
    return tally.result()


def _builtin_first(plugins: Sequence[Plugin]) -> Iterator[Plugin]:
    yield from (plugin for plugin in plugins if plugin.builtin)
    yield from (plugin for plugin in plugins if not plugin.builtin)


def _rank(verdict: Verdict) -> int:
    return next((rank for kind, rank in _RANKS if isinstance(verdict, kind)), 0)


def _wrong_shape(answer: Any, asked: int) -> str:
    if isinstance(answer, list | tuple):
        return f"it answered with {len(answer)} verdicts for {asked} changes"
    return f"it answered a {type(answer).__name__}, not a list of verdicts or None"


def _nonsense(changes: Changes, index: int, verdict: Any) -> str:
    """Why a verdict makes no sense for a change; empty if it does."""
    if isinstance(verdict, Refuse | Wait):
        return "" if _is_text(verdict.reason) else "it gave no reason"
    if isinstance(verdict, Replace):
        return _bad_replacement(changes, index, verdict.row)
    if verdict is None or isinstance(verdict, Allow):
        return ""
    return f"it answered a {type(verdict).__name__}, not a verdict"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _bad_replacement(changes: Changes, index: int, row: Any) -> str:
    if changes.rows[index] is None:
        return "it replaced a delete by a row"
    return bad_row(changes.record_type, changes.keys[index], row)


def bad_row(record_type: RecordType, key: Row, row: Any) -> str:
    """Why a plugin's row cannot stand for the record of that key; empty if it can."""
    wanted = len(record_type.columns)
    if not isinstance(row, tuple) or len(row) != wanted:
        size = f" of {len(row)} values" if isinstance(row, tuple | list) else ""
        return f"it gave a {type(row).__name__}{size} for a row, not a tuple of {wanted} values"
    if record_type.key_of(row) != key:
        return f"it gave a row with the key {record_type.key_of(row)} for {key}"
    strange = next((value for value in row if not isinstance(value, bool | int | float | str | bytes | None)), None)
    return "" if strange is None else f"it gave a row with a {type(strange).__name__} in it"
