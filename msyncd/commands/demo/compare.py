"""What a site holds beside what it should hold, record type by record type."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from msyncd.commands.demo.country import Place
from msyncd.commands.demo.expected import Held


@dataclass(frozen=True, slots=True)
class Compared:
    """One record type at one site. `missing`, `surplus` and `differing` count records; equal if there are none."""

    place: Place
    record_type: str
    holds: int
    should_hold: int
    missing: int
    surplus: int
    differing: int

    @property
    def equal(self) -> bool:
        """Whether the site holds exactly what it should, value by value."""
        return not (self.missing or self.surplus or self.differing)


def held_at(connection: sqlite3.Connection, columns: Mapping[str, tuple[str, ...]]) -> Held:
    """Everything that stands in a site's own database, as of one moment."""
    connection.execute("BEGIN")
    try:
        return {
            table: {
                row[names.index("ID")]: row for row in connection.execute(f"SELECT {', '.join(names)} FROM {table}")
            }
            for table, names in columns.items()
        }
    finally:
        connection.execute("COMMIT")


def compare(place: Place, held: Held, expected: Held) -> list[Compared]:
    """Every record type of the site."""
    return [_compared(place, name, held, expected) for name in expected]


def _compared(place: Place, name: str, held: Held, expected: Held) -> Compared:
    here, should = held[name], expected[name]
    both = here.keys() & should.keys()
    return Compared(
        place,
        name,
        holds=len(here),
        should_hold=len(should),
        missing=len(should) - len(both),
        surplus=len(here) - len(both),
        differing=sum(here[key] != should[key] for key in both),
    )
