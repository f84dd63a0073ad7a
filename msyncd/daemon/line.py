"""The line to the primary, as the cycle uses it: between two batches it asks whether to go on."""

from collections.abc import Callable

from msyncd.flow.compare.messages import Compare, Compared
from msyncd.flow.conversation import Hello, Peer, Pull, PullReply, Push, PushReply, Waiting, WaitReply, Welcome


class Line:
    """A `Peer` that asks `before` at each batch; it raises Interrupted to stop there. Waiting is not asked about."""

    def __init__(self, peer: Peer, before: Callable[[], None]) -> None:
        self.peer = peer
        self._before = before

    def hello(self, hello: Hello) -> Welcome:
        """See Peer."""
        self._before()
        return self.peer.hello(hello)

    def push(self, push: Push) -> PushReply:
        """See Peer."""
        self._before()
        return self.peer.push(push)

    def pull(self, pull: Pull) -> PullReply:
        """See Peer."""
        self._before()
        return self.peer.pull(pull)

    def wait(self, waiting: Waiting) -> WaitReply:
        """See Peer."""
        return self.peer.wait(waiting)

    def compare(self, question: Compare) -> Compared:
        """See Peer."""
        return self.peer.compare(question)
