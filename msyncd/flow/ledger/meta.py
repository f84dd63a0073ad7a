"""Single values that belong to this database: who it is, its generation, numbers that only grow."""

from secrets import token_hex

from msyncd.databases.interface import Reader, Writer
from msyncd.model import Cursor


def get(reader: Reader, name: str) -> str | None:
    """A value, or None."""
    found = reader.execute("SELECT value FROM msyncd_meta WHERE name = ?", (name,))
    return str(found[0][0]) if found else None


def put(writer: Writer, name: str, value: str) -> None:
    """Note a value."""
    writer.put("msyncd_meta", {"name": name}, {"value": value})


def identity(writer: Writer) -> str:
    """The database's own ID, made once; a copy of the database bears the same."""
    known = get(writer, "database_id")
    if known is None:
        known = token_hex(16)
        put(writer, "database_id", known)
        put(writer, "generation", "1")
    return known


def generation(reader: Reader) -> int:
    """How often this database has been taken back to an earlier state and gone on."""
    return int(get(reader, "generation") or 1)


def trimmed(reader: Reader) -> Cursor:
    """Up to where the change log was ever trimmed: a cursor behind this may lack what is gone (P6)."""
    major, _, seq = (get(reader, "trimmed") or "0 0").partition(" ")
    return Cursor(int(major), int(seq))


def note_trimmed(writer: Writer, upto: Cursor) -> None:
    """The change log is trimmed up to a cursor."""
    if upto > trimmed(writer):
        put(writer, "trimmed", f"{upto.major} {upto.seq}")


def next_number(writer: Writer, name: str) -> int:
    """A number that was never given before."""
    number = int(get(writer, name) or 0) + 1
    put(writer, name, str(number))
    return number
