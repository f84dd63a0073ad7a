"""What was left out, and is owed (P7): by site, record type and reason, from which cursor on."""

from dataclasses import dataclass

from msyncd.databases.interface import Reader, Writer
from msyncd.model import START, Cursor, Value


@dataclass(frozen=True, slots=True)
class Owed:
    """Changes of a type that were kept from a site since a cursor, and by what.

    `since` START: they were left out of a fill, so that the log alone does not name them.
    """

    site: int
    record_type: str
    since: Cursor
    because: str
    left_out: int
    fingerprint: str

    def is_in_log(self, start: Cursor) -> bool:
        """Whether the log, which now begins at `start`, names all of it; else the tables must be gone through."""
        return self.since != START and self.since >= start


def owed(reader: Reader) -> list[Owed]:
    """Everything that is owed to anyone."""
    return [
        Owed(
            int(str(site)), str(name), Cursor(int(str(major)), int(str(seq))), str(because), int(str(count)), str(mark)
        )
        for site, name, major, seq, because, count, mark in reader.execute(
            "SELECT site, type, from_major, from_seq, because, left_out, fingerprint FROM msyncd_owed"
        )
    ]


def owe(writer: Writer, site: int, record_type: str, since: Cursor, because: str, count: int, fingerprint: str) -> None:
    """Note what was left out; the earliest cursor stands."""
    key: dict[str, Value] = {"site": site, "type": record_type, "because": because}
    found = writer.execute(
        "SELECT left_out FROM msyncd_owed WHERE site = ? AND type = ? AND because = ?", (site, record_type, because)
    )
    if found:
        writer.put("msyncd_owed", key, {"left_out": int(str(found[0][0])) + count, "fingerprint": fingerprint})
    else:
        writer.put(
            "msyncd_owed",
            key,
            {"from_major": since.major, "from_seq": since.seq, "left_out": count, "fingerprint": fingerprint},
        )


def settled(writer: Writer, site: int, record_type: str, because: str) -> None:
    """This debt is paid."""
    writer.execute("DELETE FROM msyncd_owed WHERE site = ? AND type = ? AND because = ?", (site, record_type, because))
