"""What is kept aside: changes that wait for another record (P17), and quarantine (P18, P20, P21)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.ledger import meta
from msyncd.flow.values import packed, packed_key, unpacked
from msyncd.model import START, Cursor, Operation, Row, Value

OFFERED = "offered"
"""The detail of a record that was deleted here and is offered back by a site that needs it (P22)."""

RESTORED = "restored"
"""The plugin of a site's own changes that it made after a backup was restored, where the primary's version stands.

They keep nothing else back: not their lines, not the primary's version, not a hand-over (P35).
"""

DATABASE = "database"
"""The plugin of changes that a database rejected because of their own values (P21)."""

REFERENCES = "references"
"""The plugin of changes that refer to a record that is not here (P17)."""

Record = tuple[str, Row]
"""A record type's name and a key."""


@dataclass(frozen=True, slots=True)
class Aside:
    """A change kept whole. `columns` says what `row` holds; `row` None for a delete.

    `reason` is what it waits for, or why it is in quarantine; `header` the record with which it was kept: a line's
    header, or who holds a unique value that it takes; `noted_at` where the change log stood then.
    """

    record_type: str
    key: Row
    site: int
    operation: Operation
    store: str | None
    columns: tuple[str, ...]
    row: Row | None
    reason: str
    plugin: str
    since: str
    base: int | None = None
    header: Record | None = None
    detail: str = field(default="", repr=False)
    id: int = 0
    noted_at: Cursor = START


_ASIDE = "type, key, site, operation, store, columns, record, base, plugin, since"


def _aside(row: Row, reason: Value, **more: object) -> Aside:
    name, key, site, operation, store, columns, record, base, plugin, since = row
    return Aside(
        str(name),
        unpacked(key),
        int(str(site)),
        "delete" if operation == "delete" else "write",
        None if store is None else str(store),
        tuple(str(columns).split("\n")),
        None if record is None else unpacked(record),
        str(reason),
        str(plugin or ""),
        str(since),
        None if base is None else int(str(base)),
        **more,  # type: ignore[arg-type]  # fields of Aside
    )


def _columns(one: Aside) -> dict[str, Value]:
    return {
        "type": one.record_type,
        "key": packed_key(one.key),
        "site": one.site,
        "operation": one.operation,
        "store": one.store,
        "columns": "\n".join(one.columns),
        "record": packed(one.row),
        "base": one.base,
        "plugin": one.plugin,
        "since": one.since,
    }


# --- waiting --------------------------------------------------------------------------------------------------------


def waiting(reader: Reader, site: int | None = None) -> list[Aside]:
    """The changes that wait (of one site, if given), in the order in which they arrived."""
    where, parameters = ("", ()) if site is None else (" WHERE site = ?", (site,))
    return [
        _aside(row[1:], row[0])
        for row in reader.execute(f"SELECT missing, {_ASIDE} FROM msyncd_waiting{where} ORDER BY since", parameters)
    ]


def count_waiting(reader: Reader, site: int | None = None) -> int:
    """How many changes wait."""
    where, parameters = ("", ()) if site is None else (" WHERE site = ?", (site,))
    return int(str(reader.execute(f"SELECT count(*) FROM msyncd_waiting{where}", parameters)[0][0]))


def count_of_store(reader: Reader, store: str, record_types: Collection[str], *, origin: int | None) -> int:
    """How many changes of a store are kept aside, waiting or in quarantine.

    A line whose header is not here bears no store: of those types it counts if it came from `origin` (None: from
    anywhere).
    """
    names = ", ".join("?" * len(record_types)) or "NULL"
    of_origin = "" if origin is None else " AND site = ?"
    where = f"(store = ? OR (store IS NULL AND type IN ({names}){of_origin})) AND plugin <> ?"
    parameters: list[Value] = [store, *record_types, *([] if origin is None else [origin]), RESTORED]
    found = [
        reader.execute(f"SELECT count(*) FROM {table} WHERE {where}", parameters)
        for table in ("msyncd_waiting", "msyncd_quarantine")
    ]
    return sum(int(str(rows[0][0])) for rows in found)


def keep_waiting(writer: Writer, changes: Iterable[Aside]) -> None:
    """Keep changes until what they need arrives: one per record, the latest."""
    for one in changes:
        values = _columns(one) | {"missing": one.reason}
        key = {"type": values.pop("type"), "key": values.pop("key")}
        writer.put("msyncd_waiting", key, values)


def stop_waiting(writer: Writer, records: Iterable[Record]) -> None:
    """These records wait no more."""
    for name, key in records:
        writer.execute("DELETE FROM msyncd_waiting WHERE type = ? AND key = ?", (name, packed_key(key)))


# --- quarantine -----------------------------------------------------------------------------------------------------


_QUARANTINED = (
    f"SELECT id, reason, header_type, header_key, detail, log_major, log_seq, {_ASIDE} FROM msyncd_quarantine"
)


def quarantined(reader: Reader, ids: Collection[int] | None = None) -> list[Aside]:
    """What is in quarantine, oldest first."""
    few = ids is not None and len(ids) <= 100
    where = f" WHERE id IN ({', '.join('?' * len(ids or ())) or 'NULL'})" if few else ""
    rows = reader.execute(f"{_QUARANTINED}{where} ORDER BY id", list(ids or ()) if few else [])
    return [_of_quarantine(row) for row in rows if ids is None or row[0] in ids]


def kept_with_others(reader: Reader, site: int) -> list[Aside]:
    """What is in quarantine because of another record of the same site, oldest first: see `Aside.header`."""
    sql = f"{_QUARANTINED} WHERE site = ? AND header_type IS NOT NULL ORDER BY id"
    return [_of_quarantine(row) for row in reader.execute(sql, (site,))]


def rejected(reader: Reader, record_types: Collection[str]) -> list[int]:
    """The IDs of what the database rejected of some record types, oldest first."""
    names = ", ".join("?" * len(record_types)) or "NULL"
    sql = f"SELECT id FROM msyncd_quarantine WHERE plugin = ? AND type IN ({names}) ORDER BY id"
    return [int(str(row[0])) for row in reader.execute(sql, [DATABASE, *record_types])]


def quarantined_page(
    reader: Reader, *, limit: int, after: int = 0, record_type: str | None = None, site: int | None = None
) -> list[Aside]:
    """Some of what is in quarantine, oldest first, with IDs beyond `after`: of one type and site, if given."""
    where, parameters = "id > ?", list[Value]([after])
    if record_type is not None:
        where, parameters = f"{where} AND type = ?", [*parameters, record_type]
    if site is not None:
        where, parameters = f"{where} AND site = ?", [*parameters, site]
    rows = reader.execute(f"{_QUARANTINED} WHERE {where} ORDER BY id LIMIT ?", [*parameters, limit])
    return [_of_quarantine(row) for row in rows]


def quarantine_groups(reader: Reader) -> list[tuple[str, int, int]]:
    """How many changes are in quarantine, by record type and site."""
    rows = reader.execute("SELECT type, site, count(*) FROM msyncd_quarantine GROUP BY type, site ORDER BY type, site")
    return [(str(name), int(str(site)), int(str(number))) for name, site, number in rows]


def _of_quarantine(row: Row) -> Aside:
    return _aside(
        row[7:],
        row[1],
        noted_at=Cursor(int(str(row[5])), int(str(row[6]))),
        id=int(str(row[0])),
        header=None if row[2] is None else (str(row[2]), unpacked(row[3])),
        detail=str(row[4] or ""),
    )


def count_quarantined(reader: Reader, site: int | None = None) -> int:
    """How many changes are in quarantine."""
    where, parameters = ("", ()) if site is None else (" WHERE site = ?", (site,))
    return int(str(reader.execute(f"SELECT count(*) FROM msyncd_quarantine{where}", parameters)[0][0]))


def quarantine(writer: Writer, changes: Iterable[Aside], *, upto: Cursor | None = None) -> list[int]:
    """Put changes into quarantine, in place of what is there of the same record from the same site; their ids.

    `upto`: up to where the log tells of no later change of theirs; None: up to its end.
    """
    ids = []
    end = writer.log_end() if upto is None else upto
    for one in changes:
        release(writer, [(one.record_type, one.key)], one.site)
        ids.append(meta.next_number(writer, "quarantine_number"))
        header_type, header_key = one.header or (None, None)
        values = {
            "id": ids[-1],
            **_columns(one),
            "reason": one.reason,
            "header_type": header_type,
            "header_key": packed(header_key),
            "detail": one.detail,
            "log_major": end.major,
            "log_seq": end.seq,
        }
        writer.insert("msyncd_quarantine", [values])
    return ids


def release(writer: Writer, records: Iterable[Record], site: int | None = None) -> None:
    """Take these records' entries out (of one site, if given): a later change stands, or they were applied."""
    where, last = ("", ()) if site is None else (" AND site = ?", (site,))
    for name, key in records:
        writer.execute(
            f"DELETE FROM msyncd_quarantine WHERE type = ? AND key = ?{where}", (name, packed_key(key), *last)
        )


def release_ids(writer: Writer, ids: Iterable[int]) -> None:
    """Take entries out by their id."""
    for one in ids:
        writer.execute("DELETE FROM msyncd_quarantine WHERE id = ?", (one,))


def kept_headers(reader: Reader, site: int) -> set[Record]:
    """Records of a site that are kept aside for a reason of their own: their lines are kept with them."""
    rows = reader.execute(
        "SELECT type, key FROM msyncd_waiting WHERE site = ?"
        " UNION SELECT type, key FROM msyncd_quarantine WHERE site = ? AND plugin <> ?",
        (site, site, RESTORED),
    )
    return {(str(name), unpacked(key)) for name, key in rows}
