"""Silencing the application's triggers for a statement of ours (P23), with foreign keys checked all the same.

A session whose role in replication is that of a replica fires no ordinary trigger, and needs no lock for it. But
foreign keys are triggers too. So what they would do is done here, for the statement's own rows: targets are locked and
looked for, cascades go first and are the application's, and what still refers to a deleted row rejects it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msyncd.databases.interface import RowRejected
from msyncd.databases.postgresql.catalog import ReferenceEntry, TableEntry
from msyncd.databases.postgresql.names import quoted
from msyncd.databases.postgresql.staging import Staged
from msyncd.model import Row

MAY_SILENCE: Final = {
    False: "SELECT rolsuper FROM pg_roles WHERE rolname = current_user",
    # since version 15 the right can be granted
    True: "SELECT has_parameter_privilege('session_replication_role', 'SET')",
}
SILENCE: Final = "SET LOCAL session_replication_role TO replica"
SPEAK: Final = "SET LOCAL session_replication_role TO DEFAULT"


def may_silence_sql(server_version: int) -> str:
    """Asks whether msyncd's role may silence triggers at all."""
    return MAY_SILENCE[server_version >= 150000]


def silenceable(entry: TableEntry, catalog: Mapping[str, TableEntry], *, allowed: bool) -> bool:
    """Whether the triggers of a table can be silenced: the role may, none fires always, only its key is referred to."""
    key = next((one.columns for one in entry.indexes if one.primary), ())
    elsewhere = any(set(reference.parent_columns) != set(key) for _, reference in referring(entry, catalog))
    return allowed and not entry.lasting and not elsewhere


def referring(entry: TableEntry, catalog: Mapping[str, TableEntry]) -> Iterator[tuple[TableEntry, ReferenceEntry]]:
    """The foreign keys of any table that refer to a table."""
    for child in catalog.values():
        for reference in child.references:
            if reference.parent == entry.oid:
                yield child, reference


@dataclass(frozen=True)
class Silenced:
    """What is done by hand for one statement on a table. The rows are those of a source `s` with these key values."""

    entry: TableEntry
    catalog: Mapping[str, TableEntry]
    key: Sequence[str]

    def locks(self, source: str, values: Sequence[str]) -> list[str]:
        """Statements that keep the targets of written rows where they are."""
        found = []
        for parent, reference in self._targets():
            pairs = self._paired("p", parent.named(reference.parent_columns), "t", reference)
            found.append(
                f"SELECT FROM {_table(parent)} p WHERE EXISTS (SELECT FROM {_table(self.entry)} t JOIN {source}"
                f" ON {self._same(values)} WHERE {pairs}) FOR KEY SHARE"
            )
        return found

    def unfulfilled(self, source: str, values: Sequence[str], *, deferrable: bool) -> list[tuple[str, str]]:
        """Queries for written rows that refer to nothing, each with its words: by references that can wait, or not."""
        found = []
        for parent, reference in self._targets():
            if reference.deferrable is deferrable:
                pairs = self._paired("p", parent.named(reference.parent_columns), "t", reference)
                given = " AND ".join(f"t.{quoted(one)} IS NOT NULL" for one in self.entry.named(reference.columns))
                query = (
                    f"SELECT FROM {_table(self.entry)} t JOIN {source} ON {self._same(values)} WHERE {given}"
                    f" AND NOT EXISTS (SELECT FROM {_table(parent)} p WHERE {pairs}) LIMIT 1"
                )
                columns = ", ".join(self.entry.named(reference.columns))
                found.append((query, f"{self.entry.known_as}.{columns} refers to nothing in {parent.known_as}"))
        return found

    def holds(self, source: str, values: Sequence[str]) -> str:
        """The statement that keeps others from referring to the rows that are about to be deleted."""
        return f"SELECT FROM {_table(self.entry)} t JOIN {source} ON {self._same(values)} FOR UPDATE OF t"

    def cascades(self, source: str, values: Sequence[str]) -> list[str]:
        """Statements that do to referring rows what the delete would do to them."""
        found = []
        for child, reference in referring(self.entry, self.catalog):
            refers = self._refers(child, reference, source, values)
            if reference.on_delete == "c":
                found.append(f"DELETE FROM {_table(child)} c WHERE {refers}")
            elif reference.on_delete in {"n", "d"}:
                value = "NULL" if reference.on_delete == "n" else "DEFAULT"
                sets = ", ".join(f"{quoted(one)} = {value}" for one in child.named(reference.columns))
                found.append(f"UPDATE {_table(child)} c SET {sets} WHERE {refers}")
        return found

    def in_the_way(self, source: str, values: Sequence[str]) -> list[tuple[str, str]]:
        """Queries for rows that refer to those about to be deleted and are not among them, each with its words."""
        found = []
        for child, reference in referring(self.entry, self.catalog):
            refers = self._refers(child, reference, source, values)
            if child is self.entry:
                same = " AND ".join(f"c.{quoted(name)} = {value}" for name, value in zip(self.key, values, strict=True))
                refers += f" AND NOT EXISTS (SELECT FROM {source} WHERE {same})"
            words = f"{child.known_as} still refers to a record of {self.entry.known_as}"
            found.append((f"SELECT FROM {_table(child)} c WHERE {refers} LIMIT 1", words))
        return found

    def _refers(self, child: TableEntry, reference: ReferenceEntry, source: str, values: Sequence[str]) -> str:
        columns, targets = child.named(reference.columns), self.entry.named(reference.parent_columns)
        pairs = " AND ".join(
            f"c.{quoted(one)} = t.{quoted(target)}" for one, target in zip(columns, targets, strict=True)
        )
        rows = f"{_table(self.entry)} t JOIN {source} ON {self._same(values)}"
        return f"EXISTS (SELECT FROM {rows} WHERE {pairs})"

    def _targets(self) -> Iterator[tuple[TableEntry, ReferenceEntry]]:
        by_oid = {one.oid: one for one in self.catalog.values()}
        for reference in self.entry.references:
            yield by_oid[reference.parent], reference

    def _same(self, values: Sequence[str]) -> str:
        return " AND ".join(f"t.{quoted(name)} = {value}" for name, value in zip(self.key, values, strict=True))

    def _paired(self, parent: str, columns: Sequence[str], child: str, reference: ReferenceEntry) -> str:
        return " AND ".join(
            f"{parent}.{quoted(column)} = {child}.{quoted(name)}"
            for column, name in zip(columns, self.entry.named(reference.columns), strict=True)
        )


def _table(entry: TableEntry) -> str:
    return f"{quoted(entry.schema)}.{quoted(entry.name)}"


Run = Callable[[str], list[Row]]


def write_silently(run: Run, silenced: Silenced, source: Staged, sql: str, *, put_off: bool) -> None:
    """Run a statement that writes rows. Raises RowRejected. With `put_off`, references that can wait are not asked."""
    keys = source.values[: len(silenced.key)]
    run(SILENCE)
    run(sql)
    run(SPEAK)
    for lock in silenced.locks(source.source, keys):
        run(lock)
    must_hold(run, silenced.unfulfilled(source.source, keys, deferrable=False))
    if not put_off:
        must_hold(run, silenced.unfulfilled(source.source, keys, deferrable=True))


def delete_silently(
    run: Run, silenced: Silenced, source: Staged, sql: str, as_application: Callable[[bool], None]
) -> None:
    """Run a statement that deletes rows, with its cascades, which are the application's. Raises RowRejected."""
    run(silenced.holds(source.source, source.values))
    as_application(True)
    for cascade in silenced.cascades(source.source, source.values):
        run(cascade)
    as_application(False)
    must_hold(run, silenced.in_the_way(source.source, source.values))
    run(SILENCE)
    run(sql)
    run(SPEAK)


def must_hold(run: Run, queries: Sequence[tuple[str, str]]) -> None:
    """Raises RowRejected with the words of the first query that finds anything."""
    for query, words in queries:
        if run(query):
            raise RowRejected(words)
