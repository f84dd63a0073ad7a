"""A restored primary takes in what a satellite gives (P35).

Of each record the satellite decides that had come furthest in the log of the primary as it was before, among those to
which the record goes. What was edited here since the restore, and is otherwise there, is a conflict: the satellite's
stands, as everybody else has it, and the primary's own is in its quarantine, whole. What a satellite lacks was deleted
since the backup: it goes here too, and can be put back from the quarantine.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from msyncd.databases.fence import ASKING
from msyncd.databases.interface import Reader, RowRejected, Writer
from msyncd.databases.values import KEY, ONLY_SITE, ORIGIN, TYPE
from msyncd.errors import DatabaseUnavailable, FactsChanged, MessageInvalid
from msyncd.flow import asking
from msyncd.flow.accepting import speaker
from msyncd.flow.advancing import Settlement
from msyncd.flow.asking import wanted_stores
from msyncd.flow.conflict import overrule
from msyncd.flow.conversation import Give, GiveReply
from msyncd.flow.facts import renewed
from msyncd.flow.here import Here
from msyncd.flow.inbound import take_in
from msyncd.flow.ledger import aside, asked, meta, receipts, sites, versions
from msyncd.flow.ledger.aside import Aside
from msyncd.flow.ledger.asked import Asked
from msyncd.flow.ledger.cleared import restored
from msyncd.flow.ledger.receipts import Receipt
from msyncd.flow.parking import NeedsMoreError
from msyncd.flow.portion import standing_changes
from msyncd.flow.receive import Batchwork, Work, received
from msyncd.flow.regained import MOST
from msyncd.flow.restoring import REPORT, TakenBack
from msyncd.flow.route import audiences
from msyncd.flow.stores import find_stores
from msyncd.model import START, AppliedBatch, Changes, Cursor, RecordType, Row

MOST_RECORDS = 20_000
"""Records in one message at most."""
SCAN = 20_000
"""Entries of the change log looked at in one step."""

Written = Mapping[str, set[Row]]
"""Keys by record type."""


class Takings:
    """Takes in what satellites give. What it keeps between messages is a cache: another worker does without."""

    def __init__(self) -> None:
        self._since: tuple[tuple[str, Cursor], Written] | None = None

    def take(self, here: Here, site: int, give: Give) -> GiveReply:
        """Take in a message. Raises FactsChanged, CloneRefused, MessageInvalid, TryLater."""

        def work(writer: Writer) -> tuple[list[AppliedBatch], Settlement]:
            return self._take(writer, renewed(writer, here), site, give)

        try:
            told, settled = here.database.with_care(work)
        except NeedsMoreError as error:
            return GiveReply(tuple(error.records))
        except RowRejected as error:
            raise DatabaseUnavailable(f"what was given could not be committed: {error}", hint="trying again") from error
        for batch in told:
            here.plugins.committed(batch)
        settled.tell()
        return GiveReply()

    def _take(self, writer: Writer, here: Here, site: int, give: Give) -> tuple[list[AppliedBatch], Settlement]:
        known = speaker(writer, here, site, give, give.facts_number)
        one = asked.of(writer, site)
        under_way = bool(asked.asking(writer))
        if one is None or one.asking != give.asking or one.state != ("asked" if under_way else "left_out"):
            raise FactsChanged(f"site {site} is not asked now", hint="say hello again")
        if sum(map(len, give.types)) > MOST_RECORDS:
            raise MessageInvalid(f"more than {MOST_RECORDS} records", hint="send them in several messages")
        told: list[AppliedBatch] = []
        if give.types and one.ahead and under_way:
            told = _Taking(writer, here, one, self._written_since(writer, here, one.asking)).take(
                give, known.stopped or {}
            )
        if not give.done:
            return told, Settlement(here)
        _note_place(writer, site, give)
        return told, asking.has_given(writer, here, one)

    def _written_since(self, reader: Reader, here: Here, which: str) -> Written:
        """What the application here has written since the satellites had this very log, before the fence closed."""
        reach = max((one.reach for one in asked.everyone(reader) if one.ahead), default=START)
        if self._since is None or self._since[0] != (which, reach):
            self._since = (which, reach), _written_since(reader, here, reach)
        return self._since[1]


def _note_place(writer: Writer, site: int, give: Give) -> None:
    """The primary goes on in the satellite's log where the one before had come to, and in its numbers."""
    if not 0 <= give.heard < MOST:
        raise MessageInvalid("a number of refusals lies beyond all that can be")
    receipt = receipts.receipt_of(writer, site, give.database_id, give.generation)
    if give.pushed is not None:
        receipt = Receipt(site, give.database_id, give.generation, give.pushed, give.pushed_mark)
    receipts.put_receipt(writer, receipt or Receipt(site, give.database_id, give.generation))
    writer.execute("DELETE FROM msyncd_staged WHERE site = ?", (site,))
    if give.heard > int(meta.get(writer, "refusal_number") or 0):
        meta.put(writer, "refusal_number", str(give.heard))
    sites.note(writer, site, heard=give.heard)


@dataclass(slots=True)
class _Decided:
    """Of one record type: keys that are taken, that go, and that are otherwise here since the restore."""

    writes: list[Row]
    gone: list[Row]
    conflicts: list[Row]


class _Taking:
    """One message of a satellite that knows what the primary does not."""

    def __init__(self, writer: Writer, here: Here, one: Asked, since: Written) -> None:
        self._writer, self._here, self._one, self._since = writer, here, one, since
        self._stores = frozenset(wanted_stores(writer, here))
        mine = [each for each in aside.quarantined(writer) if each.plugin == aside.RESTORED]
        self._gone = [each for each in mine if each.detail == aside.OFFERED]
        # of this asking: what another satellite's version has already taken the place of
        begun = asked.upto(writer)
        own = [each for each in mine if each.detail != aside.OFFERED and each.noted_at > begun]
        self._kept = {(each.record_type, each.key): each for each in own}
        self._further = frozenset(
            each.site
            for each in asked.everyone(writer)
            if each.ahead and each.state == "given" and each.place > one.place
        )

    def take(self, give: Give, stopped: Mapping[str, str]) -> list[AppliedBatch]:
        """Apply what is to be taken; what it replaces or takes away is kept. Raises NeedsMoreError."""
        writer, here = self._writer, self._here
        work: Batchwork = received(here.types, give.types, here.site, stopped)
        find_stores(writer, here, work)
        given = {name: dict(one.numbers) for name, one in work.items()}
        if any(not 0 <= number < MOST for numbers in given.values() for number in numbers.values()):
            raise MessageInvalid("a version lies beyond all that can be")
        decided = {name: self._decide(one) for name, one in work.items()}
        asides = [each for name in work for each in self._asides(here.types.types[name], decided[name])]
        for name, one in work.items():
            _choose(one, decided[name])
            if one.record_type.edited_on == "any_site":
                overrule(writer, here, one)
        work = {name: one for name, one in work.items() if len(one)}
        if not work:
            return []
        touched = {(name, key) for name, one in work.items() for key in one.all_keys()}
        with _beyond_the_fence(writer):
            outcome, told = take_in(writer, here, work, here.site, "")
        refused = set(outcome.kept)
        asking.offer(writer, outcome)
        for name, one in work.items():
            _keep_versions(writer, one, given[name])
        again = [one for record, one in self._kept.items() if record in touched]  # take_in releases what it applies
        news = [each for each in asides if (each.record_type, each.key) not in refused]
        back = {(name, key) for name, one in work.items() for key in one.writes.keys} - refused
        aside.release_ids(writer, [one.id for one in self._gone if (one.record_type, one.key) in back])
        aside.quarantine(writer, [*again, *news], upto=writer.log_written())
        self._report(work, decided, refused)
        return told

    def _decide(self, one: Work) -> _Decided:
        record_type, since = one.record_type, self._since.get(one.record_type.name, set())
        writer = self._writer
        stand = restored(writer, record_type, writer.rows(record_type, one.writes.keys))
        # the version from which this database went on: it is not older than that
        known = {key: agreed.row for key, agreed in versions.agreed_of(writer, record_type.name, one.numbers).items()}
        places = [
            at
            for at, (key, row) in enumerate(zip(one.writes.keys, one.writes.rows, strict=True))
            if row not in (stand.get(key), known.get(key))
            and self._wants(record_type, one.stands.get(key, (one.writes.stores[at], None))[0])
        ]
        writes = self._for_it(one.writes.select(places))
        gone: list[Row] = []
        if not self._one.filling:
            whole = self._here.types.types[record_type.name]
            rows = writer.rows(whole, [key for key in one.deletes.keys if key not in since])
            gone = [*self._for_it(standing_changes(writer, self._here, whole, list(rows.values()))).keys]
        conflicts = [key for key in writes.keys if key in since and (record_type.name, key) not in self._kept]
        return _Decided(list(writes.keys), gone, conflicts)

    def _for_it(self, changes: Changes) -> Changes:
        """Those that go to the satellite, and to none that is further and has answered."""
        if not len(changes):
            return changes
        sets, _ = audiences(self._writer, self._here, changes)
        return changes.select(
            at
            for at, (its_sites, store) in enumerate(zip(sets, changes.stores, strict=True))
            if self._one.site in its_sites and not its_sites & self._further and self._wants(changes.record_type, store)
        )

    def _wants(self, record_type: RecordType, store: str | None) -> bool:
        return record_type.edited_on != "active_site" or store in self._stores

    def _asides(self, record_type: RecordType, decided: _Decided) -> list[Aside]:
        writer, here, site = self._writer, self._here, self._one.site
        keys = [*decided.conflicts, *decided.gone]
        rows = writer.rows(record_type, keys) if keys else {}
        stores = writer.stores_of(record_type, keys) if keys else {}

        def kept(key: Row, origin: int, reason: str, detail: str) -> Aside:
            operation = "write" if key in rows else "delete"
            return Aside(
                record_type.name,
                key,
                origin,
                operation,  # type: ignore[arg-type]  # an Operation
                stores.get(key, (None, None))[0],
                record_type.columns,
                rows.get(key),
                reason,
                aside.RESTORED,
                here.now(),
                detail=detail,
            )

        since = "written here after a backup was restored; the version that the satellites have stands"
        away = f"deleted since the backup, as site {site} has it; retry puts it back, discard leaves it so"
        return [
            *(kept(key, here.site, since, "") for key in decided.conflicts),
            *(kept(key, site, away, aside.OFFERED) for key in decided.gone),
        ]

    def _report(self, work: Batchwork, decided: Mapping[str, _Decided], refused: set[aside.Record]) -> None:
        """What has come back so far, for `status`: {at, record_types}."""
        writer = self._writer
        report = json.loads(meta.get(writer, REPORT) or "null") or {"record_types": {}}
        for name in work:
            found, one = decided[name], TakenBack(**report["record_types"].get(name, {}))
            one.taken_back += sum((name, key) not in refused for key in found.writes)
            one.gone += sum((name, key) not in refused for key in found.gone)
            one.in_quarantine += sum((name, key) not in refused for key in found.conflicts)
            report["record_types"][name] = {field: getattr(one, field) for field in one.__slots__}
        meta.put(writer, REPORT, json.dumps({**report, "at": self._here.now()}))


@contextmanager
def _beyond_the_fence(writer: Writer) -> Iterator[None]:
    """What hooks and the application's own triggers write while records come back is let through, and nothing else."""
    under_way = asked.asking(writer)
    meta.put(writer, ASKING, "")
    yield
    meta.put(writer, ASKING, under_way)


def _choose(one: Work, decided: _Decided) -> None:
    writes, gone = set(decided.writes), set(decided.gone)
    one.writes = one.writes.select(at for at, key in enumerate(one.writes.keys) if key in writes)
    one.deletes = one.deletes.select(at for at, key in enumerate(one.deletes.keys) if key in gone)


def _keep_versions(writer: Writer, one: Work, given: Mapping[Row, int]) -> None:
    """The satellites know a record by the number of its version: it keeps it, where it has not grown beyond."""
    for key in one.writes.keys:
        now = versions.agreed(writer, one.record_type.name, key)
        if now is not None and given.get(key, 0) > now.version:
            versions.agree(writer, one.record_type.name, key, replace(now, version=given[key]))


def _written_since(reader: Reader, here: Here, after: Cursor) -> dict[str, set[Row]]:
    """By type, the records that the application here has written beyond a place, before the fence closed."""
    end, names = asked.upto(reader), {number: name for name, number in here.types.ids.items()}
    found: dict[str, set[Row]] = {}
    while after < end:
        page = reader.log_page(after, SCAN)
        for entry in page.entries:
            name = names.get(entry[TYPE], "")
            if entry[ORIGIN] == here.site and entry[ONLY_SITE] is None and name in here.types.types:
                width = len(here.types.types[name].key)
                found.setdefault(name, set()).add(tuple(entry[KEY : KEY + width]))
        if page.upto >= page.end or page.upto == after:
            break
        after = page.upto
    return found
