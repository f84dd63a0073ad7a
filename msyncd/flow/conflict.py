"""Conflicts (P19): a record that was written at both ends. Versions tell, never a clock."""

from collections.abc import Sequence

from msyncd.databases.interface import Writer
from msyncd.flow.here import Here
from msyncd.flow.ledger import versions
from msyncd.flow.ledger.cleared import restored
from msyncd.flow.outcome import Outcome, aside_of, take_out
from msyncd.flow.receive import Batchwork, Work
from msyncd.model import Changes, Conflict, Cursor, Row


def keep_unsent(writer: Writer, here: Here, work: Batchwork, pushed: Cursor, outcome: Outcome) -> None:
    """On a satellite: a pulled record that has a change of its own, not yet sent, is not overwritten.

    Its own change is sent next, and the primary decides: it is applied there, or refused and put back.
    """
    for name, one in work.items():
        unsent = writer.log_keys(pushed, here.types.ids[name], here.site) & set(one.all_keys())
        if not unsent:
            continue
        outcome.conflicts += len(unsent)
        if one.record_type.edited_on == "any_site":
            _know_echoes(writer, one, unsent)
        take_out(work, [(name, key) for key in unsent])


def _know_echoes(writer: Writer, one: Work, unsent: set[Row]) -> None:
    """What comes back just as it was sent is agreed, also where the record was edited again since."""
    for key, row in zip(one.writes.keys, one.writes.rows, strict=True):
        if key in unsent:
            known = versions.agreed(writer, one.record_type.name, key)
            if known is not None and known.sent == row and key in one.numbers:
                versions.agree(writer, one.record_type.name, key, one.numbers[key], one.record_type.columns, row)


def agree_pulled(writer: Writer, work: Batchwork) -> None:
    """On a satellite: the versions that a pull brought are those last agreed."""
    for name, one in work.items():
        if one.record_type.edited_on == "any_site":
            for key, row in zip(one.writes.keys, one.writes.rows, strict=True):
                versions.agree(writer, name, key, one.numbers.get(key, 0), one.record_type.columns, row)


def resolve(writer: Writer, here: Here, work: Batchwork, outcome: Outcome) -> None:
    """On the primary: a push of an any_site record must name the version on which it is based, else it conflicts."""
    for name, one in work.items():
        if one.record_type.edited_on != "any_site" or not len(one.writes):
            continue
        conflicts = _conflicts(writer, one)
        if conflicts:
            _decide(here, one, conflicts, outcome)
            take_out(work, outcome.kept)
        for key, row in zip(one.writes.keys, one.writes.rows, strict=True):
            number = versions.versions_of(writer, name, [key]).get(key, 0)
            versions.agree(writer, name, key, number + 1, one.record_type.columns, row)


def _conflicts(writer: Writer, one: Work) -> dict[int, Conflict]:
    here_rows = restored(writer, one.record_type, writer.rows(one.record_type, one.writes.keys))
    found: dict[int, Conflict] = {}
    for at, (key, row) in enumerate(zip(one.writes.keys, one.writes.rows, strict=True)):
        stands = here_rows.get(key)
        if stands is None or stands == row or row is None:
            continue
        version = current_version(writer, one, key, stands)
        known = versions.agreed(writer, one.record_type.name, key)
        if one.numbers.get(key, 0) != version:
            found[at] = Conflict(key, known.row if known else None, stands, row)
    return found


def current_version(writer: Writer, one: Work, key: Row, stands: Row) -> int:
    """The record's version: one more than was noted if the application here has written it since."""
    known = versions.agreed(writer, one.record_type.name, key)
    if known is not None and known.row == stands and known.columns == one.record_type.columns:
        return known.version
    number = (known.version if known else 0) + 1
    versions.agree(writer, one.record_type.name, key, number, one.record_type.columns, stands)
    return number


def _decide(here: Here, one: Work, conflicts: dict[int, Conflict], outcome: Outcome) -> None:
    places = list(conflicts)
    resolved = here.plugins.resolve(one.record_type, [conflicts[at] for at in places])
    rows: list[Row | None] = list(one.writes.rows)
    for at, answer, plugin in zip(places, resolved.answers, resolved.plugins, strict=True):
        if answer == "incoming":
            continue
        if answer is None or answer == "here":
            reason = "edited on two sites at once; the version on the primary stands"
            kept = aside_of(here, one, one.writes.keys[at], outcome.origin, reason, plugin or "conflict")
            outcome.keep("refused", kept, may_edit=False)
        else:
            rows[at] = tuple(answer)  # a row made of both
    one.writes = _with_rows(one.writes, rows)


def _with_rows(changes: Changes, rows: Sequence[Row | None]) -> Changes:
    again = changes.select(range(len(changes)))
    again.rows = rows
    return again


def number_outgoing(writer: Writer, here: Here, name: str, keys: Sequence[Row], rows: Sequence[Row]) -> list[int]:
    """On the primary, before rows leave: their versions, numbered now where the application wrote.

    A row that was written again since it was read has the number 0: who edits it edits what is out of date.
    """
    record_type = here.types.types[name]
    known = versions.agreed_of(writer, name, keys)
    stand = restored(writer, record_type, writer.rows(record_type, keys))
    numbers = []
    for key, row in zip(keys, rows, strict=True):
        agreed = known.get(key)
        if agreed is not None and agreed.row == row and agreed.columns == record_type.columns:
            numbers.append(agreed.version)
        elif stand.get(key) != row:
            numbers.append(0)
        else:
            numbers.append((agreed.version if agreed is not None else 0) + 1)
            versions.agree(writer, name, key, numbers[-1], record_type.columns, row)
    return numbers
