"""A satellite whose database is an older copy of itself takes back what it had sent, and goes on (P8, P35).

The primary has received more than this database knows, or has filled it since: a backup was restored. What stands here
is then of three kinds. What the primary has in a later version is taken back from there. What was written here since,
and is not in the primary, is sent. What was written here since, and the primary has otherwise, is a conflict: the
primary's stands, and this site's own goes to quarantine, whole. What only the lost disk knew, and had never sent,
nobody can bring back.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from msyncd.databases.interface import Reader, Writer
from msyncd.errors import RestoredBackup
from msyncd.flow.conversation import Welcome
from msyncd.flow.here import Here
from msyncd.flow.joining import TRUSTED, Difference, Meeting, compare
from msyncd.flow.ledger import aside, fills, marks, meta, receipts, sites
from msyncd.flow.ledger.aside import Aside
from msyncd.flow.ledger.receipts import Pulled
from msyncd.flow.ledger.sites import Known
from msyncd.flow.log import log_rows
from msyncd.model import PRIMARY, START, Cursor, RecordType, Row

RESTORED = "restored_from"
"""In msyncd_meta while it is taken back: up to where this log had been sent when the backup was made."""
REPORT = "restored_report"
"""In msyncd_meta afterwards: what was found, as JSON."""


@dataclass(slots=True)
class TakenBack:
    """Of one record type, in records: what came back from the primary, what is kept in quarantine, what is sent."""

    taken_back: int = 0
    gone: int = 0
    """Deleted at the primary since the backup was made: they leave here too."""
    in_quarantine: int = 0
    sent: int = 0


def is_restored(writer: Reader, welcome: Welcome, known: Known) -> bool:
    """Whether this database is the older one: the primary knows more of it than it does itself.

    Either the primary has more of its log than it knows to have sent, or has filled it since (P27): what that brought
    has no entries in the log from which it would come again.
    """
    if welcome.site_generation > meta.generation(writer):
        return True  # it was restored before, and this backup is from before that
    taken_in = fills.taken_in(writer)
    if taken_in is not None and welcome.filled > taken_in:
        return True
    strange = bool(welcome.pushed_mark) and not marks.knows(writer, PRIMARY, welcome.pushed_mark)
    return (strange or welcome.pushed > writer.log_end()) and welcome.pushed > known.confirmed


def is_taking_back(reader: Reader) -> bool:
    """Whether what was lost is still to be taken back."""
    return bool(meta.get(reader, RESTORED))


def begin(writer: Writer, here: Here, known: Known, welcome: Welcome) -> None:
    """Become a generation above all before, which has sent and received nothing yet. Raises RestoredBackup."""
    mine = [one for one in here.facts.stores.values() if here.site in one.home]
    lacking = sorted(one.code for one in mine if not here.facts.holds(PRIMARY, one.store))
    if lacking:
        raise RestoredBackup(
            "the primary has received changes that this database does not know, or has filled it since, and keeps no "
            f"copy of store {', '.join(lacking)} from which they could be taken back",
            hint="an older copy of this site's database runs: see docs/restore.md before anything is edited",
        )
    meta.put(writer, "generation", str(max(meta.generation(writer), welcome.site_generation) + 1))
    meta.put(writer, RESTORED, f"{known.confirmed.major} {known.confirmed.seq}")
    writer.execute("DELETE FROM msyncd_mark WHERE peer = ?", (PRIMARY,))
    sites.note_confirmed(writer, PRIMARY, START)
    receipts.put_pulled(writer, PRIMARY, Pulled())
    fills.note_taken_in(writer, welcome.filled)  # the fill that comes now brings it again


def restored_report(reader: Reader) -> dict[str, Any] | None:
    """What was found at the last restore: {at, record_types: {name: TakenBack}}; None: there was none."""
    found: dict[str, Any] | None = json.loads(meta.get(reader, REPORT) or "null")
    return found


def take_back(meeting: Meeting) -> None:
    """Compare with the primary, and decide of each record that differs. The fill that follows brings the primary's.

    The guard has closed for this site's stores before, so that nothing is written in between.
    """
    here = meeting.here
    roots = {here.types.root(name) for name, one in here.types.types.items() if one.edited_on == "active_site"}
    differences = compare(meeting, roots)
    with here.database.write() as writer:
        major, seq = map(int, (meta.get(writer, RESTORED) or "0 0").split())
        _decide(writer, here, differences, Cursor(major, seq))
        meta.put(writer, RESTORED, "")


def _decide(writer: Writer, here: Here, differences: dict[str, Difference], sent: Cursor) -> None:
    unsent = {name: writer.log_keys(sent, here.types.ids[name], here.site) for name in here.types.order}
    edited = _headers_of(writer, here, unsent)
    report: dict[str, TakenBack] = {}
    again: dict[str, list[Row]] = {}
    headers: dict[str, _Decided] = {}
    for name in here.types.order:
        record_type = here.types.types[name]
        if record_type.edited_on == "any_site":
            again[name] = sorted(unsent[name], key=repr)  # versions tell, as always (P19)
        elif record_type.edited_on == "active_site":
            way = record_type.through
            of_headers = headers.get(way.parent) if way is not None else None
            lines = _Lines.of(writer, record_type, of_headers) if of_headers is not None else _Lines()
            decided = _decide_type(differences.get(name), unsent[name], edited.get(name, set()), lines)
            _keep(writer, here, record_type, decided.conflicts)
            headers[name], report[name], again[name] = decided, decided.counts, decided.send
    end = writer.log_end()
    writer.trim_log(end)  # what the log says was sent before, or is decided now
    meta.note_trimmed(writer, end)
    for name, keys in again.items():
        log_rows(writer, here, here.types.types[name], keys)
    meta.put(writer, TRUSTED, "\n".join(report))
    found = {name: asdict(one) for name, one in report.items() if one != TakenBack()}
    meta.put(writer, REPORT, json.dumps({"at": here.now(), "record_types": found}))


def _headers_of(reader: Reader, here: Here, unsent: dict[str, set[Row]]) -> dict[str, set[Row]]:
    """The headers whose lines, or the lines of whose lines, were written here and not sent; by record type."""
    found: dict[str, set[Row]] = {}
    for name in reversed(here.types.order):
        record_type = here.types.types[name]
        if (way := record_type.through) is not None and record_type.edited_on == "active_site":
            at = record_type.columns.index(way.column)
            rows = reader.rows(record_type, unsent[name] | found.get(name, set()))
            found.setdefault(way.parent, set()).update((row[at],) for row in rows.values())
    return found


@dataclass(frozen=True, slots=True)
class _Decided:
    """What becomes of a type's records that differ.

    `conflicts` are in quarantine, and `send` are sent; `there` stand at both ends, and not alike.
    """

    counts: TakenBack
    conflicts: list[Row]
    send: list[Row]
    there: set[Row]


@dataclass(frozen=True, slots=True)
class _Lines:
    """Lines here whose header stands as the primary has it, otherwise than here; and whose header is sent."""

    beside_another: frozenset[Row] = frozenset()
    sent_along: frozenset[Row] = frozenset()

    @classmethod
    def of(cls, reader: Reader, record_type: RecordType, headers: _Decided) -> "_Lines":
        """Those of a type, whose headers are decided."""

        def lines(keys: Iterable[Row]) -> frozenset[Row]:
            values = [key[0] for key in keys]
            rows = reader.children_of(record_type, values) if values else []
            return frozenset(record_type.key_of(row) for row in rows)

        return cls(lines(headers.there), lines(headers.send))


def _decide_type(difference: Difference | None, unsent: set[Row], edited: set[Row], lines: _Lines) -> _Decided:
    """`edited`: headers of lines that were written here. A family is sent, or stands there, whole (P9)."""
    if difference is None:  # none at either end, or the type is stopped between the two: then it still has to be sent
        return _Decided(TakenBack(), [], sorted(unsent, key=repr), set())
    alone = set(difference.alone)
    there = set(difference.differing or []) - alone
    send = sorted(alone & (unsent | edited | lines.sent_along) - lines.beside_another, key=repr)
    kept = alone & unsent & lines.beside_another
    conflicts = sorted(there & unsent | kept, key=repr)
    counts = TakenBack(len(there - unsent), len(alone) - len(send) - len(kept), len(conflicts), len(send))
    return _Decided(counts, conflicts, send, there)


def _keep(writer: Writer, here: Here, record_type: RecordType, keys: list[Row]) -> None:
    rows = writer.rows(record_type, keys)
    stores = writer.stores_of(record_type, keys)
    kept = [
        Aside(
            record_type.name,
            key,
            here.site,
            "write" if key in rows else "delete",
            stores.get(key, (None, None))[0],
            record_type.columns,
            rows.get(key),
            "written here after a backup was restored; the primary's version, which this site had sent before, stands",
            aside.RESTORED,
            here.now(),
        )
        for key in keys
    ]
    aside.quarantine(writer, kept)
