"""The line to the primary, as the cycle uses it: between two batches it asks whether to go on, and counts."""

from collections.abc import Callable
from typing import TypeVar

from msyncd.daemon.traffic import Traffic
from msyncd.flow.compare.messages import Compare, Compared
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
from msyncd.model import PRIMARY
from msyncd.wire.client import PrimaryClient

R = TypeVar("R")
M = TypeVar("M")


class Line:
    """A `Peer` that asks `before` at each batch; it raises Interrupted to stop there. Waiting is not asked about."""

    def __init__(self, client: PrimaryClient, before: Callable[[], None], traffic: Traffic) -> None:
        self._client, self._before, self._traffic = client, before, traffic

    def hello(self, hello: Hello) -> Welcome:
        """See Peer."""
        return self._counted(self._client.hello, hello)

    def push(self, push: Push) -> PushReply:
        """See Peer."""
        reply = self._counted(self._client.push, push)
        crossed = self._client.last
        self._traffic.took(PRIMARY, crossed.sent, crossed.seconds - reply.seconds)
        numbers = [one.number for one in reply.refusals]
        self._traffic.batch(PRIMARY, "sent", len(push.batch) if reply.applied else 0, crossed.seconds, numbers)
        return reply

    def pull(self, pull: Pull) -> PullReply:
        """See Peer."""
        reply = self._counted(self._client.pull, pull)
        crossed = self._client.last
        self._traffic.took(PRIMARY, crossed.received, crossed.seconds)
        numbers = [one.number for one in reply.refusals]
        self._traffic.batch(PRIMARY, "received", records_in(reply), crossed.seconds, numbers)
        return reply

    def wait(self, waiting: Waiting) -> WaitReply:
        """See Peer."""
        return self._client.wait(waiting)

    def compare(self, question: Compare) -> Compared:
        """See Peer. It is no work of a cycle: nothing is asked before it."""
        try:
            return self._client.compare(question)
        finally:
            self._count()

    def give(self, give: Give) -> GiveReply:
        """See Peer."""
        return self._counted(self._client.give, give)

    def _counted(self, call: Callable[[M], R], message: M) -> R:
        self._before()
        try:
            return call(message)
        finally:
            self._count()

    def _count(self) -> None:
        crossed = self._client.last
        self._traffic.crossed(PRIMARY, sent=crossed.sent, received=crossed.received)


def records_in(reply: PullReply) -> int:
    """How many changes an answer to a pull brings."""
    in_piece = sum(map(len, reply.piece.types)) if reply.piece is not None and not reply.piece.digests else 0
    return in_piece + (len(reply.batch) if reply.batch is not None else 0)
