"""A site that runs: one side of the conversation, and the value that is swapped when the configuration changes."""

import time
from collections.abc import Callable

import structlog

from msyncd.daemon.boundary import Boundary
from msyncd.daemon.complaints import Disagreements
from msyncd.daemon.line import Line, records_in
from msyncd.daemon.traffic import Traffic
from msyncd.errors import Problem
from msyncd.flow.compare.messages import Compare, Compared
from msyncd.flow.conversation import Give, GiveReply, Hello, Pull, PullReply, Push, PushReply, Waiting, Welcome
from msyncd.flow.here import Here
from msyncd.flow.primary import Primary
from msyncd.flow.satellite import Satellite
from msyncd.wire.client import PrimaryClient


class Site:
    """Either `primary` or `satellite` is there. `here` is what both work with; assigning to it swaps all at once.

    `problems` are those that were found when it was opened; `schema_version` is that of the database before it was.
    `boundary` keeps a swap out of the work; `traffic` counts what crosses the line. `behind` says, if so, that newer
    wishes than these were taken in elsewhere (see heeding.py).
    """

    def __init__(
        self,
        here: Here,
        problems: tuple[Problem, ...],
        client: PrimaryClient | None = None,
        *,
        schema_version: int = 0,
    ) -> None:
        self.problems = problems
        self.behind: Problem | None = None
        self.schema_version = schema_version
        self.boundary = Boundary()
        self.traffic = Traffic()
        self.primary: Primary | None = None
        self.satellite: Satellite | None = None
        self.client = client
        self.before_batch: Callable[[], None] = lambda: None
        self.wake: Callable[[], None] = lambda: None
        if client is None:
            self.primary = Primary(here, self._woken)
        else:
            self.satellite = Satellite(here, Line(client, self._before, self.traffic))

    @property
    def here(self) -> Here:
        """The site as it is configured and as the facts are."""
        end = self.primary or self.satellite
        assert end is not None
        return end.here

    @here.setter
    def here(self, here: Here) -> None:
        if self.primary is not None:
            self.primary.here = here
        elif self.satellite is not None:
            self.satellite.here = here
            self.satellite.forget_hello()

    def call(self, client: PrimaryClient) -> None:
        """From now on the primary is called by another client: its address or log-in has changed."""
        assert self.satellite is not None
        old, self.client = self.client, client
        self.satellite.peer = Line(client, self._before, self.traffic)
        self.satellite.forget_hello()
        if old is not None:
            old.close()

    def close(self) -> None:
        """Break off what is under way, and let go of the database."""
        if self.client is not None:
            self.client.close()
        self.here.database.close()

    def _woken(self) -> None:
        self.wake()  # as it is now: a new server brings another

    def _before(self) -> None:
        self.before_batch()


class Doors:
    """The primary's answers, each inside the boundary: a swap waits for those under way, and they for the swap."""

    def __init__(self, primary: Primary, boundary: Boundary, traffic: Traffic) -> None:
        self._primary, self._boundary, self._traffic = primary, boundary, traffic
        self._log = structlog.get_logger("msyncd.daemon")
        self._with: dict[int, Disagreements] = {}

    def hello(self, hello: Hello) -> Welcome:
        """See Answers."""
        with self._boundary.shared():
            welcome = self._primary.hello(hello)
        if not hello.probe:
            site = hello.sync_id
            self._with.setdefault(site, Disagreements(self._log.bind(site=site))).now(welcome.problems)
        return welcome

    def push(self, site: int, push: Push) -> PushReply:
        """See Answers."""
        started = time.monotonic()
        with self._boundary.shared():
            reply = self._primary.push(site, push)
        records = len(push.batch) if reply.applied else 0
        numbers = [one.number for one in reply.refusals]
        fresh = self._traffic.batch(site, "received", records, time.monotonic() - started, numbers)
        if fresh:
            # those told before come first: the newest is of this batch
            newest = max(reply.refusals, key=lambda one: one.number)
            said = {"record": f"{newest.type} {', '.join(map(str, newest.key))}", "reason": newest.reason}
            self._log.warning("changes refused, see `msyncd quarantine list`", site=site, changes=fresh, **said)
        return reply

    def pull(self, site: int, pull: Pull) -> PullReply:
        """See Answers."""
        started = time.monotonic()
        with self._boundary.shared():
            reply = self._primary.pull(site, pull)
        self._traffic.batch(site, "sent", records_in(reply), time.monotonic() - started)
        return reply

    def compare(self, site: int, question: Compare) -> Compared:
        """See Answers."""
        with self._boundary.shared():
            return self._primary.compare(site, question)

    def give(self, site: int, give: Give) -> GiveReply:
        """See Answers."""
        with self._boundary.shared():
            return self._primary.give(site, give)

    def news(self, site: int, waiting: Waiting) -> bool:
        """Whether there is anything for the site."""
        with self._boundary.shared():
            return self._primary.news(site, waiting)
