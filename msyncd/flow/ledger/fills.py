"""Fills that the primary owes its satellites (P27), and those that it asks of them (P29)."""

import json
from dataclasses import dataclass

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.ledger import meta
from msyncd.model import Cursor

_FILLED = "filled:"
_TAKEN_IN = "taken_in"


@dataclass(frozen=True, slots=True)
class Fill:
    """A fill of one site: of one family of record types (None: all), of some stores (None: all that go there).

    `boundary` was the log's end before the first piece was read; an initial fill's site goes on in the log from there.
    """

    id: int
    site: int
    record_type: str | None
    stores: frozenset[str] | None
    boundary: Cursor
    initial: bool
    because: str


def fills(reader: Reader, site: int | None = None) -> list[Fill]:
    """The fills that are not complete (of one site, if given), oldest first."""
    where, parameters = ("", ()) if site is None else (" WHERE site = ?", (site,))
    return [
        Fill(
            int(str(number)),
            int(str(its_site)),
            None if name is None else str(name),
            None if stores is None else frozenset(json.loads(str(stores))),
            Cursor(int(str(major)), int(str(seq))),
            bool(initial),
            str(because),
        )
        for number, its_site, name, stores, major, seq, initial, because in reader.execute(
            "SELECT id, site, type, stores, boundary_major, boundary_seq, initial, because FROM msyncd_fill"
            f"{where} ORDER BY id",
            parameters,
        )
    ]


def begin(
    writer: Writer,
    site: int,
    *,
    because: str,
    now: str,
    record_type: str | None = None,
    stores: frozenset[str] | None = None,
    initial: bool = False,
) -> None:
    """Owe a site a fill. The boundary is taken before the first piece is read; an initial fill replaces all others."""
    if initial:
        writer.execute("DELETE FROM msyncd_fill WHERE site = ?", (site,))
    boundary = writer.log_end()
    writer.insert(
        "msyncd_fill",
        [
            {
                "id": meta.next_number(writer, "fill_number"),
                "site": site,
                "type": record_type,
                "stores": None if stores is None else json.dumps(sorted(stores)),
                "boundary_major": boundary.major,
                "boundary_seq": boundary.seq,
                "initial": int(initial),
                "because": because,
                "since": now,
            }
        ],
    )


def finish(writer: Writer, one: Fill) -> None:
    """The site has it all. That it had is kept: an older copy of its database does not know of it (P35)."""
    writer.execute("DELETE FROM msyncd_fill WHERE id = ?", (one.id,))
    meta.put(writer, f"{_FILLED}{one.site}", str(max(one.id, filled(writer, one.site))))


def filled(reader: Reader, site: int) -> int:
    """The latest fill that a site has taken in whole; 0: none, since its place was last let go."""
    return int(meta.get(reader, f"{_FILLED}{site}") or 0)


def forget_filled(writer: Writer, site: int) -> None:
    """Another database may come in the site's place."""
    meta.put(writer, f"{_FILLED}{site}", "0")


def note_taken_in(writer: Writer, fill: int) -> None:
    """On a satellite: a fill is here whole. It commits with its last piece."""
    meta.put(writer, _TAKEN_IN, str(max(fill, taken_in(writer) or 0)))


def taken_in(reader: Reader) -> int | None:
    """On a satellite: the latest fill that is here whole; None: it does not know."""
    found = meta.get(reader, _TAKEN_IN)
    return None if found is None else int(found)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A store of which the primary asks its active site for every record."""

    store: str
    number: int


def want(writer: Writer, store: str) -> None:
    """Ask for a store's records."""
    writer.put("msyncd_wanted", {"store": store}, {"number": meta.next_number(writer, "wanted_number")})


def wanted(reader: Reader) -> list[Wanted]:
    """What is asked for and not yet given."""
    return [
        Wanted(str(store), int(str(number)))
        for store, number in reader.execute("SELECT store, number FROM msyncd_wanted ORDER BY number")
    ]


def given(writer: Writer, store: str, number: int) -> None:
    """The active site has logged every record of the store for us."""
    writer.execute("DELETE FROM msyncd_wanted WHERE store = ? AND number <= ?", (store, number))
