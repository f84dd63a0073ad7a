"""References in a circle that are checked with each statement (P16): such a one is written empty, and set when its
target stands; before a target is deleted, the rows of other tables that refer to it in a circle let go of it.

What was put off and is not fulfilled when the applier ends is rejected, as a commit rejects what was deferred. How a
reference of a table to itself is kept while its rows are written and deleted is the dialect's own affair.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msyncd.databases.interface import RowRejected
from msyncd.databases.references import PutOff, emptied, values_at, without
from msyncd.model import ForeignKey, RecordType, Row, Table, Value


class Hand(Protocol):
    """What is asked of the applier."""

    def existing(self, table: str, columns: Sequence[str], values: set[Row]) -> set[Row]: ...
    def holders(
        self, table: str, columns: Sequence[str], values: set[Row], key: Sequence[str]
    ) -> list[tuple[Row, Row]]: ...
    def write_columns(self, record_type: RecordType, columns: Sequence[str], rows: Mapping[Row, Row]) -> None: ...


class Scene(Protocol):
    """What is known of the database: the tables by casefolded name, and the record types in force.

    `checked_at_once` holds, by casefolded table, its references in a circle that can be empty and whose checks the
    database cannot put off.
    """

    @property
    def tables(self) -> Mapping[str, Table]: ...
    @property
    def types(self) -> Mapping[str, RecordType]: ...
    @property
    def checked_at_once(self) -> Mapping[str, tuple[ForeignKey, ...]]: ...


class Circles:
    """Looks after the references in a circle for one transaction; `immediate`: none is put off.

    `put_off`: what is still to be set. `let_go`: rows that have let go of a target that was then deleted.
    """

    def __init__(self, hand: Hand, scene: Scene, *, immediate: bool) -> None:
        self._hand, self._scene = hand, scene
        self._immediate = immediate
        self.put_off: tuple[PutOff, ...] = ()
        self.let_go: tuple[PutOff, ...] = ()

    # --- writing ----------------------------------------------------------------------------------------------------

    def without_targets(self, record_type: RecordType, columns: Sequence[str], rows: Sequence[Row]) -> Sequence[Row]:
        """The rows as they can be written now: references whose target does not stand yet are empty, and put off."""
        table = self._scene.tables[record_type.table.casefold()]
        width = len(record_type.key)
        for reference in self._scene.checked_at_once.get(record_type.table.casefold(), ()):
            if self._immediate or not set(reference.columns) <= set(columns):
                continue
            values = values_at(rows, columns, reference.columns)
            wanted = {value for value in values if None not in value}
            lacking = wanted - self._hand.existing(reference.parent, reference.parent_columns, wanted)
            if lacking:
                later = {row[:width]: value for row, value in zip(rows, values, strict=True) if value in lacking}
                self.put_off = (*self.put_off, PutOff(record_type, reference, later))
                empty = emptied(table, reference)
                rows = [without(row, columns, empty) if row[:width] in later else row for row in rows]
        return rows

    def written(self, record_type: RecordType) -> None:
        """Rows of a table were written: references to it that were put off are set, if their target stands now."""
        self.put_off = tuple(left for one in self.put_off if (left := self._set(one, record_type.table)) is not None)

    def _set(self, one: PutOff, table: str) -> PutOff | None:
        """Set what can be set of some references; what is left of them."""
        reference = one.reference
        if reference.parent.casefold() != table.casefold():
            return one
        there = self._hand.existing(reference.parent, reference.parent_columns, set(one.rows.values()))
        ready = {key: value for key, value in one.rows.items() if value in there}
        if ready:
            self._hand.write_columns(one.record_type, reference.columns, ready)
        left = {key: value for key, value in one.rows.items() if key not in ready}
        return PutOff(one.record_type, reference, left) if left else None

    # --- deleting ---------------------------------------------------------------------------------------------------

    def before_delete(self, record_type: RecordType, keys: Sequence[Row]) -> None:
        """Rows of other types that refer to these in a circle let go of them: they are to go too, or to be rejected."""
        for child, reference in self._referring(record_type):
            targets = set(keys)
            if reference.parent_columns != record_type.key:
                found = self._hand.holders(record_type.table, record_type.key, targets, reference.parent_columns)
                targets = {value for _, value in found}
            refer = {
                key: value for value, key in self._hand.holders(child.table, reference.columns, targets, child.key)
            }
            if refer:
                empty = emptied(self._scene.tables[child.table.casefold()], reference)
                nothing: tuple[Value, ...] = (None,) * len(empty)
                self._hand.write_columns(child, empty, dict.fromkeys(refer, nothing))
                self.let_go = (*self.let_go, PutOff(child, reference, refer))

    def _referring(self, record_type: RecordType) -> list[tuple[RecordType, ForeignKey]]:
        """Record types with references in a circle to this one's table that would stand in the way of a delete."""
        if self._immediate:
            return []
        return [
            (child, reference)
            for child in self._scene.types.values()
            for reference in self._scene.checked_at_once.get(child.table.casefold(), ())
            if reference.parent.casefold() == record_type.table.casefold() != child.table.casefold()
            and reference.on_delete in {"NO ACTION", "RESTRICT"}
        ]

    # --- the end ----------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Raises RowRejected for a reference that was put off and lacks its target, and for one that had to let go."""
        put_off, let_go = self.put_off, self.let_go
        self.put_off = self.let_go = ()
        for one in put_off:
            _reject(one, *next(iter(one.rows.items())))
        for one in let_go:
            stand = self._hand.existing(one.record_type.table, one.record_type.key, set(one.rows))
            for key in stand:
                _reject(one, key, one.rows[key])


def _reject(one: PutOff, key: Row, value: Row) -> None:
    raise RowRejected(
        f"{one.record_type.table} {_shown(key)}: {', '.join(one.reference.columns)} refers to {one.reference.parent}"
        f" {_shown(value)}, which is not there"
    )


def _shown(values: Row) -> str:
    return "/".join(map(str, values))
