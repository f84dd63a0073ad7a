"""Conflicts (P19): a record that was written at both ends. Versions tell, never a clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msyncd.databases.interface import Writer
from msyncd.flow.here import Here
from msyncd.flow.ledger import versions
from msyncd.flow.ledger.cleared import restored
from msyncd.flow.ledger.versions import Agreed
from msyncd.flow.outcome import Outcome, aside_of, take_out
from msyncd.flow.receive import Batchwork, Work
from msyncd.model import Changes, Conflict, Cursor, RecordType, Row


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
                versions.agree(writer, one.record_type.name, key, _pulled(one, key, row))


def agree_pulled(writer: Writer, work: Batchwork) -> None:
    """On a satellite: the versions that a pull brought are those last agreed."""
    for name, one in work.items():
        if one.record_type.edited_on == "any_site":
            for key, row in zip(one.writes.keys, one.writes.rows, strict=True):
                versions.agree(writer, name, key, _pulled(one, key, row))


def _pulled(one: Work, key: Row, row: Row | None) -> Agreed:
    return Agreed(one.numbers.get(key, 0), one.record_type.columns, row)


# --- on the primary ---------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Versions:
    """What was last agreed about records, the rows that stand now, and the versions that these are."""

    agreed: dict[Row, Agreed]
    stand: dict[Row, Row]
    current: dict[Row, Agreed] = field(default_factory=dict)


def resolve(writer: Writer, here: Here, work: Batchwork, outcome: Outcome) -> None:
    """On the primary: a push of an any_site record must name the version on which it is based, else it conflicts.

    If the site itself made the version that stands, it builds on it, though it may not have heard its number yet.
    """
    for one in work.values():
        if one.record_type.edited_on == "any_site" and (len(one.writes) or len(one.deletes)):
            known = _versions(writer, here, one.record_type, [*one.writes.keys, *one.deletes.keys])
            _decide(here, one, _conflicts(one, known, outcome), outcome)
            _keep_deletes(here, one, known, outcome)
            take_out(work, outcome.kept)
            _number(writer, one, known)


def overrule(writer: Writer, here: Here, one: Work) -> None:
    """Let these changes count as based on what stands here: who brings them knows better."""
    known = _versions(writer, here, one.record_type, [*one.writes.keys, *one.deletes.keys])
    one.numbers |= {key: current.version for key, current in known.current.items()}


def _versions(writer: Writer, here: Here, record_type: RecordType, keys: Sequence[Row]) -> _Versions:
    """The versions of these records: each one more than was noted if the application here has written it since."""
    name, columns = record_type.name, record_type.columns
    known = _Versions(
        versions.agreed_of(writer, name, keys), restored(writer, record_type, writer.rows(record_type, keys))
    )
    for key, row in known.stand.items():
        agreed = known.agreed.get(key)
        if agreed is not None and agreed.row == row and agreed.columns == columns:
            known.current[key] = agreed
        else:
            number = (agreed.version if agreed is not None else 0) + 1
            known.current[key] = Agreed(number, columns, row, site=here.site)
            versions.agree(writer, name, key, known.current[key])
    return known


def _is_based(one: Work, key: Row, known: _Versions, origin: int) -> bool:
    """Whether a change builds on what stands here now."""
    current = known.current.get(key)
    return current is None or one.numbers.get(key, 0) == current.version or current.site == origin


def _conflicts(one: Work, known: _Versions, outcome: Outcome) -> dict[int, Conflict]:
    found: dict[int, Conflict] = {}
    for at, (key, row) in enumerate(zip(one.writes.keys, one.writes.rows, strict=True)):
        stands = known.stand.get(key)
        if row is not None and stands is not None and stands != row and not _is_based(one, key, known, outcome.origin):
            agreed = known.agreed.get(key)
            found[at] = Conflict(key, agreed.row if agreed else None, stands, row)
    return found


def _decide(here: Here, one: Work, conflicts: Mapping[int, Conflict], outcome: Outcome) -> None:
    if not conflicts:
        return
    places = list(conflicts)
    resolved = here.plugins.resolve(one.record_type, [conflicts[at] for at in places])
    rows: list[Row | None] = list(one.writes.rows)
    origins = list(one.writes.origins)
    for at, answer, plugin in zip(places, resolved.answers, resolved.plugins, strict=True):
        if answer == "incoming":
            continue
        if answer is None or answer == "here":
            reason = "edited on two sites at once; the version on the primary stands"
            kept = aside_of(here, one, one.writes.keys[at], outcome.origin, reason, plugin or "conflict")
            outcome.keep("refused", kept, may_edit=False)
        else:
            rows[at], origins[at] = tuple(answer), here.site  # a row made of both is nobody's but this site's
    again = one.writes.select(range(len(one.writes)))
    one.writes = Changes(
        again.record_type,
        again.keys,
        rows,
        operations=again.operations,
        stores=again.stores,
        stores_before=again.stores_before,
        origins=origins,
        routes=again.routes,
    )


def _keep_deletes(here: Here, one: Work, known: _Versions, outcome: Outcome) -> None:
    """A record that was edited here since its delete was decided stays: nothing that was written is lost unseen."""
    for key in one.deletes.keys:
        if key in one.numbers and not _is_based(one, key, known, outcome.origin):
            reason = (
                f"deleted on site {outcome.origin} while it was edited elsewhere; the version on the primary stands"
            )
            kept = aside_of(here, one, key, outcome.origin, reason, "conflict")
            outcome.keep("refused", kept, may_edit=False)


def _number(writer: Writer, one: Work, known: _Versions) -> None:
    """Each row that is applied is a new version, made by who sent it."""
    name, columns = one.record_type.name, one.record_type.columns
    for key, row, origin in zip(one.writes.keys, one.writes.rows, one.writes.origins, strict=True):
        before = known.current.get(key) or known.agreed.get(key)
        number = (before.version if before is not None else 0) + 1
        versions.agree(writer, name, key, Agreed(number, columns, row, site=origin))


def number_outgoing(writer: Writer, here: Here, name: str, keys: Sequence[Row], rows: Sequence[Row]) -> list[int]:
    """On the primary, before rows leave: their versions, numbered now where the application wrote.

    A row that was written again since it was read has the number 0: who edits it edits what is out of date.
    """
    known = _versions(writer, here, here.types.types[name], keys)
    return [
        current.version if (current := known.current.get(key)) is not None and current.row == row else 0
        for key, row in zip(keys, rows, strict=True)
    ]
