"""The cursor skips nothing (P3): numbers that are missing in the change log, and when they will never come.

AUTO_INCREMENT gives numbers in the order of asking, not of committing: a missing number belongs to a transaction
that is still open, or was undone. Every transaction asks for one only after it has locked or written something (the
triggers see to that), so whoever asked for a missing number stands in innodb_trx until it ends. When all who stood
there after the hole was seen has gone, what is still missing in a new snapshot will never come: it is *dead*.
"""

import random
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from secrets import token_hex
from typing import Final, NamedTuple

from msyncd.databases.mariadb.session import Session

LOOK_SECONDS: Final = 0.12
"""innodb_trx is a copy that is renewed only if nobody has read it for 0.1 s."""
MOST_TRANSACTIONS: Final = 5000
"""The copy is cut off at 16 MB; one that is anywhere near proves nothing."""
WHOLE: Final = "log_whole"
"""The name in msyncd_meta under which it is kept up to where the log is whole."""


class Gap(NamedTuple):
    """Numbers that are missing, both ends included."""

    first: int
    last: int


class Open(NamedTuple):
    """A transaction that may have asked for a number. Its `id` is 0 until it writes: then thread and start tell it."""

    id: int
    thread: int
    started: str
    since: float
    """By this process's monotonic clock, to a second."""

    def is_same(self, other: "Open") -> bool:
        """Whether both may be the same transaction; a thread's next one within a second counts as the same."""
        return (self.id != 0 and self.id == other.id) or (
            self.thread != 0 and (self.thread, self.started) == (other.thread, other.started)
        )


class Holes:
    """What this process has found out. It is a cache: what is lost with the process is found out again.

    `whole`: every number up to it has been seen or is dead. `settled` grows whenever a hole was found to be dead.
    """

    def __init__(self) -> None:
        self.whole = 0
        self.settled = 0
        self._lock = threading.RLock()
        self._dead: list[Gap] = []
        self._waiting: dict[Gap, list[Open] | None] = {}
        self._look_at = 0.0
        self._stale = 0

    # --- what a snapshot shows --------------------------------------------------------------------------------------

    def end(self, session: Session, whole: int, *, own: bool = False) -> int:
        """Up to where the log can be read in the session's snapshot. New holes are noted.

        `whole` is `self.whole` as it was before that snapshot: what was found out since may be newer. `own`: the
        session has appended entries itself, which nobody else sees yet; nothing of what it sees is kept.
        """
        whole, last, gaps = _missing(session, whole)
        with self._lock:
            alive = [part for gap in gaps for part in _without(gap, self._dead)]
            end = alive[0].first - 1 if alive else last
            for gap in alive:
                self._note(gap)
            if not own:
                self.whole = max(self.whole, whole, end)
                self._dead = [gap for gap in self._dead if gap.last > self.whole]
                self._waiting = {gap: waits for gap, waits in self._waiting.items() if gap.last > self.whole}
            return max(whole, end)

    def _note(self, gap: Gap) -> None:
        new = [gap]
        for known in self._waiting:
            new = [part for one in new for part in _without(one, [known])]
        for part in new:
            self._waiting[part] = None

    # --- whether they will ever come --------------------------------------------------------------------------------

    @property
    def due(self) -> bool:
        """Whether there are holes to look into, and it is time for it."""
        return bool(self._waiting) and time.monotonic() >= self._look_at

    def look(self, session: Session) -> None:
        """Look once into who may still fill the holes. `session` is in no transaction. Nothing waits here."""
        with self._lock:
            if not self.due:
                return
            # those seen later than this are not what the look is about
            noted = list(self._waiting)
            still = open_transactions(session)
            if still is None:  # others look too: by chance somebody is alone for long enough
                self._stale += 1
                self._look_at = time.monotonic() + LOOK_SECONDS * (1 + random.random() * min(self._stale, 8))
                return
            self._stale, self._look_at = 0, time.monotonic() + LOOK_SECONDS
            for gap in noted:
                waits = self._waiting[gap]
                left = still if waits is None else [one for one in waits if any(map(one.is_same, still))]
                self._waiting[gap] = left
            ready = [gap for gap in noted if not self._waiting[gap]]
            for gap in ready:
                dead = gaps_between(session, gap.first - 1, gap.last + 1)
                self._dead = _merged([*self._dead, *dead])
                del self._waiting[gap]
            self.settled += bool(ready)

    def open_seconds(self) -> float | None:
        """How long the oldest transaction is open for which the cursor waits; None if it waits for none."""
        with self._lock:
            since = [one.since for waits in self._waiting.values() for one in waits or ()]
        return time.monotonic() - min(since) if since else None


def open_transactions(session: Session) -> list[Open] | None:
    """Every transaction that has locked or written anything; None if what the server tells may be out of date.

    The question bears a mark of its own: if the answer shows it being asked, the answer was made for it. Raises
    DatabaseUnavailable without the PROCESS privilege.
    """
    mark = f"/* msyncd {token_hex(8)} */"
    session.begin("WITH CONSISTENT SNAPSHOT, READ ONLY")  # without one, it would not stand in the answer itself
    try:
        # the times are by the server's own zone: only the distance to that of this very transaction means anything
        rows = session.fetch_text(
            f"{mark} SELECT trx_id, trx_mysql_thread_id, CAST(trx_started AS CHAR), trx_lock_structs,"
            " trx_rows_modified, trx_query FROM information_schema.innodb_trx"
        )
    finally:
        session.rollback()
    mine = next((row for row in rows if str(row[-1]).startswith(mark)), None)
    if mine is None or len(rows) > MOST_TRANSACTIONS:
        return None
    now, clock = datetime.fromisoformat(str(mine[2])), time.monotonic()
    return [
        Open(
            int(str(number)),
            int(str(thread)),
            str(started),
            clock - (now - datetime.fromisoformat(str(started))).total_seconds(),
        )
        for number, thread, started, locks, modified, _ in rows
        if number or locks or modified
    ]


def _missing(session: Session, whole: int) -> tuple[int, int, list[Gap]]:
    """What is known to be whole, the last number, and the gaps between the two."""
    while True:
        kept, last, count = session.fetch_text(
            f"SELECT (SELECT CAST(value AS UNSIGNED) FROM msyncd_meta WHERE name = '{WHOLE}'), max(seq), count(*)"
            f" FROM msyncd_change_log WHERE seq > {whole}"
        )[0]
        if int(str(kept or 0)) <= whole:
            break
        whole = int(str(kept))
    if last is None:
        return whole, whole, []
    if int(str(last)) - whole == count:
        return whole, int(str(last)), []
    return whole, int(str(last)), gaps_between(session, whole, int(str(last)))


def gaps_between(session: Session, after: int, before: int) -> list[Gap]:
    """The numbers between two others that are missing in the session's snapshot."""
    rows = session.fetch_text(
        "SELECT previous + 1, seq - 1 FROM (SELECT seq, LAG(seq) OVER (ORDER BY seq) AS previous FROM"
        f" (SELECT {after} AS seq UNION ALL SELECT {before}"
        f" UNION ALL SELECT seq FROM msyncd_change_log WHERE seq > {after} AND seq < {before}) AS s"
        ") AS pairs WHERE seq > previous + 1 ORDER BY seq"
    )
    return [Gap(int(str(first)), int(str(last))) for first, last in rows]


def _without(gap: Gap, others: Iterable[Gap]) -> Iterator[Gap]:
    """What is left of a gap when others, in order, are taken away."""
    first = gap.first
    for other in others:
        if other.last < first or other.first > gap.last:
            continue
        if other.first > first:
            yield Gap(first, other.first - 1)
        first = other.last + 1
    if first <= gap.last:
        yield Gap(first, gap.last)


def _merged(gaps: Sequence[Gap]) -> list[Gap]:
    """Gaps in order, those that touch made one."""
    merged: list[Gap] = []
    for gap in sorted(gaps):
        if merged and gap.first <= merged[-1].last + 1:
            merged[-1] = Gap(merged[-1].first, max(merged[-1].last, gap.last))
        else:
            merged.append(gap)
    return merged
