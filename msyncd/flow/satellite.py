"""The satellite's side: one cycle is hello (where needed), push, pull, once.

Push comes first, so that nothing unsent is overwritten.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from msyncd import __version__
from msyncd.errors import DatabaseUnavailable, HelloAgain, Interrupted, MsyncdError, PeerRefused, TryLater
from msyncd.flow import giving, pulling, pushing, restoring
from msyncd.flow.conversation import PROTOCOL_VERSION, Hello, Peer, Waiting, Welcome
from msyncd.flow.here import Here
from msyncd.flow.ledger import aside, meta, owed, receipts, sites
from msyncd.flow.ledger.receipts import Pulled
from msyncd.flow.link import Link, spoken_types
from msyncd.flow.log import log_rows
from msyncd.flow.welcoming import hear_welcome, meet
from msyncd.model import PRIMARY, CycleSummary

Progress = Callable[[str, int, int | None], None]
"""Called with "push" or "pull", how many records went so far, how many are left if that is known."""


MOST_HELLOS = 5
"""Hellos in one cycle: facts that change faster than that are waited for."""


def silent(_direction: str, _done: int, _left: int | None) -> None:
    """No progress is shown."""


class Satellite:
    """Runs cycles with the primary. One at a time; `here` is swapped between batches."""

    def __init__(self, here: Here, peer: Peer, *, trust: Mapping[str, str] | None = None) -> None:
        self.here = here
        self.peer = peer
        self.link: Link | None = None
        self.trust = dict(trust or {})
        self.rounds = 0
        self.kept = pulling.Kept()
        """What went to quarantine here since a cycle last ended well; `last_kept` is that of the one before."""
        self.last_kept = pulling.Kept()

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
                summary = self._summary(sent, received, refused)
                self.last_kept, self.kept = self.kept, pulling.Kept()
                return replace(summary, left_to_receive=left, quarantined=self.last_kept.changes)
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
            return Waiting(
                pulled.cursor,
                self.here.facts.number,
                seconds,
                pulled.mark,
                meta.get(reader, "database_id") or "",
                meta.generation(reader),
                self.here.installation_id,
            )

    # --- hello ------------------------------------------------------------------------------------------------------

    def hello(self) -> Welcome:
        """Say hello, hear the facts, see that neither end is a restored backup, and join if this is the first time."""
        welcome = self.peer.hello(self.spoken())
        if self._becomes_another_generation(welcome):
            welcome = self.peer.hello(self.spoken())
        if welcome.protocol != PROTOCOL_VERSION:
            raise PeerRefused(f"the primary speaks protocol {welcome.protocol}", hint="upgrade the older of the two")
        if welcome.asks is not None:
            self.link = None
            giving.give(self, welcome, welcome.asks)
            welcome = self.peer.hello(self.spoken())  # it waits for others, or goes on
            if welcome.asks is not None:
                raise TryLater("the primary asks for more", hint="trying again")
        self.link = None  # it is agreed anew, or, where the two may not join yet, not at all
        heard = hear_welcome(self.here, welcome)
        self.here = heard.here  # not before its facts are durable: else nobody would write them any more
        meet(heard, self.peer.pull, self.trust)
        self.link = heard.link
        return welcome

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
            restoring.begin(writer, self.here, known, welcome)
        return True

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
            gives=True,
        )
