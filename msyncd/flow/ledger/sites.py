"""What is known of each peer: on the primary its satellites, on a satellite its primary."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from msyncd.databases.interface import Reader, Writer
from msyncd.model import PRIMARY, START, Cursor, Value

RENEWED = timedelta(minutes=10)
"""How often an idle cycle notes that it went well: often enough for `late`, which is a day; else it writes nothing."""


@dataclass(frozen=True, slots=True)
class Known:
    """A peer as the ledger has it.

    `confirmed`: on the primary, how far the satellite has its log; on a satellite, how far the primary has this one.
    `stopped`: record types that do not travel between the two, and why.
    """

    sync_id: int
    database_id: str | None = None
    installation_id: str | None = None
    generation: int = 1
    version: str | None = None
    joined: bool = False
    heard: int = 0
    confirmed: Cursor = START
    mark: str = ""
    last_contact: str | None = None
    last_success: str | None = None
    problem: str | None = None
    batch_size: int | None = None
    to_receive: int | None = None
    filling: str | None = None
    stopped: Mapping[str, str] | None = None
    public_key: str = ""

    @property
    def has_called(self) -> bool:
        """Whether it has ever said hello."""
        return self.database_id is not None

    def success_is_old(self, now: datetime) -> bool:
        """Whether a success of now is to be noted, though nothing else is; also if the clock was set back."""
        return self.last_success is None or abs(now - datetime.fromisoformat(self.last_success)) >= RENEWED


_COLUMNS = (
    "sync_id, database_id, installation_id, generation, version, joined, heard, confirmed_major, confirmed_seq,"
    " held_mark, last_contact, last_success, problem, batch_size, to_receive, filling, record_types, public_key"
)


def known(reader: Reader, sync_id: int) -> Known:
    """What is known of a peer; nothing but its sync ID before the first contact."""
    return known_all(reader).get(sync_id) or Known(sync_id)


def known_all(reader: Reader) -> dict[int, Known]:
    """Every peer that was ever heard of."""
    found = {}
    for row in reader.execute(f"SELECT {_COLUMNS} FROM msyncd_site"):
        sync_id = int(str(row[0]))
        found[sync_id] = Known(
            sync_id,
            _text(row[1]),
            _text(row[2]),
            int(str(row[3] or 1)),
            _text(row[4]),
            bool(row[5]),
            int(str(row[6])),
            Cursor(int(str(row[7])), int(str(row[8]))),
            str(row[9] or ""),
            _text(row[10]),
            _text(row[11]),
            _text(row[12]),
            None if row[13] is None else int(str(row[13])),
            None if row[14] is None else int(str(row[14])),
            _text(row[15]),
            json.loads(str(row[16])) if row[16] is not None else None,
            str(row[17] or ""),
        )
    return found


def may_have_written(reader: Reader, sync_id: int | None) -> bool:
    """On the primary: whether a satellite may have records that have not come. Since it has called, it may edit."""
    return sync_id is not None and sync_id != PRIMARY and known(reader, sync_id).has_called


def note(writer: Writer, sync_id: int, **values: Value) -> None:
    """Note things about a peer, by the ledger's column names."""
    writer.put("msyncd_site", {"sync_id": sync_id}, values)


def note_confirmed(writer: Writer, sync_id: int, cursor: Cursor, **values: Value) -> None:
    """Note how far the peer has what we sent."""
    note(writer, sync_id, confirmed_major=cursor.major, confirmed_seq=cursor.seq, **values)


def _text(value: Value) -> str | None:
    return None if value is None else str(value)
