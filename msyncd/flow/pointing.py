"""Where in a record type's YAML a name stands that the database does not have: problems point at the value."""

from collections.abc import Iterator

from msyncd.model import Through
from msyncd.settings.values import DeclaredType, Place


def place_of_table(declared: DeclaredType) -> Place:
    """Where the table is named."""
    return declared.places.get("table", declared.place)


def place_of_column(declared: DeclaredType, column: str) -> Place:
    """Where a column is named first; where the record type is, if it is named nowhere, as one of the primary key."""
    for name, *paths in _named(declared):
        if name == column:
            return next((declared.places[path] for path in paths if path in declared.places), declared.place)
    return declared.place


def _named(declared: DeclaredType) -> Iterator[tuple[str, ...]]:
    """Each column that is named, with the paths at which it may stand: a list's entry before the whole."""
    for at, one in enumerate(declared.key or ()):
        yield one, f"key.{at}", "key"
    if isinstance(declared.store, Through):
        yield declared.store.column, "store.through"
    elif declared.store is not None:
        yield declared.store, "store"
    if declared.also_sent_to is not None:
        yield declared.also_sent_to.column, f"also_sent_to.{declared.also_sent_to.kind}"
    for one in declared.when_missing:
        yield one, f"when_missing.{one}"
    for at, one in enumerate(declared.include or ()):
        yield one, f"columns.include.{at}", "columns.include"
    for at, one in enumerate(declared.exclude):
        yield one, f"columns.exclude.{at}", "columns.exclude"
