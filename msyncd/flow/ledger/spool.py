"""The spool (P30): records that pass through the primary, which keeps no copy of their stores.

The spool keeps each record's last row, or its deletion, until the last destination has it. The index keeps key, parent
and store of every relayed record for good, so that ownership can be checked here too.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.values import packed, packed_key, unpacked
from msyncd.model import Cursor, RecordType, Row, Value


@dataclass(frozen=True, slots=True)
class Relayed:
    """What the primary knows of a record that passed through it."""

    key: Row
    parent: Value
    store: str | None
    route: Value


def spooled(reader: Reader, record_type: RecordType, keys: Collection[Row]) -> dict[Row, Row]:
    """The rows in the spool under these keys, in the order of the type's columns."""
    if record_type.sent_to != "sites_of_store":
        return {}
    found: dict[Row, Row] = {}
    for key in keys:
        for columns, row in reader.execute(
            "SELECT columns, record FROM msyncd_spool WHERE type = ? AND key = ?", (record_type.name, packed_key(key))
        ):
            if row is not None:
                values = dict(zip(str(columns).split("\n"), unpacked(row), strict=True))
                found[key] = tuple(values.get(column) for column in record_type.columns)
    return found


def relayed(reader: Reader, record_type: str, keys: Collection[Row]) -> dict[Row, Relayed]:
    """What is known of these records if they were relayed."""
    found: dict[Row, Relayed] = {}
    for key in keys:
        for parent, store, route in reader.execute(
            "SELECT parent, store, route FROM msyncd_relayed WHERE type = ? AND key = ?", (record_type, packed_key(key))
        ):
            found[key] = Relayed(key, _value(parent), None if store is None else str(store), _value(route))
    return found


def relays_any(reader: Reader) -> bool:
    """Whether anything was ever relayed here."""
    return bool(reader.execute("SELECT 1 FROM msyncd_relayed LIMIT 1"))


def stores_with(reader: Reader, routes: Collection[Value]) -> set[str]:
    """The stores of which records with one of these routing values passed through here."""
    return {
        str(store)
        for route in routes
        for (store,) in reader.execute(
            "SELECT DISTINCT store FROM msyncd_relayed WHERE route = ? AND store IS NOT NULL", (packed_key((route,)),)
        )
    }


def keep(
    writer: Writer,
    record_type: RecordType,
    records: Iterable[tuple[Relayed, Row | None]],
    upto: Cursor,
) -> None:
    """Spool records and index them; a row None is a deletion."""
    columns = "\n".join(record_type.columns)
    for one, row in records:
        key: dict[str, Value] = {"type": record_type.name, "key": packed_key(one.key)}
        writer.put(
            "msyncd_spool",
            key,
            {"columns": columns, "record": packed(row), "upto_major": upto.major, "upto_seq": upto.seq},
        )
        if row is None:
            writer.execute("DELETE FROM msyncd_relayed WHERE type = ? AND key = ?", (key["type"], key["key"]))
        else:
            parent = None if one.parent is None else packed_key((one.parent,))
            route = None if one.route is None else packed_key((one.route,))
            writer.put("msyncd_relayed", key, {"parent": parent, "store": one.store, "route": route})


def forget(writer: Writer, record_type: str, keys: Iterable[Row]) -> None:
    """These records are relayed no more: they stand in the tables, or did until now."""
    for key in map(packed_key, keys):
        writer.execute("DELETE FROM msyncd_spool WHERE type = ? AND key = ?", (record_type, key))
        writer.execute("DELETE FROM msyncd_relayed WHERE type = ? AND key = ?", (record_type, key))


def trim(writer: Writer, upto: Cursor) -> None:
    """Every destination has what lies up to this cursor."""
    writer.execute(
        "DELETE FROM msyncd_spool WHERE upto_major < ? OR (upto_major = ? AND upto_seq <= ?)",
        (upto.major, upto.major, upto.seq),
    )


def _value(kept: Value) -> Value:
    return None if kept is None else unpacked(kept)[0]
