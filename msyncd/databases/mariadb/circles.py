"""Rows that refer to each other (P16): InnoDB checks a reference at once, so it is written empty and set afterwards.

Where a reference of a table to itself cannot be empty, rows are written after those that they refer to, and deleted
before them.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from msyncd.databases.interface import RowRejected
from msyncd.databases.mariadb.scene import Scene
from msyncd.databases.references import PutOff, emptied, in_waves, values_at, without
from msyncd.model import ForeignKey, RecordType, Row, Value


class Hand(Protocol):
    """What is asked of the applier."""

    scene: Scene

    def existing(self, table: str, columns: Sequence[str], values: set[Row]) -> set[Row]: ...
    def columns_of(self, record_type: RecordType, columns: Sequence[str], keys: Sequence[Row]) -> list[Row]: ...
    def write_columns(self, record_type: RecordType, columns: Sequence[str], rows: dict[Row, Row]) -> None: ...


class Circles:
    """Looks after the references in a circle for one transaction. `put_off` is what is still to be set."""

    def __init__(self, hand: Hand, *, immediate: bool) -> None:
        self._hand = hand
        self._immediate = immediate
        self.put_off: tuple[PutOff, ...] = ()

    def _of(self, record_type: RecordType) -> tuple[ForeignKey, ...]:
        return self._hand.scene.circular.get(record_type.table.casefold(), ())

    def _empties(self, record_type: RecordType, reference: ForeignKey) -> tuple[str, ...]:
        return emptied(self._hand.scene.captured(record_type).table, reference)

    # --- writing ----------------------------------------------------------------------------------------------------

    def without_targets(self, record_type: RecordType, columns: Sequence[str], rows: Sequence[Row]) -> Sequence[Row]:
        """The rows as they can be written now: references whose target does not stand yet are empty, and put off."""
        for reference in self._of(record_type):
            empty = self._empties(record_type, reference)
            if self._immediate or not empty or not set(reference.columns) <= set(columns):
                continue
            values = values_at(rows, columns, reference.columns)
            wanted = {value for value in values if None not in value}
            lacking = wanted - self._hand.existing(reference.parent, reference.parent_columns, wanted)
            if not lacking:
                continue
            width = len(record_type.key)
            later = {row[:width]: value for row, value in zip(rows, values, strict=True) if value in lacking}
            self.put_off = (*self.put_off, PutOff(record_type, reference, later))
            rows = [without(row, columns, empty) if row[:width] in later else row for row in rows]
        return rows

    def waves(self, record_type: RecordType, columns: Sequence[str], rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """The rows in the order in which they can be written, where a reference to the same table is not put off."""
        for reference in self._of(record_type):
            needed = {*reference.columns, *reference.parent_columns} <= set(columns)
            to_itself = reference.parent.casefold() == record_type.table.casefold()
            if needed and to_itself and (self._immediate or not self._empties(record_type, reference)):
                names = values_at(rows, columns, reference.parent_columns)
                for wave in in_waves(names, values_at(rows, columns, reference.columns)):
                    yield [rows[at] for at in wave]
                return
        yield rows

    def set_references(self, table: str) -> None:
        """Rows of a table were written: references to it that were put off are set, if their target stands now."""
        left: list[PutOff] = []
        for one in self.put_off:
            if one.reference.parent.casefold() != table.casefold():
                left.append(one)
                continue
            there = self._hand.existing(one.reference.parent, one.reference.parent_columns, set(one.rows.values()))
            ready = {key: value for key, value in one.rows.items() if value in there}
            if ready:
                self._hand.write_columns(one.record_type, one.reference.columns, ready)
            if len(ready) < len(one.rows):
                still = {key: value for key, value in one.rows.items() if key not in ready}
                left.append(PutOff(one.record_type, one.reference, still))
        self.put_off = tuple(left)

    def end(self) -> None:
        """What was put off and still lacks its target is rejected, as at a commit that checks references."""
        put_off, self.put_off = self.put_off, ()
        for one in put_off:
            key, value = next(iter(one.rows.items()))
            raise RowRejected(
                f"{one.record_type.table} {'/'.join(map(str, key))}: {', '.join(one.reference.columns)} refers to"
                f" {one.reference.parent} {'/'.join(map(str, value))}, which is not there"
            )

    # --- deleting ---------------------------------------------------------------------------------------------------

    def let_go(self, record_type: RecordType, keys: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """The keys in an order in which their rows can be deleted: what refers to another of them goes first.

        Where a reference can be empty, the rows that are to go let go of each other instead, whatever circle they form.
        """
        order: Sequence[Sequence[Row]] = [keys]
        for reference in self._of(record_type):
            if reference.parent.casefold() != record_type.table.casefold() or reference.on_delete != "NO ACTION":
                continue
            names = self._hand.columns_of(record_type, reference.parent_columns, keys)
            targets = self._hand.columns_of(record_type, reference.columns, keys)
            empty = self._empties(record_type, reference)
            if empty:
                self._empty(record_type, empty, keys, names, targets)
            else:
                order = [[keys[at] for at in wave] for wave in reversed(in_waves(names, targets))]
        yield from order

    def _empty(
        self,
        record_type: RecordType,
        empty: tuple[str, ...],
        keys: Sequence[Row],
        names: Sequence[Row],
        targets: Sequence[Row],
    ) -> None:
        nothing: tuple[Value, ...] = (None,) * len(empty)
        going = set(names)
        rows = {key: nothing for key, name, target in zip(keys, names, targets, strict=True) if target in going}
        if rows:
            self._hand.write_columns(record_type, empty, rows)
