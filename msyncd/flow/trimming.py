"""Trimming (P6): the change log, the spool and the marks, behind what everyone has, and some days more."""

from datetime import datetime, timedelta

from msyncd.databases.interface import Reader, Writer
from msyncd.flow.here import Here
from msyncd.flow.ledger import fills, marks, meta, owed, sites, spool
from msyncd.model import PRIMARY, START, Cursor

TICK = timedelta(minutes=10)
"""How often it is noted where the log stands, so that days can be told."""


def trim(here: Here) -> int:
    """Forget what nobody needs any more; returns how many entries of the change log went."""
    with here.database.read() as reader:
        end = reader.log_end()
        floor = needed_from(reader, here, end)
        ticks = _ticks(reader)
        aged = _aged(ticks, here.clock(), here.settings.keep_days)
        upto = min(floor, aged) if here.settings.keep_days else floor
        due = not ticks or (ticks[-1][1] < end and here.clock() - ticks[-1][0] >= TICK)
        if upto <= reader.log_start() and not due:
            return 0
    with here.database.write() as writer:
        if due:
            writer.put("msyncd_tick", {"at": here.now()}, {"major": end.major, "seq": end.seq})
        spool.trim(writer, floor)
        if here.is_primary:
            known = sites.known_all(writer)
            marks.forget_shared(writer, {one.mark for one in known.values() if one.mark})
        _forget_ticks(writer, ticks, upto)
        meta.note_trimmed(writer, upto)
        return writer.trim_log(upto)


def needed_from(reader: Reader, here: Here, end: Cursor) -> Cursor:
    """The cursor up to which the log is needed by no one: every expected site has it, and nothing in it is owed.

    A site that was never heard of is filled from the tables when it comes, and needs no log.
    """
    known = sites.known_all(reader)
    if here.is_primary:
        expected = [
            one.confirmed
            for sync_id, one in known.items()
            if sync_id in here.facts.sites and sync_id != here.site and one.has_called
        ]
        expected += [one.boundary for one in fills.fills(reader) if one.site in here.facts.sites]
    else:
        expected = [known[PRIMARY].confirmed] if PRIMARY in known else [START]
    start = reader.log_start()
    stopped = [one.since for one in owed.owed(reader) if one.because == "schema" and one.is_in_log(start)]
    return min([end, *expected, *stopped])


def oldest(reader: Reader, after: Cursor) -> str | None:
    """About when the first change beyond a cursor was made, by this machine's clock; None: not known."""
    later = [at for at, cursor in _ticks(reader) if cursor > after]
    return later[0].isoformat().replace("+00:00", "Z") if later else None


def _ticks(reader: Reader) -> list[tuple[datetime, Cursor]]:
    return [
        (datetime.fromisoformat(str(at)), Cursor(int(str(major)), int(str(seq))))
        for at, major, seq in reader.execute("SELECT at, major, seq FROM msyncd_tick ORDER BY at")
    ]


def _aged(ticks: list[tuple[datetime, Cursor]], now: datetime, days: float) -> Cursor:
    """Where the log stood that many days ago."""
    old = [cursor for at, cursor in ticks if now - at >= timedelta(days=days)]
    return max(old, default=START)


def _forget_ticks(writer: Writer, ticks: list[tuple[datetime, Cursor]], upto: Cursor) -> None:
    behind = [at for at, cursor in ticks if cursor <= upto]
    for at in behind[:-1]:
        writer.execute(
            "DELETE FROM msyncd_tick WHERE at = ?", (at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),)
        )
