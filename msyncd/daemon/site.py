"""A site that runs: one side of the conversation, and the value that is swapped when the configuration changes."""

from collections.abc import Callable

from msyncd.daemon.boundary import Boundary
from msyncd.daemon.line import Line
from msyncd.errors import Problem
from msyncd.flow.compare.messages import Compare, Compared
from msyncd.flow.conversation import Hello, Pull, PullReply, Push, PushReply, Waiting, Welcome
from msyncd.flow.here import Here
from msyncd.flow.primary import Primary
from msyncd.flow.satellite import Satellite
from msyncd.wire.client import PrimaryClient


class Site:
    """Either `primary` or `satellite` is there. `here` is what both work with; assigning to it swaps all at once.

    `problems` are those that were found when it was opened; `schema_version` is that of the database before it was.
    `boundary` keeps a swap out of the work.
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
        self.schema_version = schema_version
        self.boundary = Boundary()
        self.primary: Primary | None = None
        self.satellite: Satellite | None = None
        self.client = client
        self.before_batch: Callable[[], None] = lambda: None
        self.wake: Callable[[], None] = lambda: None
        if client is None:
            self.primary = Primary(here, self._woken)
        else:
            self.satellite = Satellite(here, Line(client, self._before))

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
        self.satellite.peer = Line(client, self._before)
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

    def __init__(self, primary: Primary, boundary: Boundary) -> None:
        self._primary, self._boundary = primary, boundary

    def hello(self, hello: Hello) -> Welcome:
        """See Answers."""
        with self._boundary.shared():
            return self._primary.hello(hello)

    def push(self, site: int, push: Push) -> PushReply:
        """See Answers."""
        with self._boundary.shared():
            return self._primary.push(site, push)

    def pull(self, site: int, pull: Pull) -> PullReply:
        """See Answers."""
        with self._boundary.shared():
            return self._primary.pull(site, pull)

    def compare(self, site: int, question: Compare) -> Compared:
        """See Answers."""
        with self._boundary.shared():
            return self._primary.compare(site, question)

    def news(self, site: int, waiting: Waiting) -> bool:
        """Whether there is anything for the site."""
        with self._boundary.shared():
            return self._primary.news(site, waiting)
