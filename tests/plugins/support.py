"""What the plugin tests share: a record type, changes, a third party's file, rows that stand here."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any, overload

from msyncd.errors import Problem
from msyncd.model import Changes, RecordType, Row, Site, Value
from msyncd.plugins import Plugins
from msyncd.rules import BUILTIN

STOCK = RecordType(
    "stock", "stock", ("ID",), ("ID", "store_ID", "quantity"), "active_site", "sites_of_store", "store_ID"
)
ITEM = RecordType("item", "item", ("ID",), ("ID", "name"), "primary", "every_site")
PEER = Site(2, "Bumban", frozenset({"B"}))


@dataclass(frozen=True)
class At:
    """A place in a YAML file."""

    file: str = "msyncd.yaml"
    line: int = 7
    column: int = 13


@dataclass(frozen=True)
class Listed:
    """An entry of `plugins`."""

    module: str
    base: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    place: At = field(default_factory=At)
    places: Mapping[str, At] = field(default_factory=dict)


class Here(Sequence[Row | None]):
    """Rows that stand here; counts how often rows were touched."""

    def __init__(self, rows: Sequence[Row | None], stores: Sequence[str | None] | None = None) -> None:
        self.rows = rows
        self.stores: Sequence[str | None] = stores if stores is not None else [None] * len(rows)
        self.touched = 0

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Row | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row | None]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row | None] | None:
        self.touched += 1
        return self.rows[index]

    def column(self, name: str) -> list[Value]:
        at = STOCK.index(name)
        return [row[at] if row is not None else None for row in self.rows]


def stock(*rows: Row) -> Changes:
    """Changes of stock rows (ID, store, quantity)."""
    return Changes(STOCK, [row[:1] for row in rows], list(rows), stores=[str(row[1]) for row in rows])


def nothing_here(changes: Changes) -> Here:
    """As if no record of the batch stood here yet."""
    return Here([None] * len(changes))


def write(folder: Path, name: str, source: str) -> Path:
    """A third party's plugin file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("from msyncd import *\nfrom msyncd import hookimpl\n" + dedent(source), encoding="utf-8")
    return path


def loaded(folder: Path, *names: str, rules: bool = False, settings: Mapping[str, Any] | None = None) -> Plugins:
    """These files as plugins, without any problem."""
    plugins, problems = problems_of(folder, *names, rules=rules, settings=settings)
    assert problems == []
    return plugins


def problems_of(
    folder: Path, *names: str, rules: bool = False, settings: Mapping[str, Any] | None = None
) -> tuple[Plugins, list[Problem]]:
    """These files as plugins, and what is wrong with them."""
    entries = [Listed(name, folder, settings or {}) for name in names]
    return Plugins.load(entries, builtin=BUILTIN if rules else (), shipped=folder / "shipped")


class Ledger:
    """A transaction with savepoints over a list: enough to see what a raising plugin leaves behind."""

    site = 1

    def __init__(self) -> None:
        self.written: list[str] = []

    @property
    def db(self) -> Any:
        raise AssertionError("no database in this test")

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        self.written.append(sql)
        return []

    @contextmanager
    def as_application(self) -> Iterator[None]:
        yield

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        before = list(self.written)
        try:
            yield
        except BaseException:
            self.written = before
            raise
