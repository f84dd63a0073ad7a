"""The primary's side of a cycle: what it answers when a satellite calls."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Lock

import msgspec

from msyncd import __version__
from msyncd.databases.interface import Reader, RowRejected, Writer
from msyncd.errors import CloneRefused, DatabaseUnavailable, FactsChanged, PeerRefused, RestoredBackup
from msyncd.flow.apply import NeedsMoreError
from msyncd.flow.conflict import number_outgoing
from msyncd.flow.conversation import (
    PROTOCOL_VERSION,
    Batch,
    Hello,
    Pull,
    PullReply,
    Push,
    PushReply,
    Standing,
    TypeChanges,
    Waiting,
    WaitReply,
    Welcome,
)
from msyncd.flow.facts import read_facts
from msyncd.flow.fill import read_piece, scope_of
from msyncd.flow.here import Here
from msyncd.flow.inbound import take_in
from msyncd.flow.ledger import aside, fills, held, marks, meta, owed, receipts, refusals, sites, staged
from msyncd.flow.ledger.aside import Aside
from msyncd.flow.ledger.fills import Fill
from msyncd.flow.ledger.receipts import Receipt
from msyncd.flow.ledger.sites import Known
from msyncd.flow.link import disagreements, spoken_facts, spoken_site, spoken_types, stopped_between
from msyncd.flow.log import log_rows
from msyncd.flow.outbound import LeftOut, Outgoing, read_outgoing
from msyncd.flow.outcome import Outcome
from msyncd.flow.receive import received
from msyncd.flow.route import interest_of
from msyncd.flow.settle import quarantine_failed, quarantine_waiting
from msyncd.flow.window import Ahead
from msyncd.model import AppliedBatch, Cursor, Refusal, Row, Site

MOST_RECORDS = 20_000
"""Records in one reply at most, whatever was asked for."""
SCAN = 20_000
"""Entries of the change log looked at in one step."""


class Primary:
    """Answers hello, push, pull and wait (see conversation.Answers). It keeps only caches: the truth is in the ledger.

    `here` is swapped whole when configuration or facts change. `wake` is called when the change log has grown.
    """

    def __init__(self, here: Here, wake: Callable[[], None] = lambda: None) -> None:
        self.here = here
        self._wake = wake
        self._lock = Lock()
        self._filled_last: dict[int, bool] = {}
        self._ahead: dict[int, tuple[Cursor, Ahead]] = {}

    # --- hello ------------------------------------------------------------------------------------------------------

    def hello(self, hello: Hello) -> Welcome:
        """Register a satellite, or recognise it; tell it where both stand. Raises CloneRefused, PeerRefused."""
        here = self._fresh()
        site = here.facts.sites.get(hello.sync_id)
        if hello.protocol != PROTOCOL_VERSION:
            raise PeerRefused(
                f"site {hello.sync_id} speaks protocol {hello.protocol}, the primary {PROTOCOL_VERSION}",
                hint="upgrade the older of the two",
            )
        if site is None or hello.sync_id == here.site:
            raise PeerRefused(
                f"sync ID {hello.sync_id} is not in the primary's sync_with",
                hint="add it there, or correct sync_id here",
            )
        stopped = stopped_between(here.types, hello.record_types, peer=hello.sync_id)
        if hello.probe:
            with here.database.read() as reader:
                known = sites.known(reader, hello.sync_id)
                self._recognise(known, hello)
                return self._welcome(reader, here, hello, site, known, stopped)
        with here.database.write() as writer:
            known = sites.known(writer, hello.sync_id)
            self._recognise(known, hello)
            self._register(writer, here, hello, stopped)
            refusals.forget(writer, hello.sync_id, hello.heard)
            known = sites.known(writer, hello.sync_id)
            return self._welcome(writer, here, hello, site, known, stopped)

    def _recognise(self, known: Known, hello: Hello) -> None:
        """A known sync ID with another database or installation is a clone (P8, P35)."""
        for mine, theirs, what in (
            (known.database_id, hello.database_id, "database"),
            (known.installation_id, hello.installation_id, "installation"),
        ):
            if mine is not None and mine != theirs:
                raise CloneRefused(
                    f"another {what} already syncs as site {hello.sync_id}",
                    hint=f"if this one is to take over, run `msyncd sites replace {hello.sync_id}` on the primary",
                )
        if known.database_id is not None and known.generation > hello.generation:
            raise RestoredBackup(
                f"site {hello.sync_id} shows generation {hello.generation}, older than {known.generation}",
                hint="an older copy of its database runs there",
            )

    def _register(self, writer: Writer, here: Here, hello: Hello, stopped: Mapping[str, str]) -> None:
        before = sites.known(writer, hello.sync_id)
        sites.note(
            writer,
            hello.sync_id,
            database_id=hello.database_id,
            installation_id=hello.installation_id,
            generation=hello.generation,
            public_key=hello.public_key,
            version=hello.version,
            heard=hello.heard,
            last_contact=here.now(),
            record_types=msgspec.json.encode(stopped).decode(),
        )
        if receipts.receipt_of(writer, hello.sync_id, hello.database_id, hello.generation) is None:
            receipts.put_receipt(writer, Receipt(hello.sync_id, hello.database_id, hello.generation))
        if before.database_id is None:
            sites.note_confirmed(writer, hello.sync_id, writer.log_end())
            fills.begin(writer, hello.sync_id, because="joined", now=here.now(), initial=True)
        for name in set(before.stopped or {}) - set(stopped):
            # what did not travel while the type was stopped is filled in now (P7)
            fills.begin(
                writer,
                hello.sync_id,
                because=f"{name} syncs again",
                now=here.now(),
                record_type=here.types.root(name) if name in here.types.types else None,
            )

    def _welcome(
        self, reader: Reader, here: Here, hello: Hello, site: Site, known: Known, stopped: Mapping[str, str]
    ) -> Welcome:
        receipt = receipts.receipt_of(reader, hello.sync_id, hello.database_id, hello.generation)
        stores, all_sites = spoken_facts(here.facts)
        problems = disagreements(here, hello)
        return Welcome(
            protocol=PROTOCOL_VERSION,
            version=__version__,
            token="",
            token_seconds=0.0,
            site=spoken_site(site),
            primary_name=here.settings.this_site.name,
            database_id=meta.get(reader, "database_id") or "",
            generation=meta.generation(reader),
            record_types=spoken_types(here.types, self._holds_rows(reader, here, site) if not known.joined else None),
            facts_number=here.facts.number,
            stores=stores,
            sites=all_sites,
            pushed=receipt.cursor if receipt else Cursor(0, 0),
            pushed_mark=receipt.mark if receipt else "",
            joined=known.joined,
            problems=(*problems, *(f"{name}: {reason}" for name, reason in stopped.items())),
            refusals=refusals.unheard(reader, hello.sync_id, hello.heard),
            now=here.now(),
        )

    def _holds_rows(self, reader: Reader, here: Here, site: Site) -> dict[str, bool]:
        """Which types hold rows here that could go to the site: asked when joining."""
        scope = scope_of(here, site, None)
        return {name: bool(reader.page(one, None, 1, scope)) for name, one in here.types.types.items()}

    # --- push -------------------------------------------------------------------------------------------------------

    def push(self, site: int, push: Push) -> PushReply:
        """Apply a batch of a satellite's changes, exactly once. Raises FactsChanged, MessageInvalid, TryLater."""
        here = self._fresh()
        try:
            return self._push(here, site, push)
        except NeedsMoreError as error:
            batch = push.batch
            return PushReply(False, batch.after, "", needs=tuple(error.records))
        except RowRejected as error:
            # a deferred reference failed at the commit: name the database's words, nothing was applied
            raise DatabaseUnavailable(f"the batch could not be committed: {error}", hint="trying again") from error

    def _push(self, here: Here, site: int, push: Push) -> PushReply:
        started = here.clock()
        reply, told, refused = here.database.with_care(lambda writer: self._receive(writer, here, site, push))
        self._tell(here, told, refused)
        return msgspec.structs.replace(reply, seconds=(here.clock() - started).total_seconds())

    def _receive(
        self, writer: Writer, here: Here, site: int, push: Push
    ) -> tuple[PushReply, list[AppliedBatch], list[Refusal]]:
        """In one transaction: the receipt is compared, the batch taken in, the receipt moved (P14)."""
        batch = push.batch
        known = self._speaker(writer, here, site, push.database_id, push.generation, batch.facts_number)
        receipt = receipts.receipt_of(writer, site, push.database_id, push.generation)
        assert receipt is not None, "a hello came first"
        if push.heard > known.heard:
            refusals.forget(writer, site, push.heard)
            sites.note(writer, site, heard=push.heard)
        if batch.after != receipt.cursor:
            return PushReply(False, receipt.cursor, receipt.mark, refusals.unheard(writer, site, push.heard)), [], []
        whole = staged.collect(writer, site, batch)
        if whole is None:
            return PushReply(False, receipt.cursor, receipt.mark), [], []
        self._check_epochs(here, site, whole)
        work = received(here.types, whole.types, site, known.stopped or {})
        outcome, told = take_in(writer, here, work, site, batch.mark)
        if not batch.more:
            quarantine_waiting(writer, site, outcome)
        receipts.put_receipt(writer, Receipt(site, push.database_id, push.generation, batch.upto, batch.mark))
        refused = self._refuse(writer, here, site, outcome)
        sites.note(writer, site, last_success=here.now())
        reply = PushReply(
            True,
            batch.upto,
            batch.mark,
            refusals.unheard(writer, site, push.heard),
            waiting=aside.count_waiting(writer, site),
            facts_number=here.facts.number,
        )
        return reply, told, refused

    def _speaker(
        self, reader: Reader, here: Here, site: int, database_id: str, generation: int, facts_number: int
    ) -> Known:
        """The site as it is registered, checked under the lock of this very transaction (P31, P32)."""
        known = sites.known(reader, site)
        if known.database_id != database_id or known.generation != generation:
            raise CloneRefused(f"another database syncs as site {site} now", hint="say hello again")
        number = int(meta.get(reader, "facts_number") or 0)
        if number != here.facts.number or facts_number != number:
            raise FactsChanged("the stores or sites have changed", hint="say hello again")
        if site not in here.facts.sites:
            raise PeerRefused(f"site {site} is no longer in the primary's sync_with", hint="add it there again")
        return known

    def _check_epochs(self, here: Here, site: int, batch: Batch) -> None:
        for store, epoch in batch.epochs.items():
            if here.facts.epoch(store) != epoch:
                raise FactsChanged(f"store {here.facts.code(store)} is at another epoch", hint="say hello again")

    def _refuse(self, writer: Writer, here: Here, site: int, outcome: Outcome) -> list[Refusal]:
        """Note the refusals for the site; put back there what it may not edit (P20)."""
        refused = outcome.refusals()
        refusals.add(writer, site, refused)
        for name in here.types.order:
            self._put_back(
                writer, here, site, name, [r.key for r in refused if r.record_type == name and not r.may_edit]
            )
        return refused

    def _put_back(self, writer: Writer, here: Here, site: int, name: str, keys: list[Row]) -> None:
        record_type = here.types.types[name]
        stand = writer.rows(record_type, keys) if keys else {}
        log_rows(writer, here, record_type, [key for key in keys if key in stand], only_site=site)

    def _tell(self, here: Here, told: list[AppliedBatch], refused: list[Refusal]) -> None:
        for batch in told:
            here.plugins.committed(batch)
        if refused:
            here.plugins.refused(refused)
        self._wake()

    # --- pull -------------------------------------------------------------------------------------------------------

    def pull(self, site: int, pull: Pull) -> PullReply:
        """The next batch or piece for a satellite. Raises FactsChanged, RestoredBackup, TryLater."""
        here = self._fresh()
        peer = here.peer(site)
        with here.database.read() as reader:
            known = self._speaker(reader, here, site, pull.database_id, pull.generation, pull.facts_number)
            if pull.mark and not marks.knows(reader, marks.SHARED, pull.mark):
                raise RestoredBackup(
                    f"site {site} has seen changes of the primary that the primary's database does not know",
                    hint="an older copy of the primary's database runs: see docs/restore.md before anything is edited",
                )
            pending = fills.fills(reader, site)
            unheard = refusals.unheard(reader, site, pull.heard)
            wanted = tuple(
                (one.store, one.number)
                for one in fills.wanted(reader)
                if here.facts.active_site(one.store) == site and (one.store, one.number) not in pull.given
            )
            behind = (
                bool(known.joined)
                and not pending
                and pull.cursor < reader.log_start()
                and pull.cursor < known.confirmed
            )
        finished = [one for one in pending if pull.fill is not None and pull.fill[:2] == (one.id, "")]
        pending = [one for one in pending if one not in finished]
        self._heard(here, site, known, pull, finished, behind)
        if behind:
            with here.database.read() as reader:
                pending = fills.fills(reader, site)
        if pull.digests:
            reply = self._digests(here, peer, pull, known)
        elif pending and (pending[0].initial or not self._filled_last.get(site)):
            self._filled_last[site] = True
            reply = self._piece(here, peer, pull, known, pending[0])
        else:
            self._filled_last[site] = False
            reply = self._batch(here, peer, pull, known)
            if pending:
                reply = msgspec.structs.replace(reply, level=False)
        return msgspec.structs.replace(reply, refusals=unheard, facts_number=here.facts.number, wanted=wanted)

    def _heard(self, here: Here, site: int, known: Known, pull: Pull, finished: list[Fill], behind: bool) -> None:
        """Note what the pull confirms; an idle one confirms nothing new and writes nothing."""
        news = (
            pull.cursor > known.confirmed
            or pull.mark != known.mark
            or pull.heard > known.heard
            or finished
            or pull.standing
            or pull.given
            or behind
            or not known.joined
        )
        if not news or pull.digests:
            return
        with here.database.write() as writer:
            if pull.heard > known.heard:
                refusals.forget(writer, site, pull.heard)
            for one in finished:
                fills.finish(writer, one.id)
            for store, number in pull.given:
                fills.given(writer, store, number)
            for one_standing in pull.standing:
                aside.quarantine(writer, [_offered(here, site, one_standing)])
            if behind:
                fills.begin(writer, site, because="was away longer than the log is kept", now=here.now(), initial=True)
            sites.note_confirmed(
                writer,
                site,
                max(pull.cursor, known.confirmed),
                held_mark=pull.mark,
                heard=max(pull.heard, known.heard),
                joined=1,
                last_contact=here.now(),
                last_success=here.now(),
            )
        if not known.joined:
            here.plugins.site_joined(here.peer(site))

    def _batch(self, here: Here, peer: Site, pull: Pull, known: Known) -> PullReply:
        limit = max(1, min(pull.records, MOST_RECORDS))
        stopped = known.stopped or {}
        with here.database.read() as reader:
            ahead = self._ahead_of(peer.sync_id, pull)
            out = read_outgoing(
                reader, here, peer, pull.cursor, limit, stopped=stopped, include=pull.include, ahead=ahead
            )
            self._ahead[peer.sync_id] = (out.upto, ahead)
            mark, reaches = marks.newest(reader, marks.SHARED)
            left = reader.log_count(out.upto, interest_of(here, peer)) if out.more else 0
        if reaches < out.upto or out.left_out or out.failed or out.holds or _has_versions(here, out.types):
            out, mark = self._note(here, peer, pull.cursor, out, mark, reaches)
        epochs = {fact.store: fact.epoch for fact in here.facts.stores.values() if fact.active_site == peer.sync_id}
        batch = Batch(pull.cursor, out.upto, mark, out.types, here.facts.number, epochs, more=out.more)
        return PullReply(batch=batch, cursor=out.upto, level=not out.more, to_receive=left)

    def _ahead_of(self, site: int, pull: Pull) -> Ahead:
        """What went ahead of its turn, if this pull goes on just where the last reply ended; a cache, no more."""
        upto, ahead = self._ahead.pop(site, (None, None))
        return ahead if ahead is not None and upto == pull.cursor and not pull.include else Ahead()

    def _note(
        self, here: Here, peer: Site, after: Cursor, out: Outgoing, mark: str, reaches: Cursor
    ) -> tuple[Outgoing, str]:
        """Read, note, send: what was read is durable, and marked, before it leaves (P8)."""
        with here.database.write() as writer:
            if reaches < out.upto:
                mark = marks.note(writer, marks.SHARED, after, out.upto, here.now())
            note_left_out(writer, here, peer.sync_id, after, out.left_out)
            quarantine_failed(writer, here, out.failed)
            for name, keys in out.holds.items():
                held.hold(writer, peer.sync_id, name, keys)
            types = tuple(_numbered(writer, here, one) for one in out.types)
        return replace(out, types=types), mark

    def _piece(self, here: Here, peer: Site, pull: Pull, known: Known, fill: Fill) -> PullReply:
        at = (pull.fill[1], pull.fill[2]) if pull.fill is not None and pull.fill[0] == fill.id else ("", None)
        limit = max(1, min(pull.records, MOST_RECORDS))
        with here.database.read() as reader:
            place = (at[0], tuple(at[1]) if at[1] is not None else None)
            poured = read_piece(reader, here, peer, fill, place, limit, stopped=known.stopped or {})
            mark, reaches = marks.newest(reader, marks.SHARED)
            end = reader.log_end()
        piece = poured.piece
        if reaches < end or poured.left_out or poured.failed:
            with here.database.write() as writer:
                if reaches < end:
                    mark = marks.note(writer, marks.SHARED, pull.cursor, end, here.now())
                note_left_out(writer, here, peer.sync_id, fill.boundary, poured.left_out)
                quarantine_failed(writer, here, poured.failed)
        cursor = fill.boundary if fill.initial and piece.last else pull.cursor
        batch = Batch(pull.cursor, cursor, mark, facts_number=here.facts.number)
        return PullReply(batch=batch, piece=piece, cursor=cursor, level=False)

    def _digests(self, here: Here, peer: Site, pull: Pull, known: Known) -> PullReply:
        """A piece of digests for a site that joins with data of its own (P28); nothing is noted."""
        fill = Fill(0, peer.sync_id, None, None, Cursor(0, 0), False, "joining")
        at = (pull.fill[1], pull.fill[2]) if pull.fill is not None else ("", None)
        place = (at[0], tuple(at[1]) if at[1] is not None else None)
        with here.database.read() as reader:
            poured = read_piece(
                reader, here, peer, fill, place, pull.records, stopped=known.stopped or {}, digests=True
            )
        return PullReply(piece=poured.piece, cursor=pull.cursor, level=False)

    # --- wait -------------------------------------------------------------------------------------------------------

    def wait(self, site: int, waiting: Waiting) -> WaitReply:
        """Whether there is something for the site now; the server asks again until there is, or time is over."""
        return WaitReply(self.news(site, waiting))

    def news(self, site: int, waiting: Waiting) -> bool:
        """Whether there is anything for the site beyond its cursor. A look at the log, at no table."""
        here = self.here
        with here.database.read() as reader:
            if int(meta.get(reader, "facts_number") or 0) != waiting.facts_number:
                return True
            if reader.log_end() <= waiting.cursor:
                return False
            page = reader.log_page(waiting.cursor, SCAN, interest_of(here, here.peer(site)))
            return any(entry[2] != site or entry[7] is not None for entry in page.entries) or page.upto < page.end

    def _fresh(self) -> Here:
        """This site as it is now: the facts are read anew if another worker, or a reload, has changed them."""
        here = self.here
        with here.database.read() as reader:
            if int(meta.get(reader, "facts_number") or 0) == here.facts.number:
                return here
            facts = read_facts(reader)
        with self._lock:
            self.here = replace(self.here, facts=facts)
            return self.here


def note_left_out(writer: Writer, here: Here, site: int, after: Cursor, left_out: tuple[LeftOut, ...]) -> None:
    """What is left out is owed (P7)."""
    for one in left_out:
        owed.owe(writer, site, one.record_type, after, one.because, one.count, here.plugins.fingerprint("filter"))


def _has_versions(here: Here, types: tuple[TypeChanges, ...]) -> bool:
    return any(here.types.types[one.type].edited_on == "any_site" and one.rows for one in types)


def _numbered(writer: Writer, here: Here, spoken: TypeChanges) -> TypeChanges:
    record_type = here.types.types[spoken.type]
    if record_type.edited_on != "any_site" or not spoken.rows:
        return spoken
    keys = [record_type.key_of(row) for row in spoken.rows]
    return msgspec.structs.replace(spoken, versions=number_outgoing(writer, here, spoken.type, keys, spoken.rows))


def _offered(here: Here, site: int, standing: Standing) -> Aside:
    """A record that was deleted here and that a satellite still needs: kept, so that it can be put back (P22)."""
    return Aside(
        standing.type,
        tuple(standing.key),
        site,
        "write",
        None,
        tuple(standing.columns),
        tuple(standing.row),
        f"deleted here, but on site {site} {standing.reason}; retry puts it back, discard leaves it there",
        "references",
        here.now(),
        detail=aside.OFFERED,
    )
