"""Who holds what, of record types that plugins route (P11): so that a record can leave a site again."""

from collections.abc import Collection, Iterable, Mapping

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.values import packed_key, unpacked
from msyncd.model import Cursor, Row


def held_keys(reader: Reader, site: int, record_type: str, keys: Collection[Row]) -> set[Row]:
    """Which of these records the site was sent."""
    wanted = {packed_key(key) for key in keys}
    if len(wanted) > 500:
        rows = reader.execute("SELECT key FROM msyncd_held WHERE site = ? AND type = ?", (site, record_type))
    else:
        rows = [
            row
            for key in wanted
            for row in reader.execute(
                "SELECT key FROM msyncd_held WHERE site = ? AND type = ? AND key = ?", (site, record_type, key)
            )
        ]
    return {unpacked(row[0]) for row in rows if row[0] in wanted}


def hold(writer: Writer, site: int, record_type: str, keys: Iterable[Row]) -> None:
    """Note, before they leave, which records the site is sent: noting one too many does no harm."""
    for key in keys:
        writer.put("msyncd_held", {"site": site, "type": record_type, "key": packed_key(key)}, {})


def turned_keys(reader: Reader, site: int, record_type: str, keys: Collection[Row], after: Cursor) -> set[Row]:
    """Those of these headers that the site, which has our log up to `after`, may lack though it was sent them.

    They left, or came by a batch behind that cursor, the reply with which was lost perhaps.
    """
    sql = "SELECT key, gone, upto_major, upto_seq FROM msyncd_turned WHERE site = ? AND type = ?"
    rows = reader.execute(sql, (site, record_type))
    found = {unpacked(key) for key, gone, *upto in rows if gone or Cursor(*map(int, map(str, upto))) > after}
    return found & set(keys)


def note_turned(
    writer: Writer,
    site: int,
    after: Cursor,
    upto: Cursor,
    came: Mapping[str, Iterable[Row]],
    left: Mapping[str, Iterable[Row]],
) -> None:
    """Note, before the batch leaves, which headers come with it and which leave. The site has our log up to `after`."""
    writer.execute(
        "DELETE FROM msyncd_turned WHERE site = ? AND gone = 0"
        " AND (upto_major < ? OR (upto_major = ? AND upto_seq <= ?))",
        (site, after.major, after.major, after.seq),
    )
    for gone, by_type in ((0, came), (1, left)):
        for name, keys in by_type.items():
            for key in keys:
                writer.put(
                    "msyncd_turned",
                    {"site": site, "type": name, "key": packed_key(key)},
                    {"gone": gone, "upto_major": upto.major, "upto_seq": upto.seq},
                )
