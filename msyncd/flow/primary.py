"""The primary's side of a cycle: what it answers when a satellite calls."""

from collections.abc import Callable
from dataclasses import replace
from threading import Lock

import msgspec

from msyncd.databases.interface import Reader, RowRejected, Writer
from msyncd.databases.values import ONLY_SITE, ORIGIN
from msyncd.errors import DatabaseUnavailable, FactsChanged
from msyncd.flow.accepting import Accepted, accept
from msyncd.flow.compare.answer import answer
from msyncd.flow.compare.messages import Compare, Compared
from msyncd.flow.confirming import confirm_place, has_moved_on
from msyncd.flow.conversation import (
    Give,
    GiveReply,
    Hello,
    Pull,
    PullReply,
    Push,
    PushReply,
    Waiting,
    WaitReply,
    Welcome,
)
from msyncd.flow.described import check_described
from msyncd.flow.facts import read_facts
from msyncd.flow.given import Takings
from msyncd.flow.greeting import greet
from msyncd.flow.here import Here
from msyncd.flow.ledger import fills, meta
from msyncd.flow.parking import NeedsMoreError
from msyncd.flow.route import interest_of
from msyncd.flow.serving import Serving
from msyncd.model import Cursor

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
        self._serving = Serving()
        self._takings = Takings()

    def hello(self, hello: Hello) -> Welcome:
        """Register a satellite, or recognise it; tell it where both stand. Raises PeerRefused, TryLater."""
        here = self._fresh()
        check_described(here)  # another worker may already speak of the tables as they are now
        return greet(here, hello)

    def push(self, site: int, push: Push) -> PushReply:
        """Apply a batch of a satellite's changes, exactly once. Raises FactsChanged, MessageInvalid, TryLater."""
        here = self._fresh()
        came = began = here.clock()

        def work(writer: Writer) -> Accepted:
            nonlocal began
            began = here.clock()  # its turn has come
            return accept(writer, here, site, push)

        try:
            reply, told, refused = here.database.with_care(work)
        except NeedsMoreError as error:
            return PushReply(False, push.batch.after, "", needs=tuple(error.records))
        except RowRejected as error:
            raise DatabaseUnavailable(f"the batch could not be committed: {error}", hint="trying again") from error
        for batch in told:
            here.plugins.committed(batch)
        if refused:
            here.plugins.refused(refused)
        self._wake()
        seconds, waited = (here.clock() - began).total_seconds(), (began - came).total_seconds()
        most = here.database.lock_seconds
        return msgspec.structs.replace(reply, seconds=seconds, waited=waited, lock_seconds=most)

    def pull(self, site: int, pull: Pull) -> PullReply:
        """The next batch or piece for a satellite. Raises FactsChanged, RestoredBackup, TryLater."""
        try:
            return self._serving.serve(self._fresh(), site, pull)
        except FactsChanged:
            self._wake()  # a hand-over may have taken a step: its other end waits for that
            raise

    def compare(self, site: int, question: Compare) -> Compared:
        """Which records differ from a satellite's. Raises FactsChanged, CloneRefused, MessageInvalid."""
        compared = answer(self._fresh(), site, question)
        if question.send_again:
            self._wake()
        return compared

    def give(self, site: int, give: Give) -> GiveReply:
        """Take in what this primary lost. Raises FactsChanged, CloneRefused, MessageInvalid, TryLater."""
        reply = self._takings.take(self._fresh(), site, give)
        self._wake()
        return reply

    def wait(self, site: int, waiting: Waiting) -> WaitReply:
        """Whether there is something for the site now; the server asks again until there is, or time is over."""
        return WaitReply(self.news(site, waiting))

    def news(self, site: int, waiting: Waiting) -> bool:
        """Whether there is anything for the site: beyond its cursor, or a fill. A look at the log, at no table."""
        here = self.here
        with here.database.read() as reader:
            if int(meta.get(reader, "facts_number") or 0) != waiting.facts_number:
                return True
            moved_on, found = has_moved_on(reader, site, waiting), _has_news(reader, here, site, waiting.cursor)
        if moved_on:
            confirm_place(here, site, waiting)
        return found

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


def _has_news(reader: Reader, here: Here, site: int, cursor: Cursor) -> bool:
    if fills.fills(reader, site):
        return True  # what it brings has no entries in the log
    if reader.log_end() <= cursor:
        return False
    page = reader.log_page(cursor, SCAN, interest_of(here, here.peer(site)))
    return any(entry[ORIGIN] != site or entry[ONLY_SITE] is not None for entry in page.entries) or page.upto < page.end
