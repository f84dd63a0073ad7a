"""Rows that refer to each other (P16), where each statement checks each of its rows: InnoDB.

What can be empty is put off, as in databases/circles.py. Where a reference of a table to itself cannot be empty, rows
are written after those that they refer to, and deleted before them.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from msyncd.databases import circles
from msyncd.databases.mariadb.scene import Scene
from msyncd.databases.references import emptied, in_waves, values_at
from msyncd.model import ForeignKey, RecordType, Row, Value


class Hand(circles.Hand, Protocol):
    """What is asked of the applier."""

    def columns_of(self, record_type: RecordType, columns: Sequence[str], keys: Sequence[Row]) -> list[Row]: ...


class Circles(circles.Circles):
    """Looks after the references in a circle for one transaction."""

    def __init__(self, hand: Hand, scene: Scene, *, immediate: bool) -> None:
        super().__init__(hand, scene, immediate=immediate)
        self._reads = hand
        self._circular = scene.circular

    def _to_itself(self, record_type: RecordType) -> list[ForeignKey]:
        table = record_type.table.casefold()
        return [one for one in self._circular.get(table, ()) if one.parent.casefold() == table]

    def _empties(self, record_type: RecordType, reference: ForeignKey) -> tuple[str, ...]:
        return emptied(self._scene.tables[record_type.table.casefold()], reference)

    def waves(self, record_type: RecordType, columns: Sequence[str], rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """The rows in the order in which they can be written, where a reference to the same table is not put off."""
        for reference in self._to_itself(record_type):
            needed = {*reference.columns, *reference.parent_columns} <= set(columns)
            if needed and (self._immediate or not self._empties(record_type, reference)):
                names = values_at(rows, columns, reference.parent_columns)
                for wave in in_waves(names, values_at(rows, columns, reference.columns)):
                    yield [rows[at] for at in wave]
                return
        yield rows

    def in_order(self, record_type: RecordType, keys: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """The keys in an order in which their rows can be deleted: what refers to another of them goes first.

        Where a reference can be empty, the rows that are to go let go of each other instead, whatever circle they form.
        """
        order: Sequence[Sequence[Row]] = [keys]
        for reference in self._to_itself(record_type):
            if reference.on_delete != "NO ACTION":
                continue
            names = self._reads.columns_of(record_type, reference.parent_columns, keys)
            targets = self._reads.columns_of(record_type, reference.columns, keys)
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
