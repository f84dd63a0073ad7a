"""What a Reader or Writer must know of the database it works on: decided at install, the same for all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from msyncd.databases.lineage import CapturedType
from msyncd.databases.mariadb.describe import Catalogue
from msyncd.databases.mariadb.details import Detail
from msyncd.databases.mariadb.reading import ReadPlan, logged_as
from msyncd.databases.mariadb.tables import LEAST_WIDTH
from msyncd.databases.mariadb.writing import WritePlan
from msyncd.databases.references import circular, emptied
from msyncd.databases.values import KEY, PARENT, ROUTE, ROUTE_BEFORE, TYPE
from msyncd.model import ForeignKey, RecordType, Row, Table

Decoder = Callable[[Any], Any]


@dataclass(frozen=True)
class Scene:
    """The catalogue of tables, the record types in force with their numbers, and how many key columns the log has."""

    catalogue: Catalogue = field(default_factory=Catalogue)
    types: Mapping[str, RecordType] = field(default_factory=dict)
    ids: Mapping[str, int] = field(default_factory=dict)
    width: int = LEAST_WIDTH

    @property
    def tables(self) -> Mapping[str, Table]:
        """The tables by casefolded name."""
        return self.catalogue.tables

    def details(self, table: str, columns: Sequence[str]) -> list[Detail]:
        """What is known of columns."""
        return [self.catalogue.detail(table, column) for column in columns]

    def read_plan(self, table: str, columns: Sequence[str], prefix: str = "") -> ReadPlan:
        """How columns of a table are read."""
        key = ("read", table, *columns, prefix)
        if key not in self._plans:
            self._plans[key] = ReadPlan(self.details(table, columns), prefix)
        plan: ReadPlan = self._plans[key]
        return plan

    def write_plan(self, table: str, columns: Sequence[str]) -> WritePlan:
        """How columns of a table are written."""
        key = ("write", table, *columns)
        if key not in self._plans:
            self._plans[key] = WritePlan(table, self.details(table, columns))
        plan: WritePlan = self._plans[key]
        return plan

    def entries(self, rows: list[Row]) -> list[Row]:
        """Rows of the change log, whose values are text there, as entries: see values.Entry."""
        if not self._decoders or not rows:
            return rows
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        types = columns[TYPE]
        if self._decoders.keys().isdisjoint(types):
            return rows
        for place in {place for of_type in self._decoders.values() for place in of_type}:
            if place < len(columns):
                decoders = {type_id: how[place] for type_id, how in self._decoders.items() if place in how}
                columns[place] = [
                    decoders[type_id](value) if value is not None and type_id in decoders else value
                    for type_id, value in zip(types, columns[place], strict=True)
                ]
        return list(zip(*columns, strict=True))

    def captured(self, record_type: RecordType) -> CapturedType:
        """A record type with its number and table; the table of one that is not in the catalogue is empty."""
        table = self.catalogue.tables.get(record_type.table.casefold()) or Table(record_type.table, (), ())
        return CapturedType(self.ids.get(record_type.name, 0), record_type, table)

    def route_decoder(self, record_type: RecordType) -> Decoder:
        """How the log's text of a type's routing value becomes a value; NULL stays."""
        detail = self._kinds_of(record_type).get(ROUTE)
        how = logged_as(detail.kind) if detail is not None else None
        return (lambda value: value) if how is None else (lambda value: None if value is None else how(value))

    def key_decoders(self, type_id: int) -> Mapping[int, Decoder]:
        """How the log's texts of one record type become values, by their place in an entry; others are texts."""
        return self._decoders.get(type_id, {})

    @cached_property
    def circular(self) -> Mapping[str, tuple[ForeignKey, ...]]:
        """By casefolded table: its references that lead back to it."""
        return circular(self.tables)

    @cached_property
    def checked_at_once(self) -> Mapping[str, tuple[ForeignKey, ...]]:
        """Of these the ones that can be empty: InnoDB puts off no check."""
        return {
            name: tuple(one for one in keys if emptied(self.tables[name], one)) for name, keys in self.circular.items()
        }

    @cached_property
    def _plans(self) -> dict[tuple[str, ...], Any]:
        return {}

    @cached_property
    def _decoders(self) -> dict[int, dict[int, Decoder]]:
        found: dict[int, dict[int, Decoder]] = {}
        for name, one in self.types.items():
            places = self._kinds_of(one)
            decoders = {place: how for place, detail in places.items() if (how := logged_as(detail.kind)) is not None}
            if decoders and name in self.ids:
                found[self.ids[name]] = decoders
        return found

    def _kinds_of(self, one: RecordType) -> dict[int, Detail]:
        """The columns whose values stand at each place of an entry."""
        places = {KEY + at: self.catalogue.detail(one.table, column) for at, column in enumerate(one.key)}
        root = one
        if one.through is not None:
            places[PARENT] = self.catalogue.detail(one.table, one.through.column)
            while root.through is not None and root.through.parent in self.types:
                root = self.types[root.through.parent]
        owner = root if root.also_sent_to is not None else one
        if owner.also_sent_to is not None:
            detail = self.catalogue.detail(owner.table, owner.also_sent_to.column)
            places |= {ROUTE: detail, ROUTE_BEFORE: detail}
        return places
