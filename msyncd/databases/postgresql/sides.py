"""The rows that a trigger function sees, and what an entry says of one of them, as SQL text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from msyncd.databases.lineage import Lineage
from msyncd.databases.postgresql import expressions
from msyncd.databases.postgresql.catalog import TableEntry
from msyncd.databases.postgresql.names import quoted

Event = Literal["INSERT", "UPDATE", "DELETE", "TRUNCATE"]

TRUNCATED: Final = "msyncd.msyncd_truncated"
"""Stands in a text for the table that is truncated, where that may be a partition."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that a trigger sees: those of a statement, or one."""

    event: Event
    table: str
    one_by_one: bool

    @property
    def after(self) -> str:
        """A row source for what stands now; empty if nothing does."""
        if self.event in {"DELETE", "TRUNCATE"}:
            return ""
        # OFFSET: a row made of constants could not be joined in full
        return "(SELECT NEW.* OFFSET 0)" if self.one_by_one else "new_rows"

    @property
    def before(self) -> str:
        """A row source for what stood before."""
        if self.event == "INSERT":
            return ""
        if self.event == "TRUNCATE":
            return TRUNCATED if self.one_by_one else f"ONLY {self.table}"
        return "(SELECT OLD.* OFFSET 0)" if self.one_by_one else "old_rows"


class Side:
    """A row before or after, by its alias: what an entry says of it."""

    def __init__(self, alias: str, lineage: Lineage, catalog: Mapping[str, TableEntry]) -> None:
        self.alias, self._lineage, self._catalog = alias, lineage, catalog
        self._entry = catalog[lineage.record_type.table.casefold()]

    def column(self, name: str) -> str:
        return f"{self.alias}.{quoted(name)}"

    def logged(self, name: str) -> str:
        return expressions.logged(self._entry.column(name), self.column(name))

    def compared(self, name: str) -> str:
        return expressions.compared(self._entry.column(name), self.column(name))

    @property
    def here(self) -> str:
        return f"{self.alias}.msyncd_here"

    @property
    def key(self) -> list[str]:
        return [self.logged(name) for name in self._lineage.record_type.key]

    @property
    def parent(self) -> str:
        through = self._lineage.record_type.through
        return self.logged(through.column) if through else "NULL::text"

    @property
    def store(self) -> str:
        column = self._lineage.root.store_column
        if column is None:
            return "NULL::text"
        return f"p{self.alias}.store" if self._lineage.ancestors else self.logged(column)

    @property
    def route(self) -> str:
        root, own = self._lineage.root.also_sent_to, self._lineage.record_type.also_sent_to
        if root is not None and self._lineage.ancestors:
            return f"p{self.alias}.route"
        also = root or own
        return self.logged(also.column) if also else "NULL::text"

    @property
    def stands(self) -> str:
        """Whether every ancestor is there."""
        return f"coalesce(p{self.alias}.stands, false)" if self._lineage.ancestors else "true"

    def place(self, condition: str = "") -> str:
        """A join that finds store and routing value through the ancestors, row by row, by their keys' indexes."""
        if not self._lineage.ancestors:
            return ""
        tables, conditions, root = self._lineage.chain(self.alias)
        entry = self._catalog[self._lineage.root.table.casefold()]

        def of_root(name: str | None) -> str:
            return expressions.logged(entry.column(name), f"{root}.{quoted(name)}") if name else "NULL::text"

        also = self._lineage.root.also_sent_to
        values = (
            f"{of_root(self._lineage.root.store_column)} AS store,"
            f" {of_root(also.column if also else None)} AS route, true AS stands"
        )
        where = " AND ".join([condition, *conditions] if condition else conditions)
        return (
            f"LEFT JOIN LATERAL (SELECT {values} FROM {', '.join(tables)} WHERE {where} OFFSET 0) p{self.alias} ON true"
        )
