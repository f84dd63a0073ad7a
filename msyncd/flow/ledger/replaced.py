"""Databases that had a site's place and were replaced (P35): each is refused from then on, until it is named again."""

from collections.abc import Iterable
from dataclasses import dataclass

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.ledger import meta
from msyncd.flow.ledger.sites import Known


@dataclass(frozen=True, slots=True)
class Replaced:
    """A database that was replaced, and the installation where it ran. `number` grows with each replacement.

    The two IDs count together: the same database on another machine is a newcomer, and so is another one on this.
    """

    number: int
    site: int
    database_id: str
    installation_id: str
    at: str
    readmitted: bool


def replaced(reader: Reader, site: int) -> list[Replaced]:
    """Every database that was replaced as this site, oldest first."""
    return [
        Replaced(int(str(number)), site, str(database), str(installation), str(at), bool(readmitted))
        for number, database, installation, at, readmitted in reader.execute(
            "SELECT number, database_id, installation_id, at, readmitted FROM msyncd_replaced"
            " WHERE site = ? ORDER BY number",
            (site,),
        )
    ]


def remember(writer: Writer, known: Known, now: str) -> Replaced:
    """A site's database is replaced."""
    assert known.database_id is not None
    installation = known.installation_id or ""
    number = meta.next_number(writer, "replaced_number")
    writer.insert(
        "msyncd_replaced",
        [
            {
                "number": number,
                "site": known.sync_id,
                "database_id": known.database_id,
                "installation_id": installation,
                "at": now,
            }
        ],
    )
    return Replaced(number, known.sync_id, known.database_id, installation, now, readmitted=False)


def readmit(writer: Writer, those: Iterable[Replaced]) -> None:
    """These may take the place again."""
    for one in those:
        writer.execute("UPDATE msyncd_replaced SET readmitted = 1 WHERE number = ?", (one.number,))


def refused(reader: Reader, site: int, database_id: str, installation_id: str) -> Replaced | None:
    """When this very database, on this very installation, was replaced, if it has not been readmitted since.

    An empty installation ID (a caller that does not tell) fits every installation.
    """
    mine = [
        one
        for one in replaced(reader, site)
        if one.database_id == database_id and installation_id in ("", one.installation_id)
    ]
    return mine[-1] if mine and not mine[-1].readmitted else None


def came_between(reader: Reader, site: int, database_id: str) -> int:
    """The last replacement of another database that had the place since this one did; 0 if none had.

    It tells a database that comes back, to a place where others have worked meanwhile, from one that was only moved.
    """
    known = replaced(reader, site)
    mine = max((one.number for one in known if one.database_id == database_id), default=None)
    others = [one.number for one in known if one.database_id != database_id and mine is not None and one.number > mine]
    return max(others, default=0)
