"""Who holds what, of record types that plugins route (P11): so that a record can leave a site again."""

from collections.abc import Collection, Iterable

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.values import packed_key, unpacked
from msyncd.model import Row


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
