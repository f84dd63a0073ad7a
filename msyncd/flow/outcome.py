"""What became of a batch that arrived: what was applied, what was refused, what waits, what could not be taken."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from msyncd.flow.here import Here
from msyncd.flow.ledger.aside import Aside, Record
from msyncd.flow.receive import Batchwork, Work
from msyncd.model import Refusal, Row

Fate = Literal["refused", "waits"]


@dataclass(slots=True)
class Outcome:
    """Filled step by step while a batch is worked on; nothing of it is written before the end.

    `kept` holds every change that was taken out of the batch, by record, with its fate.
    """

    origin: int
    kept: dict[Record, tuple[Fate, Aside, bool]] = field(default_factory=dict)
    needs: list[Record] = field(default_factory=list)
    applied: int = 0
    conflicts: int = 0
    cleared: set[Record] = field(default_factory=set)
    """Records that stay, and whose references to others that went were cleared."""

    def keep(self, fate: Fate, aside: Aside, *, may_edit: bool = True) -> None:
        """Take note of a change that is not applied; what was said of it first stands."""
        self.kept.setdefault((aside.record_type, aside.key), (fate, aside, may_edit))

    def of(self, fate: Fate) -> list[Aside]:
        """The changes with this fate."""
        return [aside for its_fate, aside, _ in self.kept.values() if its_fate == fate]

    def refusals(self) -> list[Refusal]:
        """What was refused, as hooks and the site are told."""
        return [
            Refusal(one.record_type, one.key, one.reason, one.plugin, may_edit, one.store, one.row, one.columns)
            for fate, one, may_edit in self.kept.values()
            if fate == "refused"
        ]


def aside_of(here: Here, one: Work, key: Row, origin: int, reason: str, plugin: str, **more: object) -> Aside:
    """A change of the work as it is kept aside, whole."""
    places = {k: at for at, k in enumerate(one.writes.keys)} if len(one.writes) < 3 else None
    at = places.get(key) if places is not None else _find(one.writes.keys, key)
    row = one.writes.rows[at] if at is not None else None
    if at is not None:
        store = one.writes.stores[at]
    else:
        found = _find(one.deletes.keys, key)
        store = one.deletes.stores[found] if found is not None else None
    aside = Aside(
        one.record_type.name,
        key,
        origin,
        "write" if row is not None else "delete",
        store,
        one.record_type.columns,
        row,
        reason,
        plugin,
        here.now(),
        one.numbers.get(key),
    )
    return replace(aside, **more) if more else aside  # type: ignore[arg-type]  # fields of Aside


def take_out(work: Batchwork, records: Iterable[Record]) -> None:
    """Remove changes from the work."""
    by_type: dict[str, set[Row]] = {}
    for name, key in records:
        by_type.setdefault(name, set()).add(key)
    for name, keys in by_type.items():
        one = work.get(name)
        if one is not None:
            one.writes = one.writes.select(at for at, key in enumerate(one.writes.keys) if key not in keys)
            one.deletes = one.deletes.select(at for at, key in enumerate(one.deletes.keys) if key not in keys)
            one.leaves = [key for key in one.leaves if key not in keys]


def _find(keys: object, key: Row) -> int | None:
    try:
        return keys.index(key)  # type: ignore[attr-defined,no-any-return]  # a list of keys
    except ValueError:
        return None
