"""The satellite's side: one cycle is hello (where needed), push, pull, once.

Push comes first, so that nothing unsent is overwritten.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import msgspec

from msyncd import __version__
from msyncd.databases.interface import Writer
from msyncd.errors import DatabaseUnavailable, HelloAgain, Interrupted, MsyncdError, PeerRefused, RestoredBackup
from msyncd.flow import pulling, pushing, restoring
from msyncd.flow.advancing import tell_moved
from msyncd.flow.conversation import PROTOCOL_VERSION, Hello, Peer, SpokenType, Waiting, Welcome
from msyncd.flow.facts import read_facts, write_facts
from msyncd.flow.handover import moves
from msyncd.flow.hearing import hear
from msyncd.flow.here import Here
from msyncd.flow.joining import join, joined_anew
from msyncd.flow.ledger import aside, marks, meta, owed, receipts, sites
from msyncd.flow.ledger.receipts import Pulled
from msyncd.flow.ledger.sites import Known
from msyncd.flow.link import heard_facts, spoken_types, stopped_between
from msyncd.flow.log import log_rows
from msyncd.model import PRIMARY, START, CycleSummary, Facts

Progress = Callable[[str, int, int | None], None]
"""Called with "push" or "pull", how many records went so far, how many are left if that is known."""


MOST_HELLOS = 5
"""Hellos in one cycle: facts that change faster than that are waited for."""


def silent(_direction: str, _done: int, _left: int | None) -> None:
    """No progress is shown."""


@dataclass(frozen=True, slots=True)
class Link:
    """What was agreed at the last hello: record types that do not travel and why, problems in words."""

    stopped: Mapping[str, str]
    spoken: Mapping[str, SpokenType]
    """The record types as the primary speaks them."""
    problems: tuple[str, ...] = ()


class Satellite:
    """Runs cycles with the primary. One at a time; `here` is swapped between batches."""

    def __init__(self, here: Here, peer: Peer, *, trust: Mapping[str, str] | None = None) -> None:
        self.here = here
        self.peer = peer
        self.link: Link | None = None
        self.trust = dict(trust or {})
        self.rounds = 0

    def cycle(self, progress: Progress = silent) -> CycleSummary:
        """Hello if none was said since the last change, then push, then pull. Raises MsyncdError.

        Plugins are told of its end, also of a failure; not of a pause, after which it goes on.
        """
        try:
            summary = self._cycle(progress)
        except Interrupted:
            raise
        except Exception as error:
            self.here.plugins.cycle_finished(self._failure(error))
            raise
        self.here.plugins.cycle_finished(summary)
        return summary

    def _cycle(self, progress: Progress) -> CycleSummary:
        self.rounds = 0
        for attempt in range(MOST_HELLOS):
            try:
                if self.link is None:
                    self.hello()
                sent, refused = pushing.push_all(self, progress)
                received, left = pulling.pull_all(self, progress)
            except HelloAgain:
                # stores or sites changed at the primary, or the token is out of date: say hello, then go on
                self.link = None
                if attempt == MOST_HELLOS - 1:
                    raise
            else:
                if left == 0:
                    self._note_success()
                return replace(self._summary(sent, received, refused), left_to_receive=left)
        raise AssertionError("the last attempt returned or raised")

    def _note_success(self) -> None:
        """Nothing is left to receive. Where no batch has noted that, it is noted now if it is news, or was long ago."""
        here = self.here
        with here.database.read() as reader:
            known = sites.known(reader, PRIMARY)
        if known.to_receive == 0 and not known.success_is_old(here.clock()):
            return
        # only a note: if the application holds the lock, the next cycle makes it
        with suppress(DatabaseUnavailable), here.database.write() as writer:
            sites.note(writer, PRIMARY, last_success=here.now(), to_receive=0)

    def forget_hello(self) -> None:
        """The configuration changed, or the line broke in a way that needs a new token: say hello again next time."""
        self.link = None

    def waiting(self, seconds: float) -> Waiting:
        """The question of the long poll."""
        with self.here.database.read() as reader:
            pulled = receipts.pulled_from(reader, PRIMARY) or Pulled()
        return Waiting(pulled.cursor, self.here.facts.number, seconds)

    # --- hello ------------------------------------------------------------------------------------------------------

    def hello(self) -> Welcome:
        """Say hello, hear the facts, see that neither end is a restored backup, and join if this is the first time."""
        welcome = self.peer.hello(self.spoken())
        if self._becomes_another_generation(welcome):
            welcome = self.peer.hello(self.spoken())
        if welcome.protocol != PROTOCOL_VERSION:
            raise PeerRefused(f"the primary speaks protocol {welcome.protocol}", hint="upgrade the older of the two")
        self.welcomed(welcome)
        return welcome

    def welcomed(self, welcome: Welcome, *, by_bundle: bool = False) -> None:
        """Take a welcome in. One that comes by a bundle may be older than what is known here: that then stands."""
        here = self.here
        stopped = stopped_between(here.types, welcome.record_types, peer=PRIMARY)
        facts = heard_facts(welcome.facts_number, welcome.stores, welcome.sites)
        with here.database.write() as writer:
            known = sites.known(writer, PRIMARY)
            if by_bundle and int(meta.get(writer, "facts_number") or 0) > facts.number:
                facts = read_facts(writer)
            older = by_bundle and welcome.pushed < known.confirmed
            if not older:
                self._recognise(writer, welcome, known)
            self._hear_facts(writer, facts)
            newly = [name for name in known.stopped or {} if name not in stopped]
            self._pay_schema(writer, newly)
            sites.note(
                writer,
                PRIMARY,
                name=welcome.primary_name,
                database_id=welcome.database_id,
                generation=welcome.generation,
                version=welcome.version,
                public_key=known.public_key or welcome.public_key or None,
                record_types=msgspec.json.encode(dict(stopped)).decode(),
                problem="; ".join(welcome.problems) or None,
                last_contact=here.now(),
            )
            if not older:
                if welcome.pushed_mark:
                    marks.confirm(writer, PRIMARY, welcome.pushed_mark)
                sites.note_confirmed(writer, PRIMARY, welcome.pushed)
            hear(writer, here, welcome.refusals)
            anew = welcome.anew if welcome.anew > joined_anew(writer) and known.joined else 0
            restored = restoring.is_taking_back(writer)
        self.here = replace(here, facts=facts)  # not before they are durable: else nobody would write them any more
        if here.facts.number:
            tell_moved(self.here, moves(here.facts, facts))
        self.link = Link(stopped, {one.name: one for one in welcome.record_types}, welcome.problems)
        try:
            if restored:
                restoring.take_back(self)
            if anew or not known.joined:
                join(self, welcome, anew=anew)
        except BaseException:
            self.link = None  # not joined: the next cycle must not go on as if it were
            raise
        if anew or not known.joined:
            with here.database.write() as writer:
                sites.note(writer, PRIMARY, joined=1)

    def spoken(self, *, probe: bool = False) -> Hello:
        """Who I am, what I speak, what I believe."""
        return hello_of(self.here, probe=probe)

    def _becomes_another_generation(self, welcome: Welcome) -> bool:
        """Whether this database turned out to be restored from a backup: then it says hello again, as another one."""
        with self.here.database.read() as reader:
            if not restoring.is_restored(reader, welcome, sites.known(reader, PRIMARY)):
                return False
        with self.here.database.write() as writer:
            known = sites.known(writer, PRIMARY)
            restoring.begin(writer, self.here, known, above=welcome.site_generation)
        return True

    def _recognise(self, writer: Writer, welcome: Welcome, known: Known) -> None:
        """Either end may be an older copy of itself: the marks tell (P8)."""
        if known.database_id is not None and known.database_id != welcome.database_id:
            raise RestoredBackup(
                "the primary's database is not the one that this site has synced with",
                hint="if the primary was set up anew on purpose, run `msyncd remove` and `msyncd init` here",
            )
        strange = welcome.pushed_mark and not marks.knows(writer, PRIMARY, welcome.pushed_mark)
        forgotten = not welcome.pushed_mark and known.confirmed != START
        if strange or welcome.pushed > writer.log_end():
            raise RestoredBackup(
                "the primary has received changes that this database does not know",
                hint="an older copy of this site's database runs: see docs/restore.md before anything is edited",
            )
        if forgotten:
            raise RestoredBackup(
                "the primary does not know what this site has sent it",
                hint="an older copy of the primary's database runs there: see docs/restore.md",
            )

    def _hear_facts(self, writer: Writer, facts: Facts) -> None:
        if facts != self.here.facts:
            write_facts(writer, facts)
            self.here.database.renew_guard(facts, writer, self.here.site)

    def _pay_schema(self, writer: Writer, names: list[str]) -> None:
        """Record types that sync again: what was not pushed meanwhile is pushed now (P7)."""
        for one in owed.owed(writer):
            if one.because == "schema" and one.record_type in names:
                writer.log_again(self.here.types.ids[one.record_type], one.since, self.here.site, None)
                owed.settled(writer, one.site, one.record_type, one.because)

    def pay_filters(self) -> None:
        """A filter changed: what it left out before is looked at again (P7)."""
        here = self.here
        fingerprint = here.plugins.fingerprint("filter")
        with here.database.write() as writer:
            for one in owed.owed(writer):
                if one.because != "schema" and one.fingerprint != fingerprint and one.record_type in here.types.ids:
                    writer.log_again(here.types.ids[one.record_type], one.since, here.site, None)
                    owed.settled(writer, one.site, one.record_type, one.because)

    def send_again(self, records: Mapping[str, list[tuple[object, ...]]]) -> None:
        """Log records anew, so that they are pushed once more."""
        with self.here.database.write() as writer:
            for name, keys in records.items():
                log_rows(writer, self.here, self.here.types.types[name], keys)  # type: ignore[arg-type]  # keys

    def _failure(self, error: Exception) -> CycleSummary:
        """What is known of a cycle that failed: how much is left, if the database can be read, and why."""
        words = str(error) if isinstance(error, MsyncdError) else f"{type(error).__name__}: {error}"
        try:
            known = self._summary(0, 0, 0)
        except MsyncdError:
            known = CycleSummary()
        return replace(known, left_to_receive=None, problem=words)

    def _summary(self, sent: int, received: int, refused: int) -> CycleSummary:
        here = self.here
        with here.database.read() as reader:
            confirmed = sites.known(reader, PRIMARY).confirmed
            left = reader.log_count(confirmed, origin=here.site)
            return CycleSummary(sent, received, refused, aside.count_waiting(reader), left, 0)


def hello_of(here: Here, *, probe: bool = False) -> Hello:
    """Who a site is, what it speaks, what it believes."""
    mine = here.settings.this_site
    with here.database.read() as reader:
        installed = here.database.installed()
        return Hello(
            PROTOCOL_VERSION,
            __version__,
            here.site,
            mine.name,
            (meta.get(reader, "database_id") or "") if installed else "",
            meta.generation(reader) if installed else 1,
            here.installation_id,
            spoken_types(here.types),
            here.facts.number,
            mine.active_stores,
            mine.copies_of,
            here.public_key,
            heard=sites.known(reader, PRIMARY).heard if installed else 0,
            now=here.now(),
            restored=installed and restoring.is_taking_back(reader),
            probe=probe,
        )
