"""A satellite tells the primary of records that were deleted there and stand here still, since others need them (P22).

Each is told until it is known that the primary has heard it: by the answer to a pull, or by a bundle that was made when
the one that told it had been imported.
"""

from collections.abc import Sequence

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.conversation import Standing
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside
from msyncd.flow.values import packed_key
from msyncd.model import PRIMARY

TOLD = "the primary was told"
_IN_BUNDLE = "told in bundle "
_SUCH = "site = ? AND operation = 'delete' AND plugin = 'references'"


def standing(reader: Reader, here: Here) -> tuple[Standing, ...]:
    """Deletes that could not be done here, since others still refer to the record, and were not heard yet."""
    types = here.types.types
    told = []
    for one in aside.quarantined(reader) if aside.count_quarantined(reader, PRIMARY) else ():
        if (
            one.operation == "delete"
            and one.plugin == aside.REFERENCES
            and one.detail != TOLD
            and one.record_type in types
        ):
            record_type = types[one.record_type]
            row = reader.rows(record_type, [one.key]).get(one.key)
            if row is not None:
                told.append(Standing(one.record_type, one.key, record_type.columns, row, one.reason))
    return tuple(told)


def mark_told(writer: Writer, told_of: Sequence[Standing]) -> None:
    """The question was answered: the primary knows of these now, and of no others."""
    _note(writer, told_of, TOLD, "1 = 1")


def mark_exported(writer: Writer, told_of: Sequence[Standing], bundle: int) -> None:
    """A bundle tells of these; the first that does counts, since all later ones repeat it."""
    _note(writer, told_of, f"{_IN_BUNDLE}{bundle}", f"(detail IS NULL OR detail NOT LIKE '{_IN_BUNDLE}%')")


def mark_heard(writer: Writer, bundle: int) -> None:
    """The primary had imported that bundle of this site when it made its own."""
    rows = writer.execute(f"SELECT id, detail FROM msyncd_quarantine WHERE {_SUCH}", (PRIMARY,))
    for number, detail in rows:
        text = str(detail or "")
        if text.startswith(_IN_BUNDLE) and int(text.removeprefix(_IN_BUNDLE)) <= bundle:
            writer.execute("UPDATE msyncd_quarantine SET detail = ? WHERE id = ?", (TOLD, number))


def _note(writer: Writer, told_of: Sequence[Standing], detail: str, where: str) -> None:
    for one in told_of:
        writer.execute(
            f"UPDATE msyncd_quarantine SET detail = ? WHERE {_SUCH} AND type = ? AND key = ? AND {where}",
            (detail, PRIMARY, one.type, packed_key(tuple(one.key))),
        )
