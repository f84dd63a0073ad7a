"""What was written or deleted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import overload

from msyncd.model.record_types import RecordType
from msyncd.model.values import Operation, Row, Value


@dataclass(frozen=True, slots=True)
class Change:
    """The fact that a record was written or deleted, with its row if it stands."""

    record_type: str
    key: Row
    operation: Operation
    store: str | None
    store_before: str | None
    origin: int
    row: Row | None
    columns: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def value(self, column: str) -> Value:
        """The value of a column; None for a delete. Raises KeyError for a column that does not travel."""
        if column not in self.columns:
            raise KeyError(f"{self.record_type} has no column {column}")
        return self.row[self.columns.index(column)] if self.row is not None else None


class Changes(Sequence[Change]):
    """Changes of one record type, held by column; a Change is made only when one is indexed.

    All lists have the same length and order. `rows[i]` is None for a delete. `routes[i]` is the value of the column
    that also_sent_to names, as it was captured (a delete has one too); None where the record type has no such column.
    """

    __slots__ = ("_operations", "keys", "origins", "record_type", "routes", "rows", "stores", "stores_before")

    def __init__(
        self,
        record_type: RecordType,
        keys: Sequence[Row],
        rows: Sequence[Row | None],
        *,
        operations: Sequence[Operation] | None = None,
        stores: Sequence[str | None] | None = None,
        stores_before: Sequence[str | None] | None = None,
        origins: Sequence[int] | None = None,
        routes: Sequence[Value] | None = None,
    ) -> None:
        self.record_type = record_type
        self.keys = keys
        self.rows = rows
        self._operations = operations
        self.stores: Sequence[str | None] = stores if stores is not None else [None] * len(keys)
        self.stores_before: Sequence[str | None] = stores_before if stores_before is not None else [None] * len(keys)
        self.origins: Sequence[int] = origins if origins is not None else [0] * len(keys)
        self.routes: Sequence[Value] = routes if routes is not None else [None] * len(keys)

    @property
    def operations(self) -> Sequence[Operation]:
        """What became of each record."""
        if self._operations is not None:
            return self._operations
        found: list[Operation] = ["delete" if row is None else "write" for row in self.rows]
        self._operations = found
        return found

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Change: ...
    @overload
    def __getitem__(self, index: slice) -> "Changes": ...
    def __getitem__(self, index: int | slice) -> "Change | Changes":
        if isinstance(index, slice):
            return self.select(range(*index.indices(len(self.keys))))
        return Change(
            self.record_type.name,
            self.keys[index],
            self.operations[index],
            self.stores[index],
            self.stores_before[index],
            self.origins[index],
            self.rows[index],
            self.record_type.columns,
        )

    def __iter__(self) -> Iterator[Change]:
        names, columns = repeat(self.record_type.name), repeat(self.record_type.columns)
        return map(
            Change, names, self.keys, self.operations, self.stores, self.stores_before, self.origins, self.rows, columns
        )

    def __repr__(self) -> str:
        return f"<{len(self)} changes of {self.record_type.name}>"

    def column(self, name: str) -> list[Value]:
        """The values of one column, None for deletes. Raises ValueError for a column that does not travel."""
        at = self.record_type.index(name)
        return [row[at] if row is not None else None for row in self.rows]

    def select(self, indexes: Iterable[int]) -> "Changes":
        """The changes at these places, in this order."""
        at = list(indexes)
        if at == list(range(len(self.keys))):
            return self
        return Changes(
            self.record_type,
            [self.keys[i] for i in at],
            [self.rows[i] for i in at],
            operations=[self.operations[i] for i in at],
            stores=[self.stores[i] for i in at],
            stores_before=[self.stores_before[i] for i in at],
            origins=[self.origins[i] for i in at],
            routes=[self.routes[i] for i in at],
        )
