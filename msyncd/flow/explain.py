"""Why a record goes where it goes, why it is or is not here, and who may edit it. Nothing is written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msyncd.databases.interface import Reader
from msyncd.databases.values import KEY, ONLY_SITE, ORIGIN
from msyncd.errors import WrongUsage
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside, owed, sites, spool
from msyncd.flow.looking import Look
from msyncd.flow.reasons import Destination, Reasons, destinations_of
from msyncd.model import PRIMARY, Changes, Cursor, RecordType, Row, StoreFact, Value


@dataclass(frozen=True)
class Lineage:
    """A record and the headers above it, as far as they are known here.

    `row` None: not in this database. `passed` is then its row in the spool, None if that is not kept (any more).
    """

    record_type: RecordType
    key: Row
    row: Row | None
    parent: "Lineage | None" = None
    store: str | None = None
    route: Value = None
    passed: Row | None = None


@dataclass(frozen=True)
class Explanation:
    """All that can be said of a record, in words where words are needed.

    `here` says whether it stands in this database and `why_here` why or why not; `unsent_to` names the peers that do
    not have its last change yet. `refusal` is the guard's message, if this site may not edit it. `not_asked` are the
    plugins that route and could not be asked, since they go by a row that is not known here.
    """

    record_type: str
    key: Row
    here: bool
    why_here: str
    store: StoreFact | None
    header: tuple[str, Row] | None
    edited_on: str
    may_edit: bool
    refusal: str | None
    sent_to: str
    destinations: tuple[Destination, ...]
    not_asked: tuple[str, ...]
    unsent_to: tuple[int, ...]
    waiting: tuple[str, ...]
    quarantine: tuple[tuple[int, str], ...]
    stopped: tuple[str, ...]
    left_out: tuple[str, ...]


def explain(found: Look, name: str, key: Sequence[str]) -> Explanation:
    """Explain a record by its key as it is typed. Raises WrongUsage for an unknown type or a key of another width."""
    here = found.here
    one = _record_type(here, name)
    if len(key) != len(one.key):
        raise WrongUsage(f"the key of {name} is {', '.join(one.key)}", hint=f"give {len(one.key)} value(s)")
    with here.database.read() as reader:
        return _explained(reader, found, _lineage(reader, found, one, _typed(reader, here, one, key)))


def _record_type(here: Here, name: str) -> RecordType:
    found = here.types.types.get(name)
    if found is not None:
        return found
    if name in here.types.stopped:
        raise WrongUsage(f"record type {name} is stopped: {here.types.stopped[name]}", hint="see `msyncd check`")
    raise WrongUsage(f"there is no record type {name}", hint=f"there are {', '.join(sorted(here.types.types))}")


def _typed(reader: Reader, here: Here, one: RecordType, key: Sequence[str]) -> Row:
    """The key with the values that the database has: a number that was typed may be a number there."""
    numbers: Row = tuple(int(part) if part.lstrip("-").isdecimal() else part for part in key)
    table = here.types.table_of(one.name)
    whole = [(column := table.column(part)) is not None and "INT" in column.declared.upper() for part in one.key]
    declared: Row = tuple(n if is_whole else text for n, text, is_whole in zip(numbers, key, whole, strict=True))
    for candidate in (declared, tuple(key), numbers):
        if stands := reader.rows(one, [candidate]):
            return next(iter(stands))
    return declared


# --- what it is and where it belongs ----------------------------------------------------------------------------------


def _lineage(reader: Reader, found: Look, one: RecordType, key: Row) -> Lineage:
    """The record with its headers; store and routing value are those of the outermost, or as they were relayed."""
    here = found.here
    row = reader.rows(one, [key]).get(key)
    passed = spool.relayed(reader, one.name, [key]).get(key) if found.installed and row is None else None
    spooled = spool.spooled(reader, one, [key]).get(key) if passed else None
    store, route = (passed.store, passed.route) if passed else (None, None)
    if one.through is None:
        if row is None:
            return Lineage(one, key, None, None, store, route, spooled)
        of_row = row[one.index(one.store_column)] if one.store_column in one.columns and one.store_column else None
        route = row[one.index(one.also_sent_to.column)] if one.also_sent_to else None
        return Lineage(one, key, row, None, None if of_row is None else str(of_row), route)
    parent_key = row[one.index(one.through.column)] if row is not None else passed.parent if passed else None
    if parent_key is None:
        return Lineage(one, key, row, None, store, route, spooled)
    parent = _lineage(reader, found, here.types.types[one.through.parent], (parent_key,))
    if row is not None and one.also_sent_to:
        route = row[one.index(one.also_sent_to.column)]
    return Lineage(one, key, row, parent, parent.store, route if one.also_sent_to else parent.route, spooled)


def changes_of(line: Lineage) -> Changes:
    """The record as routing sees it: what only passes through here is routed by its row in the spool."""
    row = line.passed if line.row is None else line.row
    return Changes(line.record_type, [line.key], [row], stores=[line.store], routes=[line.route])


def _not_asked(here: Here, line: Lineage) -> tuple[str, ...]:
    """Plugins that route by the row of the record or of a header, where that is not known."""
    step: Lineage | None = line
    while step is not None and (step.row is not None or step.passed is not None):
        step = step.parent
    if step is None:
        return ()
    return tuple(one.name for one in here.plugins.report() if not one.builtin and "msyncd_route" in one.hooks)


def _explained(reader: Reader, found: Look, line: Lineage) -> Explanation:
    here, one = found.here, line.record_type
    known = line.row is not None or line.store is not None
    destinations = _destinations(here, line) if known else ()
    refusal = guard_words(here, line) if known else None
    fact = here.facts.stores.get(line.store) if line.store is not None else None
    if fact is None and line.store is not None:
        fact = StoreFact(line.store, line.store, None, 0)
    return Explanation(
        one.name,
        line.key,
        line.row is not None,
        _why_here(here, line, destinations),
        fact,
        (line.parent.record_type.name, line.parent.key) if line.parent else None,
        one.edited_on,
        known and refusal is None,
        refusal,
        one.sent_to,
        destinations,
        _not_asked(here, line) if known else (),
        tuple(_unsent(reader, here, line, destinations)) if found.installed else (),
        tuple(_waiting(reader, line)) if found.installed else (),
        tuple(_quarantined(reader, line)) if found.installed else (),
        tuple(_stopped(reader, here, one)) if found.installed else (),
        tuple(_left_out(reader, one)) if found.installed else (),
    )


def _destinations(here: Here, line: Lineage) -> tuple[Destination, ...]:
    """Every site that is to hold the record, each with its reason; a line goes wherever its header goes (P10)."""
    reasons = Reasons(here, changes_of(line), line.store, line.route, _also(line))
    own = destinations_of(reasons)
    if line.parent is None:
        return own
    mine = {one.site for one in own}
    above = [one for one in _destinations(here, line.parent) if one.site not in mine]
    return (*own, *above)


def _also(line: Lineage) -> tuple[str, str] | None:
    """Kind and column of the nearest also_sent_to: a line's is its header's."""
    step: Lineage | None = line
    while step is not None:
        if step.record_type.also_sent_to is not None:
            return step.record_type.also_sent_to.kind, step.record_type.also_sent_to.column
        step = step.parent
    return None


def _why_here(here: Here, line: Lineage, destinations: Sequence[Destination]) -> str:
    mine = next((one for one in destinations if one.site == here.site), None)
    if line.row is not None:
        return (
            mine.reason if mine else "it stands here, though nothing sends it here: it was here before, or is to leave"
        )
    if line.store is not None:
        return "it passed through here, to the sites that hold its store; the primary keeps no copy of that store"
    if here.is_primary:
        return "no such record is known on the primary"
    return "no such record is known here: it does not exist, or is not sent here; ask on the primary"


# --- who may edit -----------------------------------------------------------------------------------------------------


def guard_words(here: Here, line: Lineage) -> str | None:
    """What the guard says to an edit on this site, as its triggers do; None if it may be edited here."""
    one = line.record_type
    if one.edited_on == "any_site":
        return None
    if one.edited_on == "primary":
        return None if here.is_primary else f"{one.name} is edited on the primary (sync ID {PRIMARY}) only"
    fact = here.facts.stores.get(line.store) if line.store is not None else None
    if fact is None:
        return "this store is not known to msyncd here, so its records can be edited nowhere"
    if fact.hand_over is not None and fact.hand_over.takes_back:
        return f"store {fact.code} is being taken back from the primary after a restore"
    if fact.hand_over is not None:
        return f"store {fact.code} is being handed over to site {fact.hand_over.to_site}"
    if fact.active_site is None:
        return f"store {fact.code} is active on no site, so its records can be edited nowhere"
    if fact.active_site != here.site:
        return f"store {fact.code} is active on site {fact.active_site}, not here"
    return None


# --- on its way -------------------------------------------------------------------------------------------------------


def _unsent(reader: Reader, here: Here, line: Lineage, destinations: Sequence[Destination]) -> Iterator[int]:
    """The peers to which a change of this record is still to go."""
    type_id = here.types.ids.get(line.record_type.name)
    wanted = {one.site for one in destinations}
    for peer in here.settings.sync_with:
        known = sites.known(reader, peer.sync_id)
        to_primary = not here.is_primary
        if peer.sync_id in wanted and not to_primary and not known.joined:
            yield peer.sync_id  # a site that is not filled yet
        elif type_id is not None and (to_primary or peer.sync_id in wanted):
            origins = _origins_since(reader, type_id, line.key, known.confirmed)
            if any(to_primary or origin != peer.sync_id for origin in origins):
                yield peer.sync_id


def _origins_since(reader: Reader, type_id: int, key: Row, after: Cursor) -> set[int | None]:
    """Who wrote the record beyond a cursor; None for what is sent to one site only, whoever wrote it."""
    entries = reader.log_families(after, reader.log_end(), {type_id: [key[0]]}, {})
    return {
        None if entry[ONLY_SITE] is not None else entry[ORIGIN]
        for entry in entries
        if all(mine == theirs for mine, theirs in zip(key, entry[KEY:], strict=False))
    }


def _waiting(reader: Reader, line: Lineage) -> Iterator[str]:
    for one in aside.waiting(reader):
        if (one.record_type, one.key) == (line.record_type.name, line.key):
            yield f"a {one.operation} from site {one.site} waits since {one.since}: {one.reason}"


def _quarantined(reader: Reader, line: Lineage) -> Iterator[tuple[int, str]]:
    for one in aside.quarantined(reader):
        if (one.record_type, one.key) == (line.record_type.name, line.key):
            yield one.id, f"a {one.operation} from site {one.site}: {one.reason}"


def _stopped(reader: Reader, here: Here, one: RecordType) -> Iterator[str]:
    for peer in here.settings.sync_with:
        reason = (sites.known(reader, peer.sync_id).stopped or {}).get(one.name)
        if reason is not None:
            yield f"{one.name} does not travel to or from site {peer.sync_id}: {reason}"


def _left_out(reader: Reader, one: RecordType) -> Iterator[str]:
    for debt in owed.owed(reader):
        if debt.record_type == one.name:
            records = "record" if debt.left_out == 1 else "records"
            yield f"{debt.because} has kept {debt.left_out} {records} of this type from site {debt.site}"
