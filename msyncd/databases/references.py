"""References that lead back to their own table, where the database checks them at once (P16): as values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from msyncd.model import ForeignKey, RecordType, Row, Table, Value


@dataclass(frozen=True, slots=True)
class PutOff:
    """References of one record type that were written empty: by the row's key, what belongs in the columns."""

    record_type: RecordType
    reference: ForeignKey
    rows: Mapping[Row, Row]


def circular(tables: Mapping[str, Table]) -> dict[str, tuple[ForeignKey, ...]]:
    """By casefolded table: its references that lead back to it, at once or through other tables."""
    parents = {
        name: {one.parent.casefold() for one in table.foreign_keys if one.parent.casefold() in tables}
        for name, table in tables.items()
    }

    def reached(start: str) -> set[str]:
        seen, ahead = {start}, [start]
        while ahead:
            for parent in parents[ahead.pop()] - seen:
                seen.add(parent)
                ahead.append(parent)
        return seen

    leads_to = {name: reached(name) for name in tables}
    found = {
        name: tuple(one for one in table.foreign_keys if name in leads_to.get(one.parent.casefold(), ()))
        for name, table in tables.items()
    }
    return {name: keys for name, keys in found.items() if keys}


def through_others(tables: Mapping[str, Table], name: str) -> tuple[ForeignKey, ...]:
    """The references of a table that lead back to it through other tables; those to itself do not count."""
    return tuple(one for one in circular(tables).get(name, ()) if one.parent.casefold() != name)


def cascading_in_a_circle(tables: Mapping[str, Table]) -> frozenset[str]:
    """Tables in a circle of ON DELETE CASCADE that leads through another: how deep it goes only the rows know."""
    below: dict[str, set[str]] = {name: set() for name in tables}
    for name, table in tables.items():
        for one in table.foreign_keys:
            parent = one.parent.casefold()
            if one.on_delete == "CASCADE" and parent in below and parent != name:
                below[parent].add(name)

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = list(below[start])
        while ahead:
            name = ahead.pop()
            if name not in seen:
                seen.add(name)
                ahead += below[name]
        return seen

    return frozenset(name for name in tables if name in reached(name))


def emptied(table: Table, reference: ForeignKey) -> tuple[str, ...]:
    """The columns in which a reference can be written empty; none if it cannot."""
    return tuple(one for one in reference.columns if (column := table.column(one)) is not None and column.nullable)


def values_at(rows: Sequence[Row], columns: Sequence[str], wanted: Iterable[str]) -> list[Row]:
    """The values of some columns in each row."""
    places = [columns.index(one) for one in wanted]
    return [tuple(row[at] for at in places) for row in rows]


def without(row: Row, columns: Sequence[str], empty: Sequence[str]) -> Row:
    """A row with some columns empty."""
    values: list[Value] = [None if column in empty else value for column, value in zip(columns, row, strict=True)]
    return tuple(values)


def in_waves(names: Sequence[Row], targets: Sequence[Row]) -> list[list[int]]:
    """Places of rows in an order in which none comes before the row of the same list that it refers to.

    `names` holds by what a row is referred to, `targets` to what it refers; those in a real circle come last, together.
    """
    place = {name: at for at, name in enumerate(names)}
    waits = {at: place[target] for at, target in enumerate(targets) if place.get(target, at) != at}
    waves: list[list[int]] = []
    left = set(range(len(names)))
    while left:
        wave = sorted(at for at in left if waits.get(at) not in left)
        wave = wave or sorted(left)
        waves.append(wave)
        left -= set(wave)
    return waves
