"""Repairing what a comparison found: each record that differs is sent again by the site whose version stands."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from msyncd.flow.compare.ask import Comparing, Difference, Found, Level
from msyncd.flow.compare.holding import compared_types, owner_of
from msyncd.flow.log import log_rows
from msyncd.model import Row

if TYPE_CHECKING:
    from msyncd.flow.satellite import Satellite

SHOWN: Final = 100
"""Keys that are told of a record type at most."""


def one_type(satellite: "Satellite", name: str, level: Level, *, repair_too: bool = False) -> Iterator[Found]:
    """Compare one record type, and repair what differs if so wished. The last that it yields is noted at both ends."""

    def settle(comparing: Comparing) -> None:
        comparing.settle(level)
        if repair_too and comparing.found.differing:
            _repair(satellite, comparing, level)

    def part(comparing: Comparing) -> None:
        settle(comparing)
        comparing.let_go()

    comparing = Comparing(satellite, satellite.here.types.types[name], part)
    yield from comparing.steps()
    settle(comparing)
    yield comparing.note()


def compare(
    satellite: "Satellite", level: Level, *, only: Sequence[str] = (), repair_too: bool = False
) -> Iterator[tuple[Found, bool]]:
    """Compare every record type, or only these, with the primary; repair what differs, if so wished.

    Yields what is found while it goes on, and with True what was found of a type at last. That is noted in the ledgers
    of both ends. Raises MsyncdError.
    """
    assert satellite.link is not None, "a hello came first"
    for name in compared_types(satellite.here, satellite.link.stopped):
        if only and name not in only:
            continue
        found = Found(name)
        for found in one_type(satellite, name, level, repair_too=repair_too):
            yield found, False
        yield found, True


def _repair(satellite: "Satellite", comparing: Comparing, level: Level) -> None:
    """Send again what differs, each record from where its version stands; what differs still is looked at again.

    The version of the site where the record's store is active stands; of other records the primary's. A record that its
    owner does not have is taken away at the other end, as its owner would have deleted it.
    """
    here, found = satellite.here, comparing.found
    record_type = here.types.types[found.record_type]
    mine = _mine(satellite, record_type.name, found.differing)
    if mine:
        with here.database.write() as writer:
            log_rows(writer, here, record_type, mine)
    own = set(mine)
    theirs = [key for key in found.differing if key not in own]
    if theirs:
        comparing.send_again(theirs)
    comparing.settle(level)


def _mine(satellite: "Satellite", name: str, differing: dict[Row, Difference]) -> list[Row]:
    """The records of which this site's version stands."""
    here = satellite.here
    record_type = here.types.types[name]
    with here.database.read() as reader:
        stores = reader.stores_of(record_type, differing.keys()) if record_type.store is not None else {}
    mine = []
    for key, one in differing.items():
        owner = one.owner
        if one.there is None:
            owner = owner_of(here, record_type, stores.get(key, (None, None))[0])
        if owner == here.site:
            mine.append(key)
    return mine


def told(found: Found) -> dict[str, Any]:
    """What was found of a record type, as commands show it."""
    return {
        "record_type": found.record_type,
        "records": found.records,
        "differences": found.differences,
        "moving": found.moving,
        "keys": [list(key) for key in list(found.differing)[:SHOWN]],
    }
